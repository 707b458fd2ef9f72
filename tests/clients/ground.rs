//! The ground that the tests of public networks stand on: the local chain does what a public one does.

use domain::{Address, Amount};
use protocol::offer::Offer;
use serde_json::{Value, json};
use tests::chain::{Network, Official, usdc};
use tests::facilitator::{Call, Conduct, Facilitator};
use tests::{Payer, Request, Wire};

fn recipient() -> Address {
    Address::repeat_byte(9)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_gives_many_payers_money_and_shows_who_paid_whom() {
    let network = Network::start().await;
    let payers = network.payers(300, 5_000).await;
    assert_eq!(network.balance(payers[299].address()).await, 5_000);
    assert_eq!(network.received(recipient()).await, []);
    network.pay(payers[0].address(), recipient(), 1_000).await;
    network.pay(payers[1].address(), recipient(), 2_000).await;
    let received = network.received(recipient()).await;
    let told: Vec<_> = received.iter().map(|transfer| (transfer.from, transfer.value)).collect();
    assert_eq!(told, [(payers[0].address(), 1_000), (payers[1].address(), 2_000)]);
    assert_eq!(network.balance(recipient()).await, 3_000);
    assert_eq!(received[1].block, network.height().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_are_dropped_take_their_transfers_with_them() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    network.pay(payer.address(), recipient(), 1_000).await;
    network.pay(payer.address(), recipient(), 2_000).await;
    let height = network.height().await;
    network.drop_blocks(1).await;
    assert_eq!(network.height().await, height);
    assert_eq!(network.balance(recipient()).await, 1_000);
    assert_eq!(network.received(recipient()).await.len(), 1);
    network.pay(payer.address(), recipient(), 3_000).await;
    assert_eq!(network.balance(recipient()).await, 4_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_has_the_time_that_it_is_given() {
    let network = Network::start().await;
    let before = network.height().await;
    let later = network.time().await + 1_000_000;
    network.mine_at(later).await;
    network.mine(3).await;
    assert_eq!(network.height().await, before + 4);
    assert!(network.time().await >= later);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_facilitator_settles_by_authorization_and_by_permit_and_for_v1() {
    let network = Network::start().await;
    let payers = network.payers(4, 5_000).await;
    for payer in &payers {
        network.approve_permit2(payer.address()).await;
    }
    let official = network.official().await;
    let price = Amount::from_atomic(1_000).expect("an amount");
    let exact = json!(Offer::wallet(&usdc(), recipient(), price, None));
    let mut permit = exact.clone();
    permit["extra"]["assetTransferMethod"] = "permit2".into();
    let mut upto = permit.clone();
    upto["scheme"] = "upto".into();
    upto["extra"]["facilitatorAddress"] = official.settler().to_checksum(None).into();
    for (payer, offer) in payers.iter().zip([&exact, &permit, &upto]) {
        settle(&official, payer, offer).await;
    }
    let mut old = exact.clone();
    old["network"] = "base-sepolia".into();
    old["maxAmountRequired"] = old["amount"].take();
    for (name, value) in [("resource", "http://example.com/"), ("description", ""), ("mimeType", "")] {
        old[name] = value.into();
    }
    let payment = payers[3].pay_v1(&json!({ "accepts": [old] }));
    let asked = json!({ "x402Version": 1, "paymentPayload": payment.payload, "paymentRequirements": old });
    expect_settled(&ask(&official, "/settle", &asked).await);
    let from: Vec<Address> = network.received(recipient()).await.iter().map(|moved| moved.from).collect();
    assert_eq!(from, payers.iter().map(Payer::address).collect::<Vec<_>>());
    assert_eq!(network.balance(recipient()).await, 4 * 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_a_facilitator_keeps_to_itself_is_on_the_chain() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    let official = network.official().await;
    let facilitator = Facilitator::before(official.address()).await;
    facilitator.on(Call::Settle, Conduct::down().after_doing());
    let price = Amount::from_atomic(1_000).expect("an amount");
    let offer = json!(Offer::wallet(&usdc(), recipient(), price, None));
    let payment = payer.pay_challenge(&json!({ "accepts": [offer] }));
    let asked = json!({ "x402Version": 2, "paymentPayload": payment.payload, "paymentRequirements": offer });
    let request = Request::post("/settle", &asked.to_string());
    assert!(Wire::connect(facilitator.address()).await.try_call(&request).await.is_none());
    assert_eq!(network.balance(recipient()).await, 1_000);
    let nonce = payment.payload["payload"]["authorization"]["nonce"].as_str().expect("a nonce");
    assert_eq!(facilitator.count(Call::Settle, nonce), 1);
}

/// Pays an offer and has it verified and settled.
async fn settle(official: &Official, payer: &Payer, offer: &Value) {
    let payment = payer.pay_challenge(&json!({ "accepts": [offer] }));
    let asked = json!({ "x402Version": 2, "paymentPayload": payment.payload, "paymentRequirements": offer });
    let verified = ask(official, "/verify", &asked).await;
    assert_eq!(verified["isValid"], true, "{verified}");
    expect_settled(&ask(official, "/settle", &asked).await);
}

fn expect_settled(answer: &Value) {
    assert_eq!(answer["success"], true, "{answer}");
}

async fn ask(official: &Official, call: &str, asked: &Value) -> Value {
    let request = Request::post(call, &asked.to_string()).with("Content-Type", "application/json");
    Wire::connect(official.address()).await.call(&request).await.json()
}
