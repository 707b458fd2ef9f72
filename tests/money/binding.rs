//! What binds a payment to one request: the recipient, the first use, the quote. Each alone, the others taken away.

use serde_json::Value;
use tests::{Agent, Config, Faregate, Payment, Provider, Request, Route, Upstream, World};

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_payment_for_one_route_is_refused_at_another_of_the_same_price() {
    let world = World::new("$1", [Route::new("/a", "$0.001"), Route::new("/b", "$0.001")]).await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/a")).await;
    let at_b = world.gateway.call(&Request::get("/b").paying(payment.header())).await;
    at_b.expect_refusal(402, "invalid_quote");
    world.gateway.call(&Request::get("/a").paying(payment.header())).await.expect_status(200);
    // Now it has paid: asking for it again would make the client sign another one.
    let used = world.again(&Request::get("/b").paying(payment.header())).await;
    used.expect_refusal(409, "payment_reused");
    assert_eq!(used.header("payment-required"), None);
    assert!(world.upstream.calls("/b").is_empty());
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_without_a_quote_the_first_use_binds_it() {
    let world = World::new("$1", [Route::new("/a", "$0.001"), Route::new("/b", "$0.001")]).await;
    let payment = without_quote(world.agent.sign(&world.gateway, &Request::get("/a")).await);
    world.gateway.call(&Request::get("/a").paying(payment.header())).await.expect_status(200);
    let at_b = world.again(&Request::get("/b").paying(payment.header())).await;
    at_b.expect_refusal(409, "payment_reused");
    assert_eq!(at_b.header("payment-response"), None, "another request learns nothing of the first");
    assert!(world.upstream.calls("/b").is_empty());
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_payment_for_one_provider_is_void_at_another() {
    let (upstream, other) = (Upstream::start().await, Upstream::start().await);
    let provider = |name: &str, upstream: &Upstream| {
        let provider = Provider::new(name, upstream.address()).line(&format!("hosts = [\"{name}.example\"]"));
        provider.routes([Route::new("/x", "$0.001").named(name)])
    };
    let config = Config::default().provider(provider("acme", &upstream)).provider(provider("other", &other));
    let gateway = Faregate::start(config).await;
    let agent = Agent::new(&gateway, "$1").await;
    let at = |host: &str| Request::get("/x").with("Host", host);
    let payment = without_quote(agent.sign(&gateway, &at("acme.example")).await);
    let response = gateway.call(&at("other.example").paying(payment.header())).await;
    response.expect_refusal(402, "invalid_exact_evm_recipient_mismatch");
    assert!(upstream.seen().is_empty() && other.seen().is_empty());
    agent.expect_balance(&gateway, 1_000_000).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_the_same_payment_with_another_request_is_409_and_the_original_stands() {
    let world = World::new("$1", [Route::new("/items/{id}", "$0.001")]).await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/items/1?v=1")).await;
    let first = Request::get("/items/1?v=1").paying(payment.header());
    let served = world.gateway.call(&first).await;
    served.expect_status(200);
    world.again(&first).await.expect_refusal(409, "already_delivered");
    let others = [
        Request::get("/items/2?v=1"),
        Request::get("/items/1?v=2"),
        Request::get("/items/1"),
        Request::new("HEAD", "/items/1?v=1"),
        Request::post("/items/1?v=1", "x"),
        Request::get("/items/1?v=1").with("Host", "elsewhere.example"),
    ];
    for other in others {
        let response = world.gateway.call(&other.clone().paying(payment.header())).await;
        assert_eq!(response.status, 409, "{} {}: {}", other.method, other.target, response.text());
        assert_eq!(response.header("payment-response"), None);
    }
    let again = world.gateway.call(&first).await;
    assert_eq!(again.receipt(), served.receipt());
    assert_eq!(world.upstream.seen().len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resource_in_a_payload_is_neither_trusted_nor_required() {
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let elsewhere = payment.with("/resource", serde_json::json!({ "url": "https://elsewhere.example/" }));
    world.gateway.call(&Request::get("/paid").paying(elsewhere.header())).await.expect_status(200);
    let nowhere =
        world.agent.sign(&world.gateway, &Request::get("/paid")).await.with("/resource", Value::Null);
    world.gateway.call(&Request::get("/paid").paying(nowhere.header())).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}

fn without_quote(mut payment: Payment) -> Payment {
    payment.payload["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
    payment
}
