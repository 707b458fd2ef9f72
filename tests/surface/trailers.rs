//! What an upstream says behind its body, over HTTP/2: it forges there no more than in its header.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use tests::h2::Http2;
use tests::{Agent, Config, Faregate, Provider, Request, Route};
use tokio::net::TcpListener;

/// What every answer is.
const BODY: &str = r#"{"used":7}"#;

/// What comes behind it.
const BEHIND: [(&str, &str); 6] = [
    ("x-sum", "1"),
    ("settlement-overrides", "forged"),
    ("payment-response", "forged"),
    ("payment-required", "forged"),
    ("x-payment-response", "forged"),
    ("faregate-payment-status", "forged"),
];

#[tokio::test(flavor = "multi_thread")]
async fn u10_an_upstream_forges_nothing_behind_its_body() {
    let metered = r#"{ up_to = "$0.10", units = [{ from = "json:/used", price = "$0.000001" }] }"#;
    let provider = Provider::new("acme", api().await).upstream_line("http2 = true").routes([
        Route::free("/free"),
        Route::new("/paid", "$0.001"),
        Route::metered("/metered", metered),
    ]);
    let gateway = Faregate::start(Config::default().provider(provider)).await;
    let agent = Agent::new(&gateway, "$1").await;
    let key = agent.key(&gateway).await;
    let mut client = Http2::connect(gateway.data()).await;
    for path in ["/free", "/paid", "/metered"] {
        let request = Request::get(path);
        let answer = client.call(&if path == "/free" { request } else { request.key(&key) }).await;
        answer.expect_status(200);
        assert!(answer.complete, "{path}");
        assert_eq!(answer.text(), BODY, "{path}");
        // What waits until it is whole is written by the gateway.
        let passed = (path != "/metered").then_some("1");
        assert_eq!(answer.trailers.get("x-sum"), passed, "{path}");
        assert_eq!(answer.trailers.0.len(), usize::from(passed.is_some()), "{path}: {:?}", answer.trailers);
    }
    agent.expect_balance(&gateway, 1_000_000 - 1_000 - 7).await;
    gateway.finish().await;
}

/// An API that speaks HTTP/2 alone.
async fn api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let head = http::Response::builder()
                        .header("content-type", "application/json")
                        .header("content-length", BODY.len());
                    let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
                    body.send_data(Bytes::from_static(BODY.as_bytes()), false).unwrap();
                    body.send_trailers(behind()).unwrap();
                }
            });
        }
    });
    address
}

fn behind() -> HeaderMap {
    BEHIND.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}
