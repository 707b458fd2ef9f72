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
    let clock = Clock::new();
    clock.freeze();
    let world = Setting::new([Route::new("/paid", "$0.001")])
        .network("max_timeout = \"60s\"\nmargin = \"20s\"")
        .clock(&clock)
        .start()
        .await;
    let mut payer = world.payer(10 * PRICE).await;
    payer.follow(&clock);
    let until = async |seconds: i64| {
        let end = Value::from((clock.seconds() + seconds).to_string());
        let payment = signed(&world, &payer).await;
        paying(&payment.signed_with(&payer, "/payload/authorization/validBefore", end))
    };
    for seconds in [-1, 0, 19, 29] {
        world.gateway.call(&until(seconds).await).await.expect_refusal(402, EXPIRED);
    }
    assert!(world.upstream.seen().is_empty());
    world.expect_received(0).await;
    world.gateway.call(&until(31).await).await.expect_status(200);
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_payment_in_usdc_that_comes_again_after_a_day_is_served_by_nobody_and_moves_nothing() {
    let clock = Clock::new();
    let mut world = Setting::new([Route::new("/paid", "$0.001")]).clock(&clock).start().await;
    let payer = world.payer(10 * PRICE).await;
    let payment = signed(&world, &payer).await;
    world.gateway.call(&paying(&payment)).await.expect_status(200);
    world.settled(PRICE).await;
    for _ in 0..2 {
        clock.step(24 * HOUR + 1);
        let again = world.gateway.call(&paying(&payment)).await;
        assert!([402, 409].contains(&again.status), "{} {}", again.status, again.text());
        world.gateway.terminate().await;
        world.gateway.restart().await;
    }
    assert_eq!(world.upstream.seen().len(), 1);
    assert_eq!(world.network.balance(payer.address()).await, 9 * PRICE);
    world.settled(PRICE).await;
    world.finish().await;
}
