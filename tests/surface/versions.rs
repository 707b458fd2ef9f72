//! Versions of HTTP: an upstream may speak an older one, and so may a client; each gets an answer in ours, framed so that
//! it can read it.

use tests::{Request, Route, Script, World};

/// As `python3 -m http.server` answers, with and without a length.
const OLD: [&str; 2] = [
    "HTTP/1.0 200 OK\r\nServer: SimpleHTTP\r\nContent-Length: 3\r\n\r\nold",
    "HTTP/1.0 200 OK\r\nServer: SimpleHTTP\r\n\r\nold",
];

async fn world() -> World {
    let world = World::new("$1", [Route::new("/paid", "$0.001"), Route::free("/free")]).await;
    for path in ["/paid", "/free"] {
        world.upstream.on_each(path, OLD.map(|answer| Script::raw(answer).close()));
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_0_upstream_is_answered_from_in_1_1_and_the_connection_kept() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let mut wire = world.gateway.wire().await;
    for path in ["/paid", "/free"] {
        for answer in OLD {
            let response = wire.call(&Request::get(path).key(&key)).await;
            response.expect_status(200);
            assert_eq!(response.text(), "old");
            assert!(response.complete, "{path}: {answer}");
            let framing =
                if answer.contains("Content-Length") { "content-length" } else { "transfer-encoding" };
            assert!(response.fields.has(framing), "{path}: {:?}", response.fields);
        }
    }
    assert_eq!(wire.versions(), ["HTTP/1.1"; 4]);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_0_client_gets_no_chunks() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let chunked = Script::begin(200, &["transfer-encoding: chunked"]).chunk("old").last_chunk();
    world.upstream.on("/paid", chunked);
    for path in ["/paid", "/free"] {
        for keep in ["close", "keep-alive"] {
            let mut wire = world.gateway.wire().await;
            let request =
                format!("GET {path} HTTP/1.0\r\nHost: a\r\nConnection: {keep}\r\nAgent-Key: {key}\r\n\r\n");
            wire.send_bytes(request.as_bytes()).await;
            let response = wire.response("GET").await;
            response.expect_status(200);
            assert_eq!(response.text(), "old", "{path}");
            assert!(!response.fields.has("transfer-encoding"), "{path}: {:?}", response.fields);
        }
    }
    world.expect_balance(998_000).await;
    world.finish().await;
}
