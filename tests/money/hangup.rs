//! Clients that leave: no free ride, and no charge for what they could not have used.

use tests::frames::{END_HEADERS, Frames};
use tests::h2::Http2;
use tests::{Gate, Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_get_whose_client_leaves_is_voided_and_its_upstream_call_given_up() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "late").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    gate.reached().await;
    drop(wire);
    world.upstream.left("/paid").await;
    world.expect_balance(1_000_000).await;
    gate.open();
    world.again(&request).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_client_leaves_is_finished_and_charged() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let request = Request::post("/paid", "work").paying(payment.header());
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    gate.reached().await;
    drop(wire);
    gate.open();
    world.balance_reached(999_000).await;
    let again = world.again(&request).await;
    again.expect_refusal(409, "already_delivered");
    assert_eq!(world.upstream.calls("/paid").len(), 1, "work done once");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_client_leaves_and_whose_upstream_fails_is_not_charged() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(500, &[], "no").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::post("/paid", "work").paying(payment.header())).await;
    gate.reached().await;
    drop(wire);
    gate.open();
    world.gateway.counted("faregate_payments_total", &[("outcome", "voided")], 1).await;
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_h2_post_that_is_reset_is_charged() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let call = http2.start(&Request::post("/paid", "work").paying(payment.header())).await;
    gate.reached().await;
    drop(call);
    world.balance_reached(999_000).await;
    gate.open();
    world.expect_balance(999_000).await;
    world.finish().await;
}

/// The upstream has all that it needs, and does not know of streams.
#[tokio::test(flavor = "multi_thread")]
async fn an_h2_post_that_never_ends_though_its_body_is_whole_is_charged_when_it_is_reset() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let mut http2 = Frames::connect(world.gateway.data(), &[]).await;
    let header = payment.header();
    let paying = [("content-length", "4"), ("payment-signature", header.as_str())];
    let block = http2.block("POST", "/paid", &paying);
    http2.headers(1, END_HEADERS, &block).await;
    http2.data(1, 0, b"work").await;
    gate.reached().await;
    http2.reset(1).await;
    world.balance_reached(999_000).await;
    gate.open();
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_h2_get_that_is_reset_is_voided() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "late").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let call = http2.start(&Request::get("/paid").paying(payment.header())).await;
    gate.reached().await;
    drop(call);
    world.upstream.left("/paid").await;
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_cut_off_before_its_body_was_whole_is_not_charged() {
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "x")).await;
    let mut wire = world.gateway.wire().await;
    let head = Request::new("POST", "/paid").paying(payment.header()).with("Content-Length", "100");
    wire.send(&head).await;
    wire.send_bytes(b"only a part").await;
    drop(wire);
    world.gateway.counted("faregate_payments_total", &[("outcome", "voided")], 1).await;
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u6_a_client_that_leaves_in_the_middle_of_its_body_has_paid() {
    let world = World::paid().await;
    let gate = Gate::new();
    let script = Script::begin(200, &["content-length: 10"]).send("first").pass(&gate).send("later");
    world.upstream.on("/paid", script);
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::get("/paid").paying(payment.header())).await;
    let (status, _) = wire.head("GET").await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(wire.piece().await.unwrap(), b"first");
    drop(wire);
    world.upstream.left("/paid").await;
    gate.open();
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_its_answer_waits_pays_no_less_than_for_one_that_cannot_be_read() {
    let units = [
        r#"{ from = "header:x-in", price = "$0.000001" }, { from = "json:/out", price = "$0.01" }"#,
        r#"{ from = "bytes", price = "$0.01" }"#,
    ];
    let routes = [("/tokens", units[0]), ("/bytes", units[1])].map(|(path, units)| {
        Route::metered(path, &format!(r#"{{ up_to = "$0.10", unread = "$0.04", units = [{units}] }}"#))
    });
    let world = World::new("$1", routes).await;
    let key = world.agent.key(&world.gateway).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    for (count, path) in [(1, "/tokens"), (2, "/bytes")] {
        let gate = Gate::new();
        let head = ["content-type: application/json", "content-length: 9", "x-in: 10"];
        world.upstream.on(path, Script::begin(200, &head).pass(&gate).send(r#"{"out":3}"#));
        let call = http2.start(&Request::post(path, "work").key(&key)).await;
        let header_came = [("stage", "upstream")];
        world.gateway.counted("faregate_payment_stage_seconds_count", &header_came, count).await;
        drop(call);
        world.balance_reached(1_000_000 - 40_000 * i64::try_from(count).unwrap()).await;
        gate.open();
    }
    world.expect_balance(920_000).await;
    world.finish().await;
}
