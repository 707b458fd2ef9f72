//! What a facilitator may do to a settlement, through the real binary: whatever it is, the payer is never asked to pay again for what
//! may have been paid, pays once, and is served.

use std::net::SocketAddr;

use domain::B256;
use serde_json::Value;
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Payer, Payment, PublicWorld, Request, Response, Route, Wire};
use tokio::task::JoinSet;

/// A facilitator is waited for so long, so that one that keeps silent does not keep the test.
const IMPATIENT: &str = "settle_timeout = \"1s\"";

/// What the call of most tests here costs.
const PRICE: u64 = 1_000;

async fn world() -> PublicWorld {
    PublicWorld::facilitated(IMPATIENT, [Route::new("/paid", "$0.001")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_d8_d10_d12_a_settlement_that_is_done_and_not_told_is_found_on_chain_and_served() {
    let world = world().await;
    let conducts = [
        ("ends the connection", Conduct::down()),
        ("fails", Conduct::failing(502)),
        ("keeps silent", Conduct::silent()),
        ("says no", Conduct::denying()),
        ("makes up another transaction", Conduct::agreeing(Some(B256::repeat_byte(7)))),
        ("says too much", Conduct::huge()),
        ("says what nobody can read", Conduct::deep()),
    ];
    let payers = world.network.payers(7, 2 * PRICE).await;
    for ((name, conduct), payer) in conducts.into_iter().zip(&payers) {
        world.facilitator.on_each(Call::Settle, [conduct.after_doing(), Conduct::honest()]);
        let (payment, request) = signed(&world, payer).await;
        let served = served_at_last(world.gateway.data(), request, name).await;
        assert_eq!(served.receipt()["success"], true, "{name}");
        assert_eq!(world.facilitator.count(Call::Settle, &nonce(&payment)), 1, "{name}");
        // As ever, so that it is not left alone after failures either.
        world.buy(payer, &Request::get("/paid")).await.expect_status(200);
        assert_eq!(world.network.balance(payer.address()).await, 0, "{name}");
    }
    world.expect_received(14 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_d10_a_settlement_that_was_not_done_is_unknown_and_is_done_later_once() {
    let world = world().await;
    let conducts = [
        Conduct::down(),
        Conduct::silent(),
        Conduct::agreeing(None),
        Conduct::agreeing(Some(B256::repeat_byte(7))),
        Conduct::honest(),
    ];
    let payers = world.network.payers(4, PRICE).await;
    world.facilitator.on_each(Call::Settle, conducts);
    let mut calls = JoinSet::new();
    for payer in &payers {
        let (_, request) = signed(&world, payer).await;
        calls.spawn(served_at_last(world.gateway.data(), request, "a payment that was not settled at first"));
    }
    for served in calls.join_all().await {
        assert_eq!(served.receipt()["success"], true);
    }
    world.expect_received(4 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_d8_a_gateway_that_is_killed_while_value_moves_finds_it_on_chain_and_serves_the_same_payment() {
    let mut world = PublicWorld::paid().await;
    let payer = world.payer(PRICE).await;
    world.facilitator.on(Call::Settle, Conduct::silent().after_doing());
    let (payment, request) = signed(&world, &payer).await;
    let cut_off = tokio::spawn({
        let (gateway, request) = (world.gateway.data(), request.clone());
        async move { Wire::connect(gateway).await.try_call(&request).await }
    });
    world.facilitator.done(Call::Settle, 1).await;
    world.gateway.kill().await;
    let answer = cut_off.await.expect("a call that does not panic");
    assert!(answer.is_none(), "killed before it could answer: {answer:?}");
    world.gateway.restart().await;
    served_at_last(world.gateway.data(), request, "the same payment after a restart").await;
    assert_eq!(world.facilitator.count(Call::Settle, &nonce(&payment)), 1);
    world.expect_received(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_two_payments_whose_answers_are_swapped_are_booked_by_their_own_transactions() {
    let world = world().await;
    let payers = world.network.payers(2, PRICE).await;
    world.facilitator.on_each(Call::Settle, [Conduct::swapped(), Conduct::swapped(), Conduct::honest()]);
    let (_, first) = signed(&world, &payers[0]).await;
    let (_, second) = signed(&world, &payers[1]).await;
    let both = tokio::join!(
        served_at_last(world.gateway.data(), first, "swapped"),
        served_at_last(world.gateway.data(), second, "swapped")
    );
    assert_ne!(both.0.receipt()["transaction"], both.1.receipt()["transaction"]);
    world.expect_received(2 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_facilitator_that_finds_everything_valid_lets_no_forged_payment_in() {
    let world = world().await;
    world.facilitator.on(Call::Verify, Conduct::agreeing(None));
    world.facilitator.on(Call::Settle, Conduct::agreeing(Some(B256::repeat_byte(7))));
    let payer = world.payer(PRICE).await;
    let request = Request::get("/paid");
    let payment = payer.pay_challenge(&world.challenge(&request).await);
    let mut signature = payment.signature();
    signature[40] ^= 1;
    let forged = payment.with_signature(&signature);
    world.gateway.call(&request.paying(forged.header())).await.expect_status(402);
    assert!(world.upstream.seen().is_empty(), "nothing was forwarded");
    assert_eq!(world.facilitator.count(Call::Settle, &nonce(&forged)), 0);
    world.expect_received(0).await;
    world.finish().await;
}

/// A payment of its own for the call, and the call that carries it.
async fn signed(world: &PublicWorld, payer: &Payer) -> (Payment, Request) {
    let request = Request::get("/paid");
    let payment = payer.pay_challenge(&world.challenge(&request).await);
    let paying = request.paying(payment.header());
    (payment, paying)
}

/// Sends the same payment again and again, as a client is told to, until it is served. It may be told that nobody knows; it is never
/// asked to pay.
async fn served_at_last(gateway: SocketAddr, request: Request, name: &'static str) -> Response {
    until(name, || async {
        let response = Wire::connect(gateway).await.call(&request).await;
        match response.status {
            200 => Some(response),
            503 => {
                assert_eq!(response.code(), "settlement_unknown", "{name}");
                assert!(response.fields.has("retry-after"), "{name}: {response:?}");
                assert!(response.json()["payment"].is_string(), "{name}: {}", response.text());
                None
            }
            // Its outcome is being written down.
            409 if response.code() == "payment_in_progress" => None,
            status => panic!("{name}: {status} {}", response.text()),
        }
    })
    .await
}

fn nonce(payment: &Payment) -> String {
    let nonce: &Value = &payment.payload["payload"]["authorization"]["nonce"];
    nonce.as_str().expect("a nonce").to_owned()
}
