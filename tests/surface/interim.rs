//! HEAD, `Expect`, interim responses and trailers: none of them is a way to be charged wrongly.

use tests::{Gate, Request, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn u8_head_is_gets_route_and_price() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::begin(200, &["content-length: 1000"]));
    let head = Request::new("HEAD", "/paid");
    let unpaid = world.gateway.call(&head).await;
    unpaid.expect_status(402);
    assert!(unpaid.header("payment-required").is_some());
    let payment = world.agent.payer.pay(&unpaid);
    let response = world.gateway.call(&head.paying(payment.header())).await;
    response.expect_status(200);
    assert_eq!(response.receipt()["success"], true);
    assert_eq!(world.upstream.call("/paid", 1).await.method, "HEAD");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_expect_is_answered_with_the_price_before_the_body_is_asked_for() {
    let world = World::paid().await;
    let expecting =
        || Request::new("POST", "/paid").with("Content-Length", "4").with("Expect", "100-continue");
    let mut wire = world.gateway.wire().await;
    wire.send(&expecting()).await;
    let unpaid = wire.response("POST").await;
    unpaid.expect_status(402);
    assert!(unpaid.interim.is_empty(), "nobody wants a body that is not paid for");

    let payment = world.agent.payer.pay(&unpaid);
    let mut wire = world.gateway.wire().await;
    wire.send(&expecting().paying(payment.header())).await;
    let (status, _) = wire.head("POST").await.unwrap();
    assert_eq!(status, 100);
    assert_eq!(world.agent.money(&world.gateway).await.held, 1_000, "100 comes after the hold");
    wire.send_bytes(b"work").await;
    let response = wire.response("POST").await;
    response.expect_status(200);
    assert!(response.interim.is_empty(), "one 100 is enough");
    let seen = world.upstream.call("/paid", 1).await;
    assert_eq!(seen.body, b"work");
    assert_eq!(seen.header("expect"), None);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_interim_responses_charge_nothing_and_are_dropped() {
    let world = World::paid().await;
    let gate = Gate::new();
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\nPAYMENT-RESPONSE: forged\r\n\r\n";
    let script = Script::raw(early).pass(&gate).send("HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno");
    world.upstream.on("/paid", script);
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::get("/paid").paying(payment.header())).await;
    gate.reached().await;
    assert_eq!(world.agent.money(&world.gateway).await.balance, 1_000_000, "a 103 is no delivery");
    gate.open();
    let response = wire.response("GET").await;
    response.expect_status(500);
    assert!(response.interim.is_empty());
    world.expect_balance(1_000_000).await;

    world.upstream.on("/paid", Script::raw(early).send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes"));
    let served = world.buy(&Request::get("/paid")).await;
    served.expect_status(200);
    assert_eq!(served.text(), "yes");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_trailers_do_not_disturb_a_paid_answer() {
    let world = World::paid().await;
    let script = Script::begin(200, &["transfer-encoding: chunked", "trailer: x-sum"])
        .chunk("whole")
        .send("0\r\nx-sum: 1\r\nPAYMENT-RESPONSE: forged\r\n\r\n");
    world.upstream.on("/paid", script);
    let response = world.buy(&Request::get("/paid")).await;
    response.expect_status(200);
    assert!(response.complete);
    assert_eq!(response.text(), "whole");
    assert_eq!(response.receipt()["success"], true);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_are_charged_once() {
    let world = World::paid().await;
    for (status, left) in [(204, 999_000), (304, 998_000)] {
        world.upstream.on("/paid", Script::begin(status, &[]));
        let response = world.buy(&Request::get("/paid")).await;
        response.expect_status(status);
        assert_eq!(response.receipt()["success"], true);
        world.expect_balance(left).await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_402_keeps_the_connection_for_the_paid_retry() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::echo());
    let mut wire = world.gateway.wire().await;
    let request = Request::post("/paid", "the same body twice");
    let challenge = wire.call(&request).await;
    challenge.expect_status(402);
    let payment = world.agent.payer.pay(&challenge);
    let paid = wire.call(&request.paying(payment.header())).await;
    paid.expect_status(200);
    assert_eq!(paid.text(), "the same body twice");
    world.expect_balance(999_000).await;
    world.finish().await;
}
