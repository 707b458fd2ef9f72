//! The same protocol over HTTP/2 and TLS.

use tests::certificate::Authority;
use tests::frames::{END_HEADERS, END_STREAM, Ending, Frames};
use tests::h2::Http2;
use tests::ports::Port;
use tests::{Agent, Config, Faregate, Gate, Request, Route, Script, Upstream, Wire};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_over_tls_and_http2() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    upstream.on("/paid", Script::echo());
    let config = Config::new(upstream.address(), [Route::new("/paid", "$0.001")]);
    let (gateway, _certificates) = Faregate::start_tls(config, &authority).await;
    let agent = Agent::new(&gateway, "$1").await;

    let mut http2 = Http2::tls(gateway.data(), &authority).await;
    let request = Request::post("/paid", "over h2");
    let challenge = http2.call(&request).await;
    challenge.expect_status(402);
    let url = challenge.challenge()["resource"]["url"].as_str().unwrap().to_owned();
    assert_eq!(url, format!("https://localhost:{}/paid", gateway.data().port()));
    let payment = agent.payer.pay(&challenge);
    let response = http2.call(&request.clone().paying(payment.header())).await;
    response.expect_status(200);
    assert_eq!(response.text(), "over h2");
    assert_eq!(response.receipt()["success"], true);
    assert_eq!(upstream.call("/paid", 1).await.header("x-forwarded-proto"), Some("https"));

    let mut wire = Wire::tls(gateway.data(), &authority).await;
    let challenge = wire.call(&request).await;
    let payment = agent.payer.pay(&challenge);
    wire.call(&request.paying(payment.header())).await.expect_status(200);
    agent.expect_balance(&gateway, 998_000).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_paid_streams_on_one_http2_connection() {
    let upstream = Upstream::start().await;
    let config = Config::new(upstream.address(), [Route::new("/items/{id}", "$0.001")]);
    let gateway = Faregate::start(config).await;
    let agent = Agent::new(&gateway, "$1").await;
    let key = agent.key(&gateway).await;
    let gate = Gate::new();
    let mut http2 = Http2::connect(gateway.data()).await;
    let mut calls = Vec::new();
    for id in 0..50 {
        let path = format!("/items/{id}");
        upstream.on(&path, Script::reply(200, &[], &path).after(&gate));
        calls.push(http2.start(&Request::get(&path).key(&key)).await);
    }
    gate.reached_by(50).await;
    gate.open();
    for (id, call) in calls.into_iter().enumerate() {
        let response = call.response().await;
        response.expect_status(200);
        assert_eq!(response.text(), format!("/items/{id}"));
    }
    agent.expect_balance(&gateway, 950_000).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_authority_and_host_that_differ_are_priced_by_what_is_forwarded() {
    let upstream = Upstream::start().await;
    let priced = tests::Provider::new("priced", upstream.address()).line("hosts = [\"127.0.0.1\"]");
    let open = Upstream::start().await;
    let free = tests::Provider::new("open", open.address()).line("hosts = [\"free.example\"]");
    let config = Config::default()
        .provider(priced.routes([Route::new("/x", "$0.001").named("priced")]))
        .provider(free.routes([Route::free("/x").named("open")]));
    let gateway = Faregate::start(config).await;
    let mut http2 = Http2::connect(gateway.data()).await;
    let response = http2.call(&Request::get("/x").with("host", "free.example")).await;
    assert!(matches!(response.status, 400 | 402), "{}", response.status);
    assert!(upstream.seen().is_empty());
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_listener_without_http2_speaks_none_whatever_another_one_speaks() {
    let upstream = Upstream::start().await;
    let other = Port::reserve().address();
    let config = Config::new(upstream.address(), [Route::new("/paid", "$0.001")])
        .section(&format!("[[listen.data]]\naddress = \"{other}\"\nhttp2 = false\n"));
    let gateway = Faregate::start(config).await;
    let mut client = Frames::connect(other, &[]).await;
    let block = client.block("GET", "/paid", &[]);
    client.headers(1, END_HEADERS | END_STREAM, &block).await;
    assert_eq!(client.ending().await, Ending::Connection);
    Wire::connect(other).await.call(&Request::get("/paid")).await.expect_status(402);
    Http2::connect(gateway.data()).await.call(&Request::get("/paid")).await.expect_status(402);
    gateway.finish().await;
}
