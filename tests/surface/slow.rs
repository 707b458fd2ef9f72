//! Slow clients: each phase of a connection has an end, what was held is let go, and others are served meanwhile.

use std::time::Duration;

use tests::certificate::Authority;
use tests::h2::Http2;
use tests::wire::Drip;
use tests::{Agent, Config, Faregate, Gate, Request, Route, Script, Upstream, Wire, World, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any test waits: a connection that ends did so for another reason.
const NEVER: &str = "1h";

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_header_that_drips_in_is_cut_off() {
    let world = slow(&limits("client_header_timeout = \"400ms\"", NEVER)).await;
    let first = TcpStream::connect(world.gateway.data()).await.unwrap();
    let mut reused = TcpStream::connect(world.gateway.data()).await.unwrap();
    reused.write_all(b"GET /free HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(reused.read(&mut [0; 4096]).await.unwrap() > 0, "served, and kept");
    for stream in [first, reused] {
        let dripping = Drip::start(stream, b"GET /free HTTP/1.1\r\nHost: a\r\nX-Slow: ");
        world.gateway.challenge("/paid").await;
        dripping.cut_off().await;
    }
    assert_eq!(world.upstream.calls("/free").len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_connection_that_says_nothing_is_closed_and_makes_room() {
    let limits =
        limits("client_header_timeout = \"400ms\"\nconnections_max = 4\nclients_per_address = 8", NEVER);
    let world = slow(&limits).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(world.gateway.wire().await);
    }
    for wire in &mut silent {
        assert!(wire.is_closed().await);
    }
    world.gateway.challenge("/paid").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_request_that_takes_its_time_is_not_taken_for_a_slow_header() {
    let world = slow(&limits("client_header_timeout = \"200ms\"", NEVER)).await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::echo().after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "x")).await;
    let mut wire = world.gateway.wire().await;
    let head = Request::new("POST", "/paid").with("Content-Length", "4").paying(payment.header());
    wire.send(&head).await;
    for byte in [b"s", b"l", b"o", b"w"] {
        tokio::time::sleep(Duration::from_millis(100)).await;
        wire.send_bytes(byte).await;
    }
    gate.reached().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.open();
    let response = wire.response("POST").await;
    response.expect_status(200);
    assert_eq!(response.text(), "slow");
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.call(&Request::get("/paid")).await.expect_status(402);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_body_that_stops_coming_lets_go_of_its_hold() {
    let world = slow("[limits]\nclient_read_timeout = \"300ms\"").await;
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "x")).await;
    let mut wire = world.gateway.wire().await;
    let head = Request::new("POST", "/paid").paying(payment.header()).with("Content-Length", "100");
    wire.send(&head).await;
    wire.send_bytes(b"a part").await;
    assert!(wire.try_response("POST").await.is_none(), "nobody is left to answer");
    world.gateway.counted("faregate_payments_total", &[("outcome", "voided")], 1).await;
    world.expect_balance(1_000_000).await;
    let whole = Request::post("/paid", "x").paying(payment.header());
    world.again(&whole).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_body_that_is_read_before_the_hold_is_waited_for_so_long_in_all() {
    let world = slow("[limits]\nclient_read_timeout = \"300ms\"").await;
    let key = world.agent.key(&world.gateway).await;
    let named = Request::new("POST", "/paid").key(&key).with("Idempotency-Key", "slow");
    let named = named.with("Content-Length", "60000");
    let mut http2 = Http2::connect(world.gateway.data()).await;
    http2.begin(&named).await.response().await.expect_refusal(400, "invalid_field");
    let stream = TcpStream::connect(world.gateway.data()).await.unwrap();
    Drip::start(stream, &named.bytes("a")).cut_off().await;
    world.gateway.idle().await;
    assert!(world.upstream.seen().is_empty());
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_client_that_stops_reading_has_paid_and_gets_no_refund() {
    let world = slow("[limits]\nclient_write_timeout = \"500ms\"").await;
    // More than all buffers between here and there take.
    let body = vec![b'z'; 64 * 1024 * 1024];
    world.upstream.on("/paid", Script::reply(200, &[], &body));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::get("/paid").paying(payment.header())).await;
    let (status, fields) = wire.head("GET").await.unwrap();
    assert_eq!(status, 200);
    // The gateway gives up: its connection to the upstream ends, and so does the request.
    world.gateway.counted("faregate_request_duration_seconds_count", &[("outcome", "paid")], 1).await;
    let id = fields.get("faregate-payment-id").unwrap();
    let state = world.gateway.ask("GET", &format!("/v1/payments/{id}"), None).await;
    assert_eq!(state["state"], "captured");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_handshake_that_stalls_is_given_up_and_makes_room() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let config = Config::new(upstream.address(), routes())
        .section("[limits]\nhandshake_timeout = \"400ms\"\nconnections_max = 3\nclients_per_address = 8");
    let (gateway, _certificates) = Faregate::start_tls(config, &authority).await;
    let mut stalled = Vec::new();
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(gateway.data()).await.unwrap();
        stream.write_all(begun).await.unwrap();
        stalled.push(stream);
    }
    for stream in &mut stalled {
        // Closed in time, in whichever way.
        let _ = within("the end of a stalled handshake", stream.read_to_end(&mut Vec::new())).await;
    }
    Wire::tls(gateway.data(), &authority).await.call(&Request::get("/paid")).await.expect_status(402);
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_an_http2_connection_without_requests_is_closed() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let config = Config::new(upstream.address(), routes())
        .section("[limits]\nclient_idle_timeout = \"400ms\"\nclient_header_timeout = \"400ms\"");
    let (gateway, _certificates) = Faregate::start_tls(config, &authority).await;
    let mut silent = Wire::tls_speaking(gateway.data(), &authority, b"h2").await;
    while !silent.some().await.is_empty() {}
    let mut idle = Wire::tls_speaking(gateway.data(), &authority, b"h2").await;
    idle.send_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    while !idle.some().await.is_empty() {}
    Wire::tls(gateway.data(), &authority).await.call(&Request::get("/paid")).await.expect_status(402);
    gateway.finish().await;
}

fn limits(lines: &str, others: &str) -> String {
    format!(
        "[limits]\nclient_read_timeout = \"{others}\"\nclient_idle_timeout = \"{others}\"\nhandshake_timeout = \"5m\"\n{lines}"
    )
}

fn routes() -> [Route; 2] {
    [Route::new("/paid", "$0.001"), Route::free("/free")]
}

async fn slow(section: &str) -> World {
    let upstream = Upstream::start().await;
    let gateway = Faregate::start(Config::new(upstream.address(), routes()).section(section)).await;
    let agent = Agent::new(&gateway, "$1").await;
    World { upstream, gateway, agent }
}
