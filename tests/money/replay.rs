//! A payment is used once: whoever comes again gets the outcome of the first time, or 409, never a second charge.

use serde_json::Value;
use tests::{Agent, Gate, Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_payment_sent_again_gets_its_receipt_and_no_second_call() {
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    let first = world.gateway.call(&request).await;
    first.expect_status(200);
    let again = world.again(&request).await;
    again.expect_refusal(409, "already_delivered");
    assert_eq!(again.receipt(), first.receipt());
    assert_eq!(again.header("payment-required"), None, "after a payment, never a fresh 402");
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_replay_after_a_restart_is_not_charged_again() {
    let mut world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    world.gateway.call(&request).await.expect_status(200);
    world.again(&request).await.expect_refusal(409, "already_delivered");
    world.gateway.terminate().await;
    world.gateway.restart().await;
    world.again(&request).await.expect_refusal(409, "already_delivered");
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_call_failed_can_be_used_again() {
    let world = World::paid().await;
    world.upstream.on_each("/paid", [Script::reply(500, &[], "sorry"), Script::reply(200, &[], "now")]);
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    world.gateway.call(&request).await.expect_status(500);
    world.expect_balance(1_000_000).await;
    world.again(&request).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_flight_is_409_for_another_request() {
    let world = World::new("$1", [Route::new("/items/{id}", "$0.001")]).await;
    let gate = Gate::new();
    world.upstream.on("/items/1", Script::reply(200, &[], "one").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/items/1")).await;
    let mut first = world.gateway.wire().await;
    first.send(&Request::get("/items/1").paying(payment.header())).await;
    gate.reached().await;
    let second = world.gateway.call(&Request::get("/items/2").paying(payment.header())).await;
    second.expect_refusal(409, "payment_reused");
    gate.open();
    first.response("GET").await.expect_status(200);
    assert!(world.upstream.calls("/items/2").is_empty());
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_nonce_under_another_expiry_is_no_new_payment() {
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let before: u64 = text(&payment.payload, "/payload/authorization/validBefore").parse().unwrap();
    let later = payment.clone().signed_with(
        &world.agent.payer,
        "/payload/authorization/validBefore",
        Value::from((before + 5).to_string()),
    );
    world.gateway.call(&Request::get("/paid").paying(payment.header())).await.expect_status(200);
    let response = world.again(&Request::get("/paid").paying(later.header())).await;
    assert_eq!(response.status, 409, "{}", response.text());
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_payers_never_meet_in_one_replay_key() {
    let world = World::paid().await;
    let other = Agent::new(&world.gateway, "$1").await;
    let mine = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let nonce = mine.payload.pointer("/payload/authorization/nonce").unwrap().clone();
    let theirs = other.sign(&world.gateway, &Request::get("/paid")).await;
    let theirs = theirs.signed_with(&other.payer, "/payload/authorization/nonce", nonce);
    for payment in [mine, theirs] {
        world.gateway.call(&Request::get("/paid").paying(payment.header())).await.expect_status(200);
    }
    world.expect_balance(999_000).await;
    other.expect_balance(&world.gateway, 999_000).await;
    world.finish().await;
}

fn text<'a>(payload: &'a Value, pointer: &str) -> &'a str {
    payload.pointer(pointer).and_then(Value::as_str).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_the_same_nonce_for_another_amount_is_no_new_payment() {
    let world = World::new("$1", [Route::new("/a", "$0.001"), Route::new("/b", "$0.002")]).await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/a")).await;
    let nonce = payment.payload.pointer("/payload/authorization/nonce").unwrap().clone();
    world.gateway.call(&Request::get("/a").paying(payment.header())).await.expect_status(200);
    let dearer = world.agent.sign(&world.gateway, &Request::get("/b")).await;
    let dearer = dearer.signed_with(&world.agent.payer, "/payload/authorization/nonce", nonce);
    let response = world.again(&Request::get("/b").paying(dearer.header())).await;
    response.expect_refusal(409, "payment_reused");
    assert!(world.upstream.calls("/b").is_empty());
    world.expect_balance(999_000).await;
    world.finish().await;
}
