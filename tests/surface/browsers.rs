//! What browsers need before their scripts may pay.

use tests::{Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn u8_a_preflight_is_answered_unpaid_and_never_forwarded() {
    let world = World::paid().await;
    let preflight = Request::new("OPTIONS", "/paid")
        .with("Origin", "https://app.example")
        .with("Access-Control-Request-Method", "POST")
        .with("Access-Control-Request-Headers", "payment-signature,access-control-expose-headers,x-own");
    let response = world.gateway.call(&preflight).await;
    assert!((200..300).contains(&response.status), "{}", response.status);
    let allowed = response.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in ["payment-signature", "access-control-expose-headers", "authorization", "agent-key", "x-own"]
    {
        assert!(allowed.contains(name), "{name} in {allowed}");
    }
    assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(response.header("access-control-allow-methods"), Some("POST"));
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_an_options_request_that_is_no_preflight_is_priced() {
    let world = World::paid().await;
    world.gateway.call(&Request::new("OPTIONS", "/paid")).await.expect_status(402);
    let origin_only = Request::new("OPTIONS", "/paid").with("Origin", "https://app.example");
    world.gateway.call(&origin_only).await.expect_status(402);
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_may_read_the_challenge_and_the_receipt() {
    let world = World::new("$1", [Route::new("/paid", "$0.001"), Route::free("/free")]).await;
    let from_script = Request::get("/paid").with("Origin", "https://app.example");
    let challenge = world.gateway.call(&from_script).await;
    challenge.expect_status(402);
    let exposed = |response: &tests::Response| {
        response.header("access-control-expose-headers").unwrap_or_default().to_ascii_uppercase()
    };
    assert!(exposed(&challenge).contains("PAYMENT-REQUIRED"));
    assert!(challenge.header("access-control-allow-origin").is_some());

    world.upstream.on("/paid", Script::reply(200, &["access-control-expose-headers: X-Own"], "x"));
    let payment = world.agent.payer.pay(&challenge);
    let paid = world.gateway.call(&from_script.paying(payment.header())).await;
    paid.expect_status(200);
    assert!(exposed(&paid).contains("PAYMENT-RESPONSE"));
    assert!(exposed(&paid).contains("X-OWN"), "the upstream's own list is kept");
    let free = world.gateway.call(&Request::get("/free").with("Origin", "https://app.example")).await;
    assert_eq!(free.header("access-control-allow-origin"), None, "free routes are the upstream's business");
    world.finish().await;
}
