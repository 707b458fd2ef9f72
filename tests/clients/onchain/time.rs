//! Time on a public network, where the chain has its own: what the gateway's clock does loses no payment and takes none twice.

use serde_json::{Value, json};
use tests::wait::until;
use tests::{Clock, Payer, Payment, PublicWorld, Request, Route, Setting};

const HOUR: i64 = 3_600;
const PRICE: u64 = 1_000;
const EXPIRED: &str = "invalid_exact_evm_payload_authorization_valid_before";

async fn signed(world: &PublicWorld, payer: &Payer) -> Payment {
    payer.pay_challenge(&world.challenge(&Request::get("/paid")).await)
}

fn paying(payment: &Payment) -> Request {
    Request::get("/paid").paying(payment.header())
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_a_clock_that_steps_while_payments_are_due_has_none_of_them_written_off() {
    let clock = Clock::new();
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let world = Setting::new([route]).settling_itself().clock(&clock).start().await;
    let [payer, mut late] = <[Payer; 2]>::try_from(world.network.payers(2, 10 * PRICE).await).ok().unwrap();
    late.follow(&clock);
    // What is sent waits for a block.
    world.network.mine_each(false).await;
    let unused = signed(&world, &payer).await;
    world.buy(&payer, &Request::get("/paid")).await.expect_status(200);
    until("it to be on its way", || async {
        let waiting = world.network.rpc("txpool_status", json!([])).await;
        (waiting["pending"] != "0x0").then_some(())
    })
    .await;

    clock.step(HOUR);
    world.gateway.call(&paying(&unused)).await.expect_refusal(402, EXPIRED);
    // By that clock the first one's time is long over; the chain's says no such thing, and decides.
    world.buy(&late, &Request::get("/paid")).await.expect_status(200);
    clock.step(-HOUR);
    let waiting = world.buy(&payer, &Request::get("/paid")).await;
    waiting.expect_refusal(503, "clock_ahead");
    assert_eq!(waiting.header("payment-required"), None);
    clock.step(HOUR);
    world.network.mine_each(true).await;
    world.network.mine(1).await;
    world.settled(2 * PRICE).await;
    let metrics = world.gateway.metrics().await;
    assert_eq!(metrics.count("faregate_chain_written_off_units_total", &[]), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t2_what_could_not_be_settled_in_time_is_refused_before_it_is_forwarded() {
    // What takes long to settle has that long; else half of what was offered has to be left.
    let cases = [
        ("after", "max_timeout = \"60s\"\nmargin = \"40s\"", [-1, 0, 31, 39], 50),
        ("after", "max_timeout = \"60s\"\nmargin = \"10s\"", [-1, 0, 11, 29], 31),
        ("deferred", "max_timeout = \"4m\"\nmargin = \"130s\"", [-1, 0, 121, 129], 140),
    ];
    for (settle, lines, too_little, enough) in cases {
        let clock = Clock::new();
        clock.freeze();
        let route = Route::new("/paid", "$0.001").line(&format!("settle = \"{settle}\""));
        let world = Setting::new([route]).network(lines).clock(&clock).start().await;
        let mut payer = world.payer(10 * PRICE).await;
        payer.follow(&clock);
        let until = async |seconds: i64| {
            let end = Value::from((clock.seconds() + seconds).to_string());
            let payment = signed(&world, &payer).await;
            paying(&payment.signed_with(&payer, "/payload/authorization/validBefore", end))
        };
        for seconds in too_little {
            world.gateway.call(&until(seconds).await).await.expect_refusal(402, EXPIRED);
        }
        assert!(world.upstream.seen().is_empty());
        world.expect_received(0).await;
        world.gateway.call(&until(enough).await).await.expect_status(200);
        world.settled(PRICE).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t2_what_is_settled_behind_its_answer_has_nearly_all_of_its_time_left_or_is_refused() {
    let clock = Clock::new();
    clock.freeze();
    let lines = format!("{}\nmax_timeout = \"60s\"\nmargin = \"10s\"", PublicWorld::moved_by("\"permit2\""));
    let metered = Route::metered("/paid", "{ up_to = \"$0.001\" }");
    let world = Setting::new([metered]).network(&lines).clock(&clock).start().await;
    let mut payer = world.payer(10 * PRICE).await;
    payer.follow(&clock);
    world.network.approve_permit2(payer.address()).await;
    let until_then = async |seconds: i64| {
        let end = Value::from((clock.seconds() + seconds).to_string());
        let payment = signed(&world, &payer).await;
        paying(&payment.signed_with(&payer, "/payload/permit2Authorization/deadline", end))
    };
    until("the facilitator to say who settles", || async {
        let accepts = world.gateway.call(&Request::get("/paid")).await.challenge()["accepts"].to_string();
        accepts.contains("upto").then_some(())
    })
    .await;
    for seconds in [-1, 0, 31, 39] {
        let refused = world.gateway.call(&until_then(seconds).await).await;
        refused.expect_refusal(402, "permit2_deadline_expired");
    }
    assert!(world.upstream.seen().is_empty());
    world.gateway.call(&until_then(50).await).await.expect_status(200);
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_payment_in_usdc_that_comes_again_after_a_day_is_served_by_nobody_and_moves_nothing() {
    for (settle, method) in [("after", "eip3009"), ("deferred", "eip3009"), ("after", "permit2")] {
        let clock = Clock::new();
        let route = Route::new("/paid", "$0.001").line(&format!("settle = \"{settle}\""));
        let lines = PublicWorld::moved_by(&format!("\"{method}\"")) + "\nmax_timeout = \"2m\"";
        let mut world = Setting::new([route]).network(&lines).clock(&clock).start().await;
        let payer = world.payer(10 * PRICE).await;
        world.network.approve_permit2(payer.address()).await;
        let payment = signed(&world, &payer).await;
        let mut first = world.gateway.call(&paying(&payment)).await.expect_status(200).receipt();
        world.settled(PRICE).await;
        let moved = world.network.received(PublicWorld::provider()).await[0].transaction.to_string();
        // What is deferred had no transaction yet.
        first["transaction"] = moved.into();
        for is_killed in [true, false, true] {
            clock.step(24 * HOUR + 1);
            let again = world.gateway.call(&paying(&payment)).await;
            again.expect_refusal(409, "already_delivered");
            assert_eq!((&again.receipt(), again.header("payment-required")), (&first, None));
            if is_killed {
                world.gateway.kill().await;
            } else {
                world.gateway.terminate().await;
            }
            world.gateway.restart().await;
        }
        assert_eq!(world.upstream.seen().len(), 1);
        assert_eq!(world.network.balance(payer.address()).await, 9 * PRICE);
        world.settled(PRICE).await;
        world.finish().await;
    }
}
