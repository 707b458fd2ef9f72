//! Stock clients on metered routes: they sign the most that a call may cost, and are charged what it used.

use serde_json::{Value, json};
use tests::{Gate, Route, Script, World};

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_what_calls_used() {
    pays_what_calls_used(Client::fetch()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_pays_what_calls_used() {
    pays_what_calls_used(Client::httpx()).await;
}

async fn pays_what_calls_used(client: Client) {
    let tokens =
        r#"{ up_to = "$0.10", units = [{ from = "json:/usage/total_tokens", price = "$0.0000005" }] }"#;
    let routes = ["/named", "/whole", "/events"].map(|path| Route::metered(path, tokens));
    let world = World::new("$1", routes).await;
    let named = r#"Settlement-Overrides: {"amount":"50%"}"#;
    world.upstream.on("/named", Script::reply(200, &[named], "named"));
    world.upstream.on("/whole", Script::json(200, &json!({ "usage": { "total_tokens": 2_001 } })));
    let gate = Gate::new();
    let stream = Script::events().event("\"hello\"").pass(&gate).event(r#"{"usage":{"total_tokens":7}}"#);
    world.upstream.on("/events", stream.event("[DONE]").last_chunk());
    let url = |path: &str| format!("{}{path}", world.gateway.url());
    let calls = json!([
        { "method": "GET", "url": url("/named") },
        { "method": "POST", "url": url("/whole"), "body": "{}" },
        { "method": "POST", "url": url("/events"), "body": "{}", "stream": true },
    ]);
    let offer = world.gateway.challenge("/named").await.challenge()["accepts"][0].clone();
    assert_eq!(offer["amount"], "100000");
    let mut running = client.start(&world.agent.payer, &offer, &calls);

    let amount = |told: &Value| (told["status"].clone(), told["receipt"]["amount"].clone());
    let named = running.next().await;
    assert_eq!((amount(&named), &named["body"]), ((json!(200), json!("50000")), &json!("named")), "{named}");
    let whole = running.next().await;
    assert_eq!(amount(&whole), (json!(200), json!("1001")), "{whole}");
    let begun = running.next().await;
    assert_eq!((&begun["begun"], &begun["receipt"]), (&json!(true), &Value::Null), "{begun}");
    gate.open();
    let streamed = running.next().await;
    assert!(streamed["body"].as_str().unwrap().ends_with("data: [DONE]\n\n"), "{streamed}");
    running.end().await;
    world.balance_reached(1_000_000 - 50_000 - 1_001 - 4).await;
    world.expect_balance(1_000_000 - 50_000 - 1_001 - 4).await;
    world.finish().await;
}
