//! Hostile headers: bounded, answered, and the next request is served.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tests::frames::{END_HEADERS, END_STREAM, Ending, Frames};
use tests::{Config, Request, Route, World};

#[tokio::test(flavor = "multi_thread")]
async fn s4_header_bombs_are_refused_and_the_gateway_lives() {
    let world = World::paid().await;
    let call = async |request: Request| {
        let response = world.gateway.wire().await.try_call(&request).await;
        let status = response.map(|response| response.status);
        assert!(matches!(status, None | Some(400 | 431)), "{status:?}");
        world.gateway.challenge("/paid").await;
    };
    call(Request::get("/paid").with("X-Large", "x".repeat(64 * 1024))).await;
    call(Request::get("/paid").with("X-Huge", "x".repeat(2 * 1024 * 1024))).await;
    call(
        (0..400).fold(Request::get("/paid"), |request, index| {
            request.with(&format!("x-{index}"), "v".repeat(100))
        }),
    )
    .await;
    call(Request::get("/paid").paying("A".repeat(20 * 1024))).await;
    call(Request::get(&format!("/paid?{}", "q".repeat(70 * 1024)))).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_a_header_that_is_too_long_is_cut_off_while_it_comes() {
    let world = World::with("$1", |upstream| {
        let routes = [Route::new("/paid", "$0.001")];
        Config::new(upstream, routes).section("[limits]\nclient_header_timeout = \"5m\"")
    })
    .await;
    let begun = |bytes: usize| format!("GET /paid HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(bytes));
    let mut wire = world.gateway.wire().await;
    wire.send_bytes(begun(150 * 1024).as_bytes()).await;
    wire.send_bytes(b"\r\n\r\n").await;
    wire.response("GET").await.expect_status(431);
    let mut wire = world.gateway.wire().await;
    wire.send_bytes(begun(170 * 1024).as_bytes()).await;
    assert!(wire.is_closed().await, "it is not waited for");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_with_long_headers_come_at_once_on_http2() {
    let world = World::with("$1", |upstream| Config::new(upstream, [Route::free("/free")])).await;
    let mut client = Frames::connect(world.gateway.data(), &[]).await;
    let block = client.block("GET", "/free", &[("x-long", &"x".repeat(8_000))]);
    client.headers_at_once((0..100).map(|stream| stream * 2 + 1), END_HEADERS | END_STREAM, &block).await;
    for _ in 0..100 {
        assert_eq!(client.ending().await, Ending::Answered);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_payment_headers_that_are_no_payments_are_400() {
    let world = World::paid().await;
    let deep = "[".repeat(5_000);
    let nested = format!(
        "{{\"x402Version\":2,\"accepted\":{}{}}}",
        "{\"a\":".repeat(2_000),
        "1".to_owned() + &"}".repeat(2_000)
    );
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75, 76, 4, 0];
    let headers = [
        "not base64!".to_owned(),
        "====".to_owned(),
        STANDARD.encode(""),
        STANDARD.encode("{}"),
        STANDARD.encode("null"),
        STANDARD.encode("[]"),
        STANDARD.encode(deep),
        STANDARD.encode(nested),
        STANDARD.encode([0xff, 0xfe, 0xfd]),
        STANDARD.encode(gzip),
        STANDARD.encode("{\"x402Version\":1}"),
        STANDARD.encode("{\"x402Version\":2,\"accepted\":null,\"payload\":null}"),
        STANDARD.encode(vec![b'a'; 6 * 1024]),
    ];
    for header in headers {
        let response = world.gateway.call(&Request::get("/paid").paying(header.as_str())).await;
        response.expect_refusal(400, "invalid_payload");
    }
    assert!(world.upstream.seen().is_empty());
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_base64_that_clients_send_is_read() {
    let world = World::paid().await;
    for index in 0..2 {
        let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
        let text = payment.payload.to_string();
        let header = if index == 0 { STANDARD.encode(&text) } else { URL_SAFE_NO_PAD.encode(&text) };
        world.gateway.call(&Request::get("/paid").paying(header)).await.expect_status(200);
    }
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_two_different_payments_are_400_and_the_same_one_twice_named_is_one() {
    let world = World::paid().await;
    let mut headers = Vec::new();
    for _ in 0..2 {
        headers.push(world.agent.sign(&world.gateway, &Request::get("/paid")).await.header());
    }
    let both = Request::get("/paid").paying(headers[0].as_str()).with("X-PAYMENT", headers[1].as_str());
    world.gateway.call(&both).await.expect_refusal(400, "two_payments");
    let same = Request::get("/paid").paying(headers[0].as_str()).with("X-PAYMENT", headers[0].as_str());
    world.gateway.call(&same).await.expect_status(200);
    assert_eq!(world.upstream.call("/paid", 1).await.header("x-payment"), None);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_connection_cannot_hide_a_payment_or_a_key() {
    let world = World::new("$1", [Route::new("/paid", "$0.001"), Route::free("/free")]).await;
    let key = world.agent.key(&world.gateway).await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let both = Request::get("/paid")
        .paying(payment.header())
        .with("Agent-Key", &*key)
        .with("Connection", "payment-signature, agent-key");
    world.gateway.call(&both).await.expect_refusal(400, "two_payments");
    let hidden =
        Request::get("/paid").paying(payment.header()).with("Connection", "payment-signature, keep-alive");
    let response = world.gateway.call(&hidden).await;
    assert!(matches!(response.status, 200 | 400), "{}", response.status);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_host_or_with_two_is_400() {
    let world = World::paid().await;
    for head in [
        "GET /paid HTTP/1.1\r\nAccept: */*\r\n\r\n",
        "GET /paid HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /paid HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /paid HTTP/1.1\r\nHost: user@a\r\n\r\n",
    ] {
        let mut wire = world.gateway.wire().await;
        wire.send_bytes(head.as_bytes()).await;
        assert_eq!(wire.response("GET").await.status, 400, "{head:?}");
    }
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}
