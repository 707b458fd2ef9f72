//! Hours and midnights: what comes again late is told what became of it (R4, R5), and what runs over midnight is charged
//! to the day and month it was held in (R10).

use serde_json::{Value, json};
use tests::{Agent, Clock, Gate, Request, Response, Route, Script, Wire, World};

const DAY: i64 = 24 * 3_600;

/// 2028-02-29T23:59:49Z: a little before a day and a month end together.
const LAST_SECONDS: i64 = 1_835_481_589;

fn expect_told(response: &Response, first: &Response) {
    response.expect_refusal(409, "already_delivered");
    assert_eq!(response.receipt(), first.receipt());
    assert_eq!(response.header("payment-required"), None, "after a payment, never a fresh 402");
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_payment_sent_again_an_hour_later_after_a_restart_is_not_charged_again() {
    let clock = Clock::new();
    let mut world = World::timed(&clock, "$1", [Route::new("/paid", "$0.001")]).await;
    let plain = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let named =
        world.agent.sign(&world.gateway, &Request::get("/paid")).await.identified("named-an-hour-ago");
    let unused = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let [plain, named, unused] =
        [plain, named, unused].map(|payment| Request::get("/paid").paying(payment.header()));
    let (first, stored) = (world.gateway.call(&plain).await, world.gateway.call(&named).await);
    first.expect_status(200);
    stored.expect_status(200);
    world.again(&named).await.expect_status(200);

    for kills in 0..2 {
        clock.step(3_600);
        if kills == 0 {
            world.gateway.terminate().await;
        } else {
            world.gateway.kill().await;
        }
        world.gateway.restart().await;
        expect_told(&world.gateway.call(&plain).await, &first);
        let again = world.gateway.call(&named).await;
        again.expect_status(200);
        assert_eq!((again.header("idempotency-replayed"), again.text()), (Some("true"), stored.text()));
        assert_eq!(again.receipt(), stored.receipt());
        // What was never used has expired, and is refused without a trace.
        let late = world.gateway.call(&unused).await;
        late.expect_refusal(402, "invalid_exact_evm_payload_authorization_valid_before");
    }
    assert_eq!(world.upstream.calls("/paid").len(), 2);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_after_a_day_the_answer_is_forgotten_and_the_payment_is_not() {
    let clock = Clock::new();
    let mut world = World::timed(&clock, "$1", [Route::new("/paid", "$0.001")]).await;
    let plain = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let named =
        world.agent.sign(&world.gateway, &Request::get("/paid")).await.identified("named-a-day-before");
    let [plain, named] = [plain, named].map(|payment| Request::get("/paid").paying(payment.header()));
    let (first, stored) = (world.gateway.call(&plain).await, world.gateway.call(&named).await);
    first.expect_status(200);
    stored.expect_status(200);
    world.again(&named).await.expect_status(200);

    clock.step(DAY + 1);
    expect_told(&world.gateway.call(&plain).await, &first);
    expect_told(&world.gateway.call(&named).await, &stored);
    world.gateway.terminate().await;
    world.gateway.restart().await;
    expect_told(&world.gateway.call(&plain).await, &first);
    expect_told(&world.gateway.call(&named).await, &stored);
    let elsewhere = Request { target: "/paid?other".to_owned(), ..plain };
    world.gateway.call(&elsewhere).await.expect_refusal(409, "payment_reused");
    assert_eq!(world.upstream.calls("/paid").len(), 2);
    // Time goes on for everybody else.
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.expect_balance(997_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_what_runs_over_midnight_and_the_month_is_charged_to_the_window_it_was_held_in() {
    let clock = Clock::at(LAST_SECONDS);
    clock.freeze();
    let mut world = World::timed(&clock, "$1", [Route::new("/paid", "$0.001")]).await;
    let policy = json!({ "per_day": "$0.003", "per_month": "$0.003" });
    let mut agent = Agent::with_policy(&world.gateway, "$1", policy).await;
    agent.payer.follow(&clock);
    let key = agent.key(&world.gateway).await;
    let (call, gate) = (Request::get("/paid").key(&key), Gate::new());
    let now = Script::reply(200, &[], "now");
    let (late, failed) = (Script::reply(200, &[], "late"), Script::reply(500, &[], "failed"));
    world.upstream.on_each("/paid", [now.clone(), late.after(&gate), failed.after(&gate), now]);

    world.gateway.call(&call).await.expect_status(200);
    let payment = agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut running = Vec::new();
    for request in [&call, &Request::get("/paid").paying(payment.header())] {
        let mut wire = world.gateway.wire().await;
        wire.send(request).await;
        running.push(wire);
        gate.reached_by(running.len()).await;
    }
    world.gateway.call(&call).await.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(windows(&world, &agent).await, [[1_000, 2_000], [1_000, 2_000]]);

    clock.step(20);
    // The first of March has a limit of its own, though February's calls still run.
    for _ in 0..3 {
        world.gateway.call(&call).await.expect_status(200);
    }
    world.gateway.call(&call).await.expect_refusal(403, "spending_limit_exceeded");
    gate.open();
    for (wire, status) in running.iter_mut().zip([200, 500]) {
        Wire::response(wire, "GET").await.expect_status(status);
    }
    assert_eq!(windows(&world, &agent).await, [[3_000, 0], [3_000, 0]], "March has its own three calls");
    world.gateway.call(&call).await.expect_refusal(403, "spending_limit_exceeded");

    // February has a call left, by the one that failed. Neither a restart nor a clock that is set back reaches it.
    world.gateway.kill().await;
    world.gateway.restart().await;
    assert_eq!(windows(&world, &agent).await, [[3_000, 0], [3_000, 0]]);
    clock.step(-20);
    world.gateway.call(&call).await.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(world.upstream.calls("/paid").len(), 6);
    agent.expect_balance(&world.gateway, 995_000).await;
    world.finish().await;
}

/// Spent and held today and this month.
async fn windows(world: &World, agent: &Agent) -> [[i64; 2]; 2] {
    let view = world.gateway.ask("GET", &format!("/v1/agents/{}", agent.id), None).await;
    let units = |value: &Value| value["amount"].as_str().unwrap().parse::<i64>().unwrap();
    ["today", "month"].map(|window| ["spent", "held"].map(|part| units(&view["spending"][window][part])))
}
