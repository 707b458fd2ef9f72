//! T1, T2: the wall clock is set forward, back and across restarts, and stands still. Time in the books never goes back,
//! nothing expires because of a step, and nobody pays twice.

use serde_json::Value;
use tests::{Clock, Config, Gate, Request, Response, Route, Script, World};

const HOUR: i64 = 3_600;

async fn world(clock: &Clock) -> World {
    World::timed(clock, "$1", [Route::new("/paid", "$0.001")]).await
}

/// A signed payment is not taken, and the answer says that it will be and that nothing was charged.
fn expect_clock_ahead(response: &Response) {
    response.expect_refusal(503, "clock_ahead");
    assert_eq!(response.header("retry-after"), Some("30"));
    assert_eq!(response.header("payment-required"), None);
}

async fn behind(world: &World) -> u64 {
    world.gateway.metrics().await.count("faregate_ledger_clock_behind_seconds", &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_an_hour_forward_expires_nothing_but_what_was_signed_before() {
    let clock = Clock::new();
    let world = world(&clock).await;
    let key = world.agent.key(&world.gateway).await;
    let named = Request::get("/paid").key(&key).with("Idempotency-Key", "before the step");
    world.gateway.call(&named).await.expect_status(200);
    let unused = world.agent.sign(&world.gateway, &Request::get("/paid")).await;

    clock.step(HOUR);
    let late = world.gateway.call(&Request::get("/paid").paying(unused.header())).await;
    late.expect_refusal(402, "invalid_exact_evm_payload_authorization_valid_before");
    assert_eq!(world.again(&named).await.header("idempotency-replayed"), Some("true"));
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    // The quote is older than any that was superseded, and still the one of the price in force.
    let signed_again = world.agent.payer.pay_challenge(&late.challenge());
    world.gateway.call(&Request::get("/paid").paying(signed_again.header())).await.expect_status(200);
    assert_eq!(world.upstream.calls("/paid").len(), 3);
    world.expect_balance(997_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_an_hour_back_stops_signed_payments_with_an_alert_and_keys_go_on() {
    let clock = Clock::new();
    let world = world(&clock).await;
    let key = world.agent.key(&world.gateway).await;
    let first = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let first = Request::get("/paid").paying(first.header());
    world.gateway.call(&first).await.expect_status(200);
    assert_eq!(behind(&world).await, 0);

    clock.step(-HOUR);
    // By the clock that was set back as by the one that was not: neither is asked to sign again.
    expect_clock_ahead(&world.buy(&Request::get("/paid")).await);
    let mut right = world.agent.clone();
    right.payer.follow(&Clock::new());
    expect_clock_ahead(&right.buy(&world.gateway, &Request::get("/paid")).await);
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    // Who paid before the step hears that, and not that nothing was charged.
    world.again(&first).await.expect_refusal(409, "already_delivered");
    let seconds = behind(&world).await;
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    tests::wait::until("the alert in the log", || async {
        world.gateway.log().contains("no signed payment is taken").then_some(())
    })
    .await;

    // Within the skew that is allowed, it is still behind and good enough.
    clock.step(HOUR - 10);
    world.buy(&Request::get("/paid")).await.expect_status(200);
    assert_eq!(world.upstream.calls("/paid").len(), 3);
    world.expect_balance(997_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_ten_seconds_back_are_not_noticed_and_time_in_the_books_does_not_go_back() {
    let clock = Clock::new();
    let world = world(&clock).await;
    let key = world.agent.key(&world.gateway).await;
    let mut last = String::new();
    for step in [0, -10, 3, -3, 10] {
        clock.step(step);
        world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
        let served = world.buy(&Request::get("/paid")).await;
        let at = captured_at(&world, &key, &served).await;
        assert!(at >= last, "{at} after {last}");
        last = at;
    }
    world.expect_balance(990_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_a_clock_that_stands_still_takes_every_payment_once() {
    let clock = Clock::new();
    clock.freeze();
    let mut world = world(&clock).await;
    let key = world.agent.key(&world.gateway).await;
    let first = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let first = Request::get("/paid").paying(first.header());
    world.gateway.call(&first).await.expect_status(200);
    for _ in 0..10 {
        world.buy(&Request::get("/paid")).await.expect_status(200);
        world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    }
    world.again(&first).await.expect_refusal(409, "already_delivered");
    world.gateway.kill().await;
    world.gateway.restart().await;
    world.again(&first).await.expect_refusal(409, "already_delivered");
    assert_eq!(world.upstream.calls("/paid").len(), 21);
    world.expect_balance(979_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_the_clock_steps_both_ways_across_restarts() {
    let clock = Clock::new();
    let mut world = world(&clock).await;
    let key = world.agent.key(&world.gateway).await;
    let mut paid = Vec::new();
    for step in [0, HOUR, -HOUR, -HOUR, 2 * HOUR] {
        world.gateway.kill().await;
        clock.step(step);
        world.gateway.restart().await;
        let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
        let request = Request::get("/paid").paying(payment.header());
        let response = world.gateway.call(&request).await;
        if step < 0 {
            expect_clock_ahead(&response);
        } else {
            response.expect_status(200);
            paid.push(request);
        }
        for earlier in &paid {
            world.again(earlier).await.expect_refusal(409, "already_delivered");
        }
        // Its commit says as well that they arrived, before the next kill.
        world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    }
    assert_eq!((paid.len(), world.upstream.calls("/paid").len()), (3, 8));
    world.expect_balance(992_000).await;
    world.finish().await;
}

/// The wallet rail needs no time to settle: the hold is the settlement's promise, so its margin is nothing. What has
/// expired is refused before the upstream is asked; what is accepted in its last second can always be collected.
#[tokio::test(flavor = "multi_thread")]
async fn t2_what_expires_now_is_refused_up_front_and_what_was_taken_is_collected() {
    let clock = Clock::new();
    clock.freeze();
    let world = world(&clock).await;
    let until = async |seconds: i64| {
        let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
        let place = "/payload/authorization/validBefore";
        let end = Value::from((clock.seconds() + seconds).to_string());
        Request::get("/paid").paying(payment.signed_with(&world.agent.payer, place, end).header())
    };
    for seconds in [-1, 0, 91] {
        let refused = world.gateway.call(&until(seconds).await).await;
        refused.expect_refusal(402, "invalid_exact_evm_payload_authorization_valid_before");
    }
    assert!(world.upstream.seen().is_empty());

    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "late").after(&gate));
    let last = until(1).await;
    let mut running = world.gateway.wire().await;
    running.send(&last).await;
    gate.reached().await;
    clock.step(HOUR);
    gate.open();
    running.response("GET").await.expect_status(200);
    world.again(&last).await.expect_refusal(409, "already_delivered");
    world.expect_balance(999_000).await;
    world.finish().await;
}

/// Superseded quotes are honoured for `quote_ttl`, by the books' time, and not a second longer.
#[tokio::test(flavor = "multi_thread")]
async fn h1_an_old_quote_is_honoured_for_a_minute_and_no_longer() {
    let clock = Clock::new();
    let mut world = world(&clock).await;
    let old = world.gateway.challenge("/paid").await;
    let dearer = Config::new(world.upstream.address(), [Route::new("/paid", "$0.002")]);
    clock.freeze();
    world.gateway.reload(dearer).await;
    let pay = async || {
        let payment = world.agent.payer.pay(&old);
        world.gateway.call(&Request::get("/paid").paying(payment.header())).await
    };
    clock.step(59);
    assert_eq!(pay().await.expect_status(200).receipt()["amount"], "1000");
    clock.step(1);
    let over = pay().await;
    over.expect_refusal(402, "invalid_quote");
    assert_eq!(over.challenge()["accepts"][0]["amount"], "2000");
    world.expect_balance(999_000).await;
    world.finish().await;
}

/// When a payment was captured, as its payer's own view says.
async fn captured_at(world: &World, key: &str, served: &Response) -> String {
    let id = served.header("faregate-payment-id").unwrap();
    let view = Request::get(&format!("/.well-known/faregate/payments/{id}")).key(key);
    world.gateway.call(&view).await.json()["captured_at"].as_str().unwrap().to_owned()
}
