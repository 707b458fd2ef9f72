//! Calls that cost what they used: named by the upstream, read from the header, from a body, or from a stream as it passes. The most that
//! a call may cost is quoted and held; what was used is charged, and the rest is free.

use serde_json::json;
use tests::h2::Http2;
use tests::wait::until;
use tests::{Gate, Request, Response, Route, Script, Several, World};

/// At most ten cents and four where nothing can be read; a token costs two millionths.
const TOKENS: &str = r#"{ up_to = "$0.10", unread = "$0.04", units = [{ from = "json:/usage/total_tokens", price = "$0.000002" }] }"#;

fn chat() -> Request {
    Request::post("/chat", r#"{"messages":[]}"#)
}

async fn metered(metered: &str) -> World {
    World::new("$1", [Route::metered("/chat", metered)]).await
}

fn completion(tokens: u64) -> Script {
    Script::json(200, &json!({ "choices": ["hello"], "usage": { "total_tokens": tokens } }))
}

/// Two pieces of text, then the usage, each behind its gate.
fn stream(gates: &[Gate; 3]) -> Script {
    Script::events()
        .event(r#"{"delta":"he","usage":null}"#)
        .pass(&gates[0])
        .event(r#"{"delta":"llo","usage":null}"#)
        .pass(&gates[1])
        .event(r#"{"usage":{"total_tokens":1500}}"#)
        .event("[DONE]")
        .pass(&gates[2])
        .last_chunk()
}

fn gates() -> [Gate; 3] {
    [Gate::new(), Gate::new(), Gate::new()]
}

async fn receipt_later(world: &World, key: &str, payment: &str) -> Response {
    let view = Request::get(&format!("/.well-known/faregate/payments/{payment}")).key(key);
    until("the receipt of a payment", || async {
        let response = world.gateway.call(&view).await;
        (response.status == 200).then_some(response)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_is_asked_for_and_what_the_upstream_names_is_charged() {
    let world = metered(r#"{ up_to = "$0.10" }"#).await;
    let key = world.agent.key(&world.gateway).await;
    let challenge = world.gateway.call(&chat()).await.challenge();
    assert_eq!(challenge["accepts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&challenge["accepts"][0]["scheme"], &challenge["accepts"][0]["amount"]),
        (&json!("exact"), &json!("100000"))
    );
    let said = [
        (r#"{"amount":"1234"}"#, 1_234),
        (r#"{"amount":"2.5%"}"#, 2_500),
        (r#"{"amount":"$0.05"}"#, 50_000),
        // Never more than what was asked for; nothing where it says so.
        (r#"{"amount":"$3"}"#, 100_000),
        (r#"{"amount":"0"}"#, 0),
    ];
    let mut left = 1_000_000;
    for (value, charged) in said {
        let field = format!("Settlement-Overrides: {value}");
        world.upstream.on("/chat", Script::reply(200, &[&field, "settlement_overrides: forged"], "hello"));
        let signed = world.buy(&chat()).await;
        let paid = world.gateway.call(&chat().key(&key)).await;
        for response in [signed, paid] {
            response.expect_status(200);
            assert_eq!(response.receipt()["amount"], charged.to_string(), "{value}");
            assert!(
                !response.fields.has("settlement-overrides") && !response.fields.has("settlement_overrides")
            );
            left -= charged;
        }
        world.expect_balance(left).await;
    }
    // Without its word, and with one that nobody can read, it costs what a call costs that cannot be read: all.
    world.upstream.on_each(
        "/chat",
        [Script::reply(200, &[], "x"), Script::reply(200, &["Settlement-Overrides: cheap"], "x")],
    );
    for _ in 0..2 {
        assert_eq!(world.buy(&chat()).await.receipt()["amount"], "100000");
    }
    let metrics = world.gateway.metrics().await;
    let count = |name, label| metrics.count(name, &[label]);
    assert_eq!(count("faregate_metered_calls_total", ("by", "override")), 10);
    assert_eq!(count("faregate_metered_calls_total", ("by", "unread")), 2);
    assert_eq!(count("faregate_metered_mistakes_total", ("reason", "above_maximum")), 2);
    assert_eq!(count("faregate_metered_mistakes_total", ("reason", "unreadable")), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_response_is_counted_and_what_failed_is_not_charged() {
    let world =
        metered(r#"{ up_to = "$0.10", units = [{ from = "header:X-Tokens", price = "$0.0000015" }] }"#).await;
    let ok = |fields: &[&str]| Script::reply(200, fields, "hello");
    let failed = Script::reply(500, &["x-tokens: 9000", r#"settlement-overrides: {"amount":"9"}"#], "no");
    world.upstream.on_each("/chat", [ok(&["x-tokens: 1001"]), failed, ok(&["x-tokens: many"])]);
    let response = world.buy(&chat()).await;
    // 1,501.5 millionths.
    assert_eq!(
        (response.receipt()["amount"].clone(), response.fields.has("x-tokens")),
        (json!("1502"), true)
    );
    world.buy(&chat()).await.expect_status(500);
    world.expect_balance(998_498).await;
    assert_eq!(world.buy(&chat()).await.receipt()["amount"], "100000");
    world.expect_balance(898_498).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_body_waits_so_that_its_receipt_says_what_it_used() {
    let world = metered(TOKENS).await;
    world.upstream.on("/chat", completion(1_200));
    let key = world.agent.key(&world.gateway).await;
    let mut wire = world.gateway.wire().await;
    for request in [chat().key(&key), chat().key(&key).with("Idempotency-Key", "one")] {
        let response = wire.call(&request).await;
        response.expect_status(200);
        assert_eq!(response.receipt()["amount"], "2400");
        assert_eq!(response.header("faregate-payment-status"), Some("captured"));
        assert_eq!(response.json()["usage"]["total_tokens"], 1_200);
    }
    assert_eq!(
        (world.upstream.connections(), world.upstream.seen().len()),
        (1, 2),
        "both connections are kept"
    );
    assert_eq!(world.upstream.seen()[0].header("accept-encoding"), Some("identity"));
    // It is stored in the commit behind its capture.
    let again = until("the stored answer", async || {
        let again = world.gateway.call(&chat().key(&key).with("Idempotency-Key", "one")).await;
        (again.code() != "payment_in_progress").then_some(again)
    });
    let again = again.await;
    assert_eq!(
        (again.header("idempotency-replayed"), &again.json()["choices"][0]),
        (Some("true"), &json!("hello"))
    );
    assert_eq!(world.buy(&chat()).await.receipt()["amount"], "2400");
    world.expect_balance(1_000_000 - 3 * 2_400).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_nothing_costs_what_the_route_says() {
    let world = metered(TOKENS).await;
    let bodies = [
        Script::reply(
            200,
            &["content-type: application/json", "content-encoding: gzip"],
            r#"{"usage":{"total_tokens":1}}"#,
        ),
        Script::reply(200, &["content-type: application/json"], r#"{"usage":{"total_tokens":1}"#),
        Script::json(200, &json!({ "usage": null })),
        Script::reply(204, &[], ""),
    ];
    world.upstream.on_each("/chat", bodies);
    for _ in 0..4 {
        let response = world.buy(&chat()).await;
        assert_eq!(response.receipt()["amount"], "40000", "{response:?}");
    }
    world.expect_balance(1_000_000 - 4 * 40_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_not_asked_for_where_the_whole_text_says_what_it_costs() {
    let routes = [Route::metered("/text", TOKENS), Route::new("/fixed", "$0.001")];
    let world = World::new("$1", routes).await;
    world.upstream.on("/text", completion(1_200));
    let key = world.agent.key(&world.gateway).await;
    for (path, seen) in [("/text", [None, None]), ("/fixed", [Some("bytes=0-9"), Some("\"v1\"")])] {
        let part = Request::get(path).key(&key).with("Range", "bytes=0-9").with("If-Range", "\"v1\"");
        world.gateway.call(&part).await.expect_status(200);
        let asked = world.upstream.call(path, 1).await;
        assert_eq!([asked.header("range"), asked.header("if-range")], seen, "{path}");
    }
    world.expect_balance(1_000_000 - 2_400 - 1_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_its_upstream_breaks_off_before_it_was_whole_is_not_charged() {
    let world = metered(TOKENS).await;
    let cut = Script::begin(200, &["content-type: application/json", "content-length: 100"]);
    world.upstream.on("/chat", cut.send(r#"{"usage":{"total_tokens":7},"#).close());
    let response = world.buy(&chat()).await;
    assert_eq!(response.status, 502, "{response:?}");
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_as_it_comes_and_its_last_event_says_what_it_costs() {
    let world = metered(TOKENS).await;
    let key = world.agent.key(&world.gateway).await;
    let gates = gates();
    world.upstream.on("/chat", stream(&gates));
    let mut wire = world.gateway.wire().await;
    wire.send(&chat().key(&key)).await;
    let (status, fields) = wire.head("POST").await.unwrap();
    assert_eq!((status, fields.get("faregate-payment-status")), (200, Some("held")));
    assert!(!fields.has("payment-response"));
    let payment = fields.get("faregate-payment-id").unwrap().to_owned();
    for gate in &gates[..2] {
        let event = wire.piece().await.unwrap();
        assert!(event.starts_with(br#"data: {"delta""#), "each event before the next one is made");
        assert_eq!(world.agent.money(&world.gateway).await.held, 100_000);
        gate.open();
    }
    let mut rest = Vec::new();
    gates[2].open();
    while let Some(piece) = wire.piece().await.filter(|piece| !piece.is_empty()) {
        rest.extend(piece);
    }
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
    let receipt = receipt_later(&world, &key, &payment).await.json();
    assert_eq!((&receipt["amount"]["amount"], &receipt["state"]), (&json!("3000"), &json!("captured")));
    world.expect_balance(997_000).await;
    // The connection is good for the next call.
    world.upstream.on("/chat", completion(1));
    assert_eq!(wire.call(&chat().key(&key)).await.receipt()["amount"], "2");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_counted_as_it_passes() {
    let world = metered(TOKENS).await;
    let begin = || Script::begin(200, &["content-type: application/json", "transfer-encoding: chunked"]);
    let large = "x".repeat(300_000);
    let script = begin().chunk(r#"{"text":""#).chunk(&large).chunk(&large).chunk(r#"","usage":{"total_tok"#);
    world.upstream.on("/chat", script.chunk(r#"ens":500}}"#).last_chunk());
    let response = world.buy(&chat()).await;
    response.expect_status(200);
    assert!(response.complete && response.body.len() > 600_000);
    assert_eq!(response.header("faregate-payment-status"), Some("held"));
    world.balance_reached(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_hold_over_http2() {
    let world = metered(TOKENS).await;
    let key = world.agent.key(&world.gateway).await;
    world.upstream.on("/chat", completion(1_200));
    let mut client = Http2::connect(world.gateway.data()).await;
    let waited = client.call(&chat().key(&key)).await;
    waited.expect_status(200);
    assert_eq!(
        (waited.receipt()["amount"].clone(), &waited.json()["choices"][0]),
        (json!("2400"), &json!("hello"))
    );
    let gates = gates();
    gates.iter().for_each(Gate::open);
    world.upstream.on("/chat", stream(&gates));
    let streamed = client.call(&chat().key(&key)).await;
    assert_eq!(streamed.header("faregate-payment-status"), Some("held"));
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    world.balance_reached(1_000_000 - 2_400 - 3_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_costs_what_was_counted_and_nothing_before_it_was_worth_anything() {
    let routes = [Route::metered("/chat", TOKENS).line("stream_bytes_min = \"100B\"")];
    let world = World::new("$1", routes).await;
    let begun = || Script::events().event(r#"{"delta":"he","usage":null}"#);
    // The upstream breaks it off: early, late, and after it was counted.
    let late = begun().event(&format!("{{\"delta\":\"{}\"}}", "x".repeat(200)));
    let counted = begun().event(r#"{"usage":{"total_tokens":10}}"#);
    let mut left = 1_000_000;
    for (script, charged) in [(begun().close(), 0), (late.close(), 40_000), (counted.close(), 20)] {
        world.upstream.on("/chat", script);
        let response = world.buy(&chat()).await;
        assert!(response.status == 200 && !response.complete, "{response:?}");
        left -= charged;
        world.balance_reached(left).await;
        world.expect_balance(left).await;
    }
    // The client leaves before the last event: nobody gets a stream for nothing by that.
    let gates = gates();
    world.upstream.on("/chat", stream(&gates));
    let payment = world.agent.sign(&world.gateway, &chat()).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&chat().paying(payment.header())).await;
    wire.head("POST").await.unwrap();
    wire.piece().await.unwrap();
    drop(wire);
    gates.iter().for_each(Gate::open);
    world.gateway.idle().await;
    let charged = left - world.agent.money(&world.gateway).await.balance;
    // Whether the gateway noticed before the last event came is the machine's affair.
    assert!(charged == 40_000 || charged == 3_000, "{charged}");
    world.expect_balance(left - charged).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_stream_loses_neither_the_money_nor_more_than_was_agreed() {
    let mut world = metered(TOKENS).await;
    let (gates, waits) = (gates(), Gate::new());
    world.upstream.on_each("/chat", [stream(&gates), completion(1).after(&waits)]);
    let payment = world.agent.sign(&world.gateway, &chat()).await;
    let mut streaming = world.gateway.wire().await;
    streaming.send(&chat().paying(payment.header())).await;
    streaming.head("POST").await.unwrap();
    streaming.piece().await.unwrap();
    // Another one was forwarded, and nothing of its answer has come.
    let other = world.agent.sign(&world.gateway, &chat()).await;
    let mut waiting = world.gateway.wire().await;
    waiting.send(&chat().paying(other.header())).await;
    waits.reached().await;
    world.gateway.kill().await;
    world.gateway.restart().await;
    world.expect_balance(1_000_000 - 40_000).await;
    // The first was served and may not be used again; the second is free to be.
    world.gateway.call(&chat().paying(payment.header())).await.expect_refusal(409, "already_delivered");
    waits.open();
    let response = world.gateway.call(&chat().paying(other.header())).await;
    assert_eq!(response.receipt()["amount"], "2");
    world.expect_balance(1_000_000 - 40_000 - 2).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_judge_the_most_that_a_call_may_cost_and_count_what_it_did() {
    let world = metered(TOKENS).await;
    let key = world.agent.key(&world.gateway).await;
    world.upstream.on("/chat", completion(10));
    let cheap = chat().key(&key).with("Agent-Max-Price", "$0.09");
    world.gateway.call(&cheap).await.expect_refusal(402, "price_above_maximum");
    let policy = json!({ "per_day": "$0.1001" });
    world.gateway.ask("PUT", &format!("/v1/agents/{}/policy", world.agent.id), Some(&policy)).await;
    for _ in 0..5 {
        world.gateway.call(&chat().key(&key)).await.expect_status(200);
    }
    // A hundred units are spent: one more call may cost ten cents, and none after it.
    world.gateway.call(&chat().key(&key)).await.expect_status(200);
    world.gateway.call(&chat().key(&key)).await.expect_status(403);
    world.expect_balance(1_000_000 - 6 * 20).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_price_is_metered_as_it_was_quoted() {
    let mut world = metered(TOKENS).await;
    world.upstream.on("/chat", completion(1_000));
    let old = world.agent.sign(&world.gateway, &chat()).await;
    let dearer = TOKENS.replace("0.000002", "0.000009");
    let config = tests::Config::new(world.upstream.address(), [Route::metered("/chat", &dearer)]);
    world.gateway.reload(config).await;
    world.gateway.kill().await;
    world.gateway.restart().await;
    let response = world.gateway.call(&chat().paying(old.header())).await;
    assert_eq!(response.receipt()["amount"], "2000");
    assert_eq!(world.buy(&chat()).await.receipt()["amount"], "9000");
    world.finish().await;
}

/// With several gateways every hold has its row from the start; the others charge what one was serving when it died.
#[tokio::test(flavor = "multi_thread")]
async fn the_others_charge_the_stream_of_a_killed_gateway() {
    let mut several = Several::new(2, "$1", [Route::metered("/chat", TOKENS)]).await;
    let key = several.agent.key(&several.control).await;
    several.upstream.on("/chat", completion(1_000));
    let paid = several.gateways[1].call(&chat().key(&key)).await;
    assert_eq!(paid.receipt()["amount"], "2000");
    let gates = gates();
    several.upstream.on("/chat", stream(&gates));
    let mut streaming = several.gateways[0].wire().await;
    streaming.send(&chat().key(&key)).await;
    streaming.head("POST").await.unwrap();
    streaming.piece().await.unwrap();
    assert_eq!(several.agent.money(&several.control).await.held, 100_000);
    several.gateways[0].kill().await;
    several.expect_balance(1_000_000 - 2_000 - 40_000).await;
    several.gateways[0].restart().await;
    gates.iter().for_each(Gate::open);
    let streamed = several.gateways[0].call(&chat().key(&key)).await;
    assert_eq!(streamed.header("faregate-payment-status"), Some("held"));
    several.expect_balance(1_000_000 - 2_000 - 40_000 - 3_000).await;
    several.finish().await;
}
