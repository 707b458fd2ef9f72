//! The paid request as stock clients make it, seen from both ends.

use tests::{Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_request_is_challenged_and_not_forwarded() {
    let world = World::paid().await;
    let response = world.gateway.call(&Request::get("/paid?symbol=A")).await;
    response.expect_refusal(402, "payment_required");
    assert_eq!(response.header("cache-control"), Some("no-store"));

    let challenge = response.challenge();
    assert_eq!(challenge["x402Version"], 2);
    assert_eq!(challenge["resource"]["url"], format!("{}/paid", world.gateway.url()));
    let offer = &challenge["accepts"][0];
    assert_eq!(offer["scheme"], "exact");
    assert_eq!(offer["network"], "eip155:402402");
    assert_eq!(offer["amount"], "1000");
    assert_eq!(offer["maxTimeoutSeconds"], 60);
    assert!(offer["extra"]["quote"].is_string());
    assert!(challenge["extensions"]["payment-identifier"]["schema"].is_object());
    assert!(world.upstream.seen().is_empty(), "an unpaid request must not reach the upstream");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_payment_buys_the_response_and_a_receipt() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::reply(200, &["cache-control: public, max-age=60"], "the goods"));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid?a=%20b")).await;
    let response = world.gateway.call(&Request::get("/paid?a=%20b").paying(payment.header())).await;
    response.expect_status(200);
    assert_eq!(response.text(), "the goods");
    assert_eq!(response.header("cache-control"), Some("private, max-age=60"), "no shared cache may keep it");

    let receipt = response.receipt();
    assert_eq!(receipt["success"], true);
    assert_eq!(receipt["network"], "eip155:402402");
    assert_eq!(receipt["payer"], world.agent.payer.address().to_checksum(None));
    assert_eq!(receipt["amount"], "1000");
    let id = receipt["extra"]["paymentId"].as_str().expect("a payment id");
    assert_eq!(response.header("faregate-payment-id"), Some(id));

    let seen = world.upstream.call("/paid", 1).await;
    assert_eq!(seen.target, "/paid?a=%20b", "the query is forwarded untouched");
    assert_eq!(seen.header("faregate-payment-id"), Some(id));
    assert_eq!(seen.header("payment-signature"), None);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_post_carries_its_body_both_ways() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::echo());
    let body = r#"{"question": "what does it cost?"}"#;
    let request = Request::post("/paid", body).with("Content-Type", "application/json");
    let response = world.buy(&request).await;
    response.expect_status(200);
    assert_eq!(response.text(), body);
    assert_eq!(world.upstream.call("/paid", 1).await.body, body.as_bytes());
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_streams_through_a_paid_post() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::echo());
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "")).await;
    let mut wire = world.gateway.wire().await;
    let head = Request::new("POST", "/paid").paying(payment.header()).with("Transfer-Encoding", "chunked");
    wire.send(&head).await;
    wire.send_bytes(b"5\r\nhello\r\n").await;
    wire.send_bytes(b"6\r\n world\r\n0\r\n\r\n").await;
    let response = wire.response("POST").await;
    response.expect_status(200);
    assert_eq!(response.text(), "hello world");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_route_asks_for_nothing() {
    let world = World::new("$1", [Route::free("/free")]).await;
    let response = world.gateway.call(&Request::get("/free")).await;
    response.expect_status(200);
    assert_eq!(response.header("payment-response"), None);
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_wallet_is_asked_again_and_nothing_is_forwarded() {
    let world = World::new("$0.0009", [Route::new("/paid", "$0.001")]).await;
    let response = world.buy(&Request::get("/paid")).await;
    response.expect_refusal(402, "insufficient_funds");
    assert_eq!(response.json()["available"]["amount"], "900");
    assert_eq!(response.challenge()["error"], "insufficient_funds");
    assert!(world.upstream.seen().is_empty());
    world.expect_balance(900).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_nobody_registered_is_not_served() {
    let world = World::paid().await;
    let stranger = tests::Payer::random();
    let payment = stranger.pay(&world.gateway.challenge("/paid").await);
    let response = world.gateway.call(&Request::get("/paid").paying(payment.header())).await;
    response.expect_refusal(402, "insufficient_funds");
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payer_sees_its_own_payment_and_nobody_elses() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let paid = world.gateway.call(&Request::get("/paid").key(&key)).await;
    paid.expect_status(200);
    let id = paid.header("faregate-payment-id").expect("an id").to_owned();
    let view = Request::get(&format!("/.well-known/faregate/payments/{id}"));
    let own = world.gateway.call(&view.clone().key(&key)).await;
    own.expect_status(200);
    assert_eq!(own.json()["amount"]["amount"], "1000");
    let other = tests::Agent::new(&world.gateway, "$1").await;
    let other_key = other.key(&world.gateway).await;
    world.gateway.call(&view.clone().key(&other_key)).await.expect_refusal(404, "payment_not_found");
    let me = world.gateway.call(&Request::get("/.well-known/faregate/me").key(&key)).await;
    assert_eq!(me.json()["balance"]["amount"], "999000");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_what_is_not_there_is_told_what() {
    let world = World::paid().await;
    let stranger = tests::Payer::random();
    let at = |path: &str| Request::get(&format!("/.well-known/faregate/{path}"));
    let asked = world.gateway.call(&at("me")).await;
    asked.expect_refusal(401, "sign_in_required");
    let signed = |path: &str| at(path).with("Authorization", stranger.sign_in(&asked));
    world.gateway.call(&signed("me")).await.expect_refusal(404, "agent_not_found");
    for path in ["payments/pay_01kb0000000000000000000000", "payments/x"] {
        world.gateway.call(&signed(path)).await.expect_refusal(404, "payment_not_found");
    }
    world.gateway.call(&signed("elsewhere")).await.expect_refusal(404, "route_not_found");
    let posted = world.gateway.call(&Request::post("/.well-known/faregate/me", "")).await;
    posted.expect_refusal(405, "method_not_allowed");
    assert_eq!(posted.header("allow"), Some("GET, HEAD"));
    let deposit = "/.well-known/faregate/wallets/wal_01kb0000000000000000000000/deposit?amount=5.00";
    world.gateway.call(&Request::post(deposit, "")).await.expect_refusal(404, "deposits_not_taken");
    world.finish().await;
}
