//! What stands around a payment on a public network and fails: its facilitator, its chain, the names of either. Nothing is lost by it,
//! nothing is paid twice, and those who pay in another way do not notice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{
    Agent, Clock, Config, Faregate, Gate, Names, Provider, PublicWorld, Request, Route, Script, Setting,
    audit,
};

const PRICE: u64 = 1_000;

fn route() -> [Route; 1] {
    [Route::new("/paid", "$0.001")]
}

/// A call that is paid from a wallet.
async fn by_wallet(world: &PublicWorld) -> Request {
    Request::get("/paid").key(&Agent::new(&world.gateway, "$1").await.key(&world.gateway).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_while_the_facilitator_is_down_payers_on_chain_get_503_and_wallets_pay_on() {
    let world = Setting::new(route()).start().await;
    let payer = world.payer(10 * PRICE).await;
    let by_wallet = by_wallet(&world).await;
    for call in [Call::Verify, Call::Settle] {
        world.facilitator.on(call, Conduct::down());
    }
    for _ in 0..5 {
        let refused = world.buy(&payer, &Request::get("/paid")).await;
        refused.expect_refusal(503, "settlement_unavailable");
        assert!(refused.header("retry-after").is_some() && refused.header("payment-required").is_none());
        world.gateway.call(&by_wallet).await.expect_status(200);
    }
    let forwarded = world.upstream.seen().len();
    assert!(
        forwarded < 10,
        "it is left alone after some failures, and then nothing is forwarded: {forwarded}"
    );
    world.expect_received(0).await;
    for call in [Call::Verify, Call::Settle] {
        world.facilitator.on(call, Conduct::honest());
    }
    until("it to be asked again", || async {
        (world.buy(&payer, &Request::get("/paid")).await.status == 200).then_some(())
    })
    .await;
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_facilitator_that_is_slow_is_waited_for_so_long_and_nobody_else_waits() {
    let world = Setting::new(route()).facilitator("verify_timeout = \"1s\"").start().await;
    let payer = world.payer(10 * PRICE).await;
    let by_wallet = by_wallet(&world).await;
    let gate = Gate::new();
    world.facilitator.on_each(Call::Verify, [Conduct::honest().at(&gate), Conduct::honest()]);
    let payment = payer.pay_challenge(&world.challenge(&Request::get("/paid")).await);
    let (request, payer_name) =
        (Request::get("/paid").paying(payment.header()), payer.address().to_checksum(None));
    let mut slow = world.gateway.wire().await;
    slow.send(&request).await;
    gate.reached().await;
    world.gateway.call(&by_wallet).await.expect_status(200);
    slow.response("GET").await.expect_refusal(503, "settlement_unavailable");
    gate.open();
    world.expect_received(0).await;
    // It moved nothing: the same payment is as good as it was. On a busy machine an honest answer takes its second too.
    let tries = AtomicUsize::new(1);
    until("the same payment to be verified in time", || async {
        tries.fetch_add(1, Ordering::Relaxed);
        let answer = world.gateway.call(&request).await;
        if answer.status != 200 {
            answer.expect_refusal(503, "settlement_unavailable");
        }
        (answer.status == 200).then_some(())
    })
    .await;
    // What it costs: the upstream has worked for each try, and for no more.
    let calls = world.upstream.seen();
    let of_payer = calls.iter().filter(|call| call.fields.get("faregate-payer") == Some(&*payer_name));
    assert_eq!(of_payer.count(), tries.load(Ordering::Relaxed));
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_block_that_is_no_more_takes_no_payment_with_it() {
    let world = Setting::new(route()).network("confirmations = 3").start().await;
    let payer = world.payer(10 * PRICE).await;
    let served = world.buy(&payer, &Request::get("/paid")).await;
    let first = served.expect_status(200).receipt()["transaction"].clone();
    world.network.drop_blocks(1).await;
    assert_eq!(world.network.balance(PublicWorld::provider()).await, 0, "it never was");
    let _blocks = world.network.ticking(Duration::from_millis(500));
    world.settled(PRICE).await;
    let received = world.network.received(PublicWorld::provider()).await;
    assert_eq!(received.len(), 1);
    assert_ne!(received[0].transaction.to_string(), first, "moved again, by another transaction");
    assert_eq!(world.upstream.seen().len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_a_facilitator_whose_name_leads_nowhere_is_stood_in_for_by_another_one() {
    let world = Setting::new(route()).facilitator_before("http://facilitator.invalid:9/").start().await;
    let payer = world.payer(10 * PRICE).await;
    for _ in 0..3 {
        world.buy(&payer, &Request::get("/paid")).await.expect_status(200);
    }
    world.settled(3 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_an_api_whose_name_leads_nowhere_asks_nobody_to_pay() {
    let world = Setting::new(route()).start().await;
    let paid = format!("address = \"{}\"", PublicWorld::provider().to_checksum(None));
    let nowhere = Provider::new("acme", world.upstream.address()).at("http://api.invalid:9").line(&paid);
    let section = world.network.section("", &[&world.facilitator.url()]);
    let config = Config::default().section(&section).provider(nowhere.routes(route()));
    let gateway = Faregate::start(config).await;
    let refused = gateway.call(&Request::get("/paid")).await;
    assert_eq!(refused.expect_status(503).header("payment-required"), None, "{}", refused.text());
    // What was signed for the same thing elsewhere is not taken either.
    let payer = world.payer(10 * PRICE).await;
    let payment = payer.pay_challenge(&world.challenge(&Request::get("/paid")).await);
    gateway.call(&Request::get("/paid").paying(payment.header())).await.expect_status(503);
    gateway.finish().await;
    world.expect_received(0).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_names_that_come_are_found_and_what_is_behind_one_that_went_away_is_served_on() {
    const NAMES: [&str; 2] = ["api.test", "facilitator.test"];
    let (names, clock) = (Names::new(), Clock::new());
    let world = Setting::new(route()).start().await;
    let url = |name: usize, address: SocketAddr| format!("http://{}:{}", NAMES[name], address.port());
    let section = world.network.section("", &[&url(1, world.facilitator.address())]);
    let provider = Provider::new("acme", world.upstream.address()).at(&url(0, world.upstream.address()));
    let paid = format!("address = \"{}\"", PublicWorld::provider().to_checksum(None));
    let config = Config::default().section(&section).provider(provider.line(&paid).routes(route()));
    let gateway = Faregate::start(config.names(&names).clock(&clock)).await;
    let payer = world.payer(10 * PRICE).await;
    let (open, request) = (async || gateway.call(&Request::get("/paid")).await, Request::get("/paid"));
    assert_eq!(open().await.expect_status(503).header("payment-required"), None);
    names.give(NAMES[0]);
    let challenge = until("the API to be found", || async {
        let answer = open().await;
        (answer.status == 402).then_some(answer)
    })
    .await;
    // Its work is lost, and nothing was charged: the same payment is as good as it was.
    let paying = request.clone().paying(payer.pay(&challenge).header());
    gateway.call(&paying).await.expect_refusal(503, "settlement_unavailable");
    assert_eq!(world.network.balance(PublicWorld::provider()).await, 0);
    names.give(NAMES[1]);
    until("the facilitator to be found", || async {
        let answer = gateway.call(&paying).await;
        if answer.status != 200 {
            answer.expect_refusal(503, "settlement_unavailable");
        }
        (answer.status == 200).then_some(())
    })
    .await;

    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "served").after(&gate));
    let mut running = gateway.wire().await;
    running.send(&request.clone().paying(payer.pay(&challenge).header())).await;
    gate.reached().await;
    names.take(NAMES[0]);
    let before = names.asked(NAMES[0]);
    clock.pass(10);
    names.asked_again(NAMES[0], before).await;
    gate.open();
    running.response("GET").await.expect_status(200);
    gateway.call(&request.paying(payer.pay(&challenge).header())).await.expect_status(200);
    assert_eq!(world.network.balance(PublicWorld::provider()).await, 3 * PRICE);
    audit::chain(&gateway, &world.network, PublicWorld::provider()).await;
    gateway.finish().await;
    world.gateway.finish().await;
}

/// The next block, with this price for a unit of gas; that of the one after it is an eighth lower.
async fn block_at(world: &PublicWorld, wei: u64) {
    world.network.rpc("anvil_setNextBlockBaseFeePerGas", json!([format!("{wei:#x}")])).await;
    world.network.mine(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_served_on_credit_while_gas_costs_more_than_the_settler_may_offer_and_nothing_is_lost() {
    let deferred = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let world = Setting::new([deferred]).network("max_timeout = \"10m\"").settling_itself().start().await;
    let payer = world.payer(100 * PRICE).await;
    until("the settler to begin", async || {
        (world.buy(&payer, &Request::get("/paid")).await.status == 200).then_some(())
    })
    .await;
    world.settled(PRICE).await;
    block_at(&world, 1_000_000_000_000).await;
    let refused = until("the settler to say so", async || {
        let answer = world.buy(&payer, &Request::get("/paid")).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.expect_refusal(503, "settlement_unavailable");
    let served = world.upstream.seen().len();
    world.buy(&payer, &Request::get("/paid")).await.expect_refusal(503, "settlement_unavailable");
    assert_eq!(world.upstream.seen().len(), served, "it was not forwarded");
    world.expect_received(PRICE).await;
    block_at(&world, 1_000_000_000).await;
    until("the settler to go on", async || {
        (world.buy(&payer, &Request::get("/paid")).await.status == 200).then_some(())
    })
    .await;
    let served = u64::try_from(world.upstream.seen().len()).unwrap();
    world.settled(served * PRICE).await;
    world.finish().await;
}
