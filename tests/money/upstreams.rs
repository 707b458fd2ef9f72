//! An upstream on a bad day: what it did not deliver is never charged.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use tests::message::Fields;
use tests::{Agent, Config, Faregate, Gate, Provider, Request, Route, Script, Upstream, World};

#[tokio::test(flavor = "multi_thread")]
async fn u1_what_the_upstream_refuses_is_passed_on_and_not_charged() {
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    for status in [500, 502, 503, 504, 429, 400, 404, 301, 302] {
        world.upstream.on("/paid", Script::reply(status, &["location: /elsewhere"], "no"));
        let response = world.again(&request).await;
        response.expect_status(status);
        assert_eq!(response.text(), "no");
        assert_eq!(response.header("faregate-payment-status"), Some("voided"));
        assert_eq!(response.header("payment-response"), None);
        world.expect_balance(1_000_000).await;
    }
    world.upstream.on("/paid", Script::reply(200, &[], "yes"));
    world.again(&request).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_charge_on_changes_what_is_a_delivery() {
    let world = World::new("$1", [Route::new("/paid", "$0.001").line("charge_on = [200, 404]")]).await;
    // Of what has 200, all may come as one part: `Range: bytes=0-`.
    for (status, left) in [(404, 999_000), (201, 999_000), (200, 998_000), (206, 997_000)] {
        world.upstream.on("/paid", Script::reply(status, &[], "x"));
        world.buy(&Request::get("/paid")).await.expect_status(status);
        world.expect_balance(left).await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_an_upstream_that_cannot_be_reached_charges_nothing() {
    let nobody = tests::ports::Port::reserve();
    let world = bad_day(Provider::new("acme", nobody.address())).await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let response = world.gateway.call(&Request::get("/paid").paying(payment.header())).await;
    response.expect_refusal(502, "upstream_failed");
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_an_upstream_without_tls_charges_nothing() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let provider = Provider::new("acme", ([127, 0, 0, 1], port).into());
    let world = bad_day(provider.at(&format!("https://localhost:{port}"))).await;
    world.buy(&Request::get("/paid")).await.expect_refusal(502, "upstream_failed");
    answering.abort();
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_an_upstream_that_hangs_up_charges_nothing() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::hang_up());
    let response = world.buy(&Request::post("/paid", "work")).await;
    response.expect_refusal(502, "upstream_failed");
    assert_eq!(world.upstream.calls("/paid").len(), 1, "a POST is not sent twice");
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upstream_that_never_answers_is_given_up_and_not_charged() {
    let upstream = Upstream::start().await;
    upstream.on("/paid", Script::hang());
    let provider = Provider::new("acme", upstream.address()).upstream_line("read_timeout = \"300ms\"");
    let world = bad_day(provider).await;
    let response = world.buy(&Request::get("/paid")).await;
    response.expect_refusal(504, "upstream_timeout");
    upstream.left("/paid").await;
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

/// A WebSocket may be silent for long once it is there.
#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upgrade_that_nobody_agrees_to_is_given_up_as_any_call() {
    let upstream = Upstream::start().await;
    upstream.on("/paid", Script::hang());
    let provider = Provider::new("acme", upstream.address()).upstream_line("read_timeout = \"300ms\"");
    let world = bad_day(provider).await;
    world.buy(&Request::get("/paid").upgrading()).await.expect_refusal(504, "upstream_timeout");
    upstream.left("/paid").await;
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_a_body_that_the_upstream_breaks_off_is_refunded() {
    let world = World::paid().await;
    let (fields, body) =
        broken_off(&world, Script::begin(200, &["content-length: 100"]).send("only this much")).await;
    assert_eq!(body, b"only this much");
    let id = fields.get("faregate-payment-id").unwrap();
    world.balance_reached(1_000_000).await;
    let payment = world.gateway.ask("GET", &format!("/v1/payments/{id}"), None).await;
    assert_eq!(payment["state"], "refunded");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_what_breaks_off_at_once_comes_to_its_client_as_far_as_it_came() {
    let world = World::paid().await;
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this much";
    world.upstream.on("/paid", Script::raw(broken).close());
    // Of as many some would get nothing at all where what is still in a buffer goes with its connection.
    for _ in 0..40 {
        let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
        let mut wire = world.gateway.wire().await;
        wire.send(&Request::get("/paid").paying(payment.header())).await;
        let (status, fields) = wire.head("GET").await.expect("the header");
        assert!(status == 200 && fields.get("faregate-payment-id").is_some());
        assert_eq!(wire.piece().await.as_deref(), Some(&b"only this much"[..]));
    }
    world.balance_reached(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_a_chunked_body_that_is_cut_is_refunded_until_enough_of_it_came() {
    let route = Route::new("/paid", "$0.001").line("stream_bytes_min = \"100B\"");
    let world = World::new("$1", [route]).await;
    let (_, short) = broken_off(&world, Script::events().chunk([b'x'; 99])).await;
    assert_eq!(short.len(), 99);
    world.balance_reached(1_000_000).await;
    let (_, enough) = broken_off(&world, Script::events().chunk([b'x'; 100])).await;
    assert_eq!(enough.len(), 100);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_an_upstream_cannot_forge_receipts_or_demands() {
    let world = World::new("$1", [Route::new("/paid", "$0.001"), Route::free("/free")]).await;
    let forged = [
        "PAYMENT-RESPONSE: Zm9yZ2Vk",
        "PAYMENT-REQUIRED: Zm9yZ2Vk",
        "X-PAYMENT-RESPONSE: Zm9yZ2Vk",
        "Faregate-Payment-Id: pay_forged",
        "Faregate-Payment-Status: captured",
        "x-own: stays",
    ];
    for path in ["/paid", "/free"] {
        world.upstream.on(path, Script::reply(200, &forged, "x"));
    }
    let free = world.gateway.call(&Request::get("/free")).await;
    for name in ["payment-response", "payment-required", "x-payment-response", "faregate-payment-id"] {
        assert_eq!(free.header(name), None, "{name} on a free route");
    }
    let paid = world.buy(&Request::get("/paid")).await;
    assert_eq!(paid.fields.all("payment-response").count(), 1);
    assert_eq!(paid.receipt()["success"], true);
    assert_eq!(paid.header("payment-required"), None);
    assert_eq!(paid.header("x-payment-response"), None);
    assert_eq!(paid.header("x-own"), Some("stays"));
    world.upstream.on("/paid", Script::reply(404, &forged, "x"));
    let failed = world.buy(&Request::get("/paid")).await;
    assert_eq!(failed.header("payment-response"), None, "a receipt for what was not charged");
    assert_eq!(failed.header("faregate-payment-status"), Some("voided"));
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u11_an_upstream_that_wants_money_itself_is_a_failure_not_a_demand() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::reply(402, &["PAYMENT-REQUIRED: Zm9yZ2Vk"], "pay me"));
    let response = world.buy(&Request::get("/paid")).await;
    response.expect_refusal(502, "upstream_payment_required");
    assert_eq!(response.header("payment-required"), None);
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u12_a_body_above_the_limit_is_413_before_anything_is_charged() {
    let route = Route::new("/paid", "$0.001").line("request_bytes_max = \"10B\"");
    let world = World::new("$1", [route]).await;
    world.gateway.call(&Request::post("/paid", "eleven byte")).await.expect_status(413);
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "x")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::new("POST", "/paid").paying(payment.header()).with("Transfer-Encoding", "chunked"))
        .await;
    wire.send_bytes(b"b\r\neleven byte\r\n0\r\n\r\n").await;
    wire.response("POST").await.expect_status(413);
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_own_key_is_put_on_and_never_shown() {
    let upstream = Upstream::start().await;
    let provider = Provider::new("acme", upstream.address())
        .upstream_line("headers = { x-api-key = \"the-providers-secret\" }");
    let world = bad_day(provider).await;
    let response = world.buy(&Request::get("/paid").with("X-Api-Key", "the-clients-guess")).await;
    response.expect_status(200);
    let seen = upstream.call("/paid", 1).await;
    assert_eq!(seen.fields.all("x-api-key").collect::<Vec<_>>(), ["the-providers-secret"]);
    assert!(!world.gateway.log().contains("the-providers-secret"), "no secret in any log");
    world.finish().await;
}

/// A gateway in front of this provider's `/paid`. The world's own upstream is not used.
async fn bad_day(provider: Provider) -> World {
    let upstream = Upstream::start().await;
    let config = Config::default().provider(provider.routes([Route::new("/paid", "$0.001")]));
    let gateway = Faregate::start(config).await;
    let agent = Agent::new(&gateway, "$1").await;
    World { upstream, gateway, agent }
}

/// Buys what the script begins; breaks it off once all that it sent has been read. Gives what came.
async fn broken_off(world: &World, begun: Script) -> (Fields, Vec<u8>) {
    let gate = Gate::new();
    world.upstream.on("/paid", begun.pass(&gate).close());
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::get("/paid").paying(payment.header())).await;
    let (status, fields) = wire.head("GET").await.expect("the header before the end");
    assert_eq!(status, 200);
    let body = wire.piece().await.expect("the piece before the end");
    gate.open();
    assert_eq!(wire.piece().await, None, "the client must be able to see that it is not whole");
    (fields, body)
}
