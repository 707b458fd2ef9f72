//! After a payment, never a fresh 402: whatever the rules have become since, a retry learns its outcome first.

use tests::payer::random_hex;
use tests::{Config, Provider, Request, Response, Route, Script, World};

fn expect_stored(response: &Response) {
    response.expect_status(200);
    assert_eq!(response.header("idempotency-replayed"), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_request_gets_its_answer_though_the_price_is_now_above_its_maximum() {
    let mut world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let name = random_hex();
    let request = || {
        let named = Request::get("/paid").key(&key).with("Idempotency-Key", name.as_str());
        named.with("Agent-Max-Price", "$0.002")
    };
    world.gateway.call(&request()).await.expect_status(200);
    let dearer = Config::new(world.upstream.address(), [Route::new("/paid", "$0.003")]);
    world.gateway.reload(dearer).await;
    expect_stored(&world.again(&request()).await);
    let new =
        Request::get("/paid").key(&key).with("Idempotency-Key", "another").with("Agent-Max-Price", "$0.002");
    world.gateway.call(&new).await.expect_refusal(402, "price_above_maximum");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_payment_is_not_asked_for_again_when_the_recipient_changes() {
    let mut world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    world.gateway.call(&request).await.expect_status(200);
    let provider = Provider::new("acme", world.upstream.address());
    let provider = provider.line("pay_to = \"0x1111111111111111111111111111111111111111\"");
    let moved = Config::default().provider(provider.routes([Route::new("/paid", "$0.001")]));
    world.gateway.reload(moved).await;
    world.again(&request).await.expect_refusal(409, "already_delivered");
    let unused = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    world.gateway.call(&Request::get("/paid").paying(unused.header())).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_a_stored_answer_is_as_private_as_the_first_one() {
    let world = World::paid().await;
    let public = ["cache-control: public, max-age=600, s-maxage=900", "cdn-cache-control: max-age=900"];
    world.upstream.on("/paid", Script::reply(200, &public, "paid content"));
    let key = world.agent.key(&world.gateway).await;
    let request = Request::get("/paid").key(&key).with("Idempotency-Key", "once");
    let first = world.gateway.call(&request).await;
    let again = world.again(&request).await;
    expect_stored(&again);
    for response in [&first, &again] {
        assert_eq!(response.header("cache-control"), Some("private, max-age=600"));
        assert_eq!(response.header("cdn-cache-control"), None);
        assert_eq!(response.header("faregate-payment-status"), Some("captured"));
    }
    world.expect_balance(999_000).await;
    world.finish().await;
}
