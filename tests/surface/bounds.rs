//! Bodies, demands of the upstream's own, upgrades, and series: each has its bound, on HTTP/1.1 and on HTTP/2.

use tests::h2::Http2;
use tests::{Gate, Request, Route, Script, World, within};

const SERIES: usize = 200;

async fn world() -> World {
    let limited = |path: &str| Route::new(path, "$0.001").line("request_bytes_max = \"10B\"");
    World::new("$1", [limited("/paid"), Route::free("/free").line("request_bytes_max = \"10B\"")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn u12_a_body_of_known_length_is_refused_before_the_hold_and_unread() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    for path in ["/paid", "/free"] {
        let request = Request::new("POST", path).key(&key).with("Content-Length", "11");
        let mut wire = world.gateway.wire().await;
        // The body never comes: an answer all the same.
        wire.send(&request).await;
        wire.response("POST").await.expect_refusal(413, "body_too_large");
        let expecting = request.clone().with("Expect", "100-continue");
        let response = world.gateway.call(&expecting).await;
        response.expect_status(413);
        assert!(response.interim.is_empty(), "nobody wants that body");
        let mut http2 = Http2::connect(world.gateway.data()).await;
        let whole = Request::post(path, "eleven byte").key(&key).with("Content-Length", "11");
        http2.call(&whole).await.expect_refusal(413, "body_too_large");
    }
    assert!(world.upstream.seen().is_empty());
    assert_eq!(world.gateway.metrics().await.count("faregate_payments_total", &[]), 0, "nothing was held");
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u12_a_body_of_unknown_length_is_cut_off_at_the_limit_and_not_charged() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    http2.call(&Request::post("/paid", "eleven byte").key(&key)).await.expect_refusal(413, "body_too_large");
    let chunked = Request::new("POST", "/paid").key(&key).with("Transfer-Encoding", "chunked");
    let (once, twice) = ("b\r\neleven byte\r\n0\r\n\r\n", "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n");
    // Whoever asks to upgrade has a body like any other until it is agreed to.
    let upgrading = chunked.clone().upgrading();
    for (request, chunks) in [(&chunked, once), (&chunked, twice), (&upgrading, twice)] {
        let mut wire = world.gateway.wire().await;
        wire.send(request).await;
        wire.send_bytes(chunks.as_bytes()).await;
        wire.response("POST").await.expect_status(413);
        assert!(wire.is_closed().await);
    }
    world.expect_balance(1_000_000).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&chunked).await;
    wire.send_bytes(b"a\r\n0123456789\r\n0\r\n\r\n").await;
    wire.response("POST").await.expect_status(200);
    http2.call(&Request::post("/paid", "0123456789").key(&key)).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u11_an_upstreams_402_is_never_ours_on_any_route() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let demand = ["PAYMENT-REQUIRED: Zm9yZ2Vk", "X-PAYMENT-RESPONSE: Zm9yZ2Vk", "www-authenticate: Payment"];
    for path in ["/paid", "/free"] {
        world.upstream.on(path, Script::reply(402, &demand, "{\"accepts\":[]}"));
        let mut http2 = Http2::connect(world.gateway.data()).await;
        for response in [
            world.gateway.call(&Request::get(path).key(&key)).await,
            http2.call(&Request::get(path).key(&key)).await,
        ] {
            response.expect_refusal(502, "upstream_payment_required");
            assert_eq!(response.header("payment-required"), None);
            assert!(!response.text().contains("accepts"), "{}", response.text());
        }
    }
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u9_without_a_101_there_is_no_tunnel() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    for (kind, script) in [
        ("websocket", Script::reply(200, &[], "no tunnel")),
        ("websocket", Script::reply(403, &[], "no tunnel")),
        ("h2c", Script::reply(200, &[], "no tunnel")),
        ("h2c", Script::websocket()),
        ("anything", Script::websocket()),
    ] {
        world.upstream.on("/paid", script);
        let mut wire = world.gateway.wire().await;
        let handshake = Request::get("/paid")
            .key(&key)
            .with("Connection", "Upgrade")
            .with("Upgrade", kind)
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        wire.send(&handshake).await;
        let answered = wire.try_response("GET").await;
        assert!(answered.is_none_or(|response| response.status != 101), "{kind}");
        wire.send_bytes(b"through the tunnel").await;
        while !within("the end", wire.some()).await.is_empty() {}
    }
    for tape in world.upstream.tapes() {
        assert!(!String::from_utf8_lossy(&tape).contains("through the tunnel"));
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u9_bytes_sent_before_the_101_are_not_passed_on_before_it() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::websocket().after(&gate));
    let mut wire = world.gateway.wire().await;
    let handshake = Request::get("/paid")
        .key(&key)
        .with("Connection", "Upgrade")
        .with("Upgrade", "websocket")
        .with("Sec-WebSocket-Version", "13")
        .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let early = b"GET /free HTTP/1.1\r\nHost: a\r\n\r\n";
    wire.send_bytes(&[&handshake.bytes("a"), &early[..]].concat()).await;
    // Refused, or held back until there is a tunnel: both end here or at the gate.
    let answered = tokio::select! {
        answered = wire.try_response("GET") => answered,
        () = gate.reached() => None,
    };
    assert!(answered.is_none_or(|response| response.status != 101));
    for tape in world.upstream.tapes() {
        assert!(!String::from_utf8_lossy(&tape).contains("/free"), "tunnelled before the 101");
    }
    gate.open();
    drop(wire);
    world.gateway.call(&Request::get("/free")).await.expect_status(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m3_agents_paths_and_names_of_their_own_make_no_series() {
    let routes = [Route::new("/items/{id}", "$0.000001"), Route::free("/{*rest}")];
    let world = World::new("$1", routes).await;
    let mut wire = world.gateway.wire().await;
    let agents = [&world.agent, &tests::Agent::new(&world.gateway, "$1").await];
    let mut keys = Vec::new();
    for agent in agents {
        keys.push(agent.key(&world.gateway).await);
    }
    let everything = async |wire: &mut tests::Wire, from: usize, to: usize| {
        for index in from..to {
            let key = &keys[index % keys.len()];
            wire.call(&Request::get(&format!("/items/{index}")).key(key)).await.expect_status(200);
            wire.call(&Request::get(&format!("/other/{index}?x={index}"))).await.expect_status(200);
            wire.call(&Request::get(&format!("/items/{index}"))).await.expect_status(402);
            let host = format!("host-{index}.example");
            wire.call(&Request::new(&format!("VERB{index}"), "/x").with("Host", host)).await;
            let nobody = format!("fg_nobody{index}");
            wire.call(&Request::get("/items/1").with("Agent-Key", nobody)).await.expect_status(401);
            wire.call(&Request::get(&format!("/items//{index}"))).await.expect_status(400);
        }
    };
    everything(&mut wire, 0, 10).await;
    let before = world.gateway.metrics().await.series_count();
    everything(&mut wire, 10, 10 + SERIES).await;
    let scrape = world.gateway.metrics().await;
    assert_eq!(scrape.series_count(), before, "the same kinds of requests, the same series");
    for strange in ["VERB", "host-", "agt_", "wal_", "fg_", "/items", "/other"] {
        assert!(!scrape.0.contains(strange), "{strange} stands in a label");
    }
    world.finish().await;
}
