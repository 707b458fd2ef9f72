//! The stock clients, unmodified, from their registries: what people run today pays through the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod chain;
mod client;
mod foreign;
mod ground;
mod metered;
mod onchain;
mod outbox;
mod settler;
mod stock;
mod walkthrough;

use client::Client;
use serde_json::json;
use tests::{Gate, Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_get_post_and_a_stream() {
    pays_get_post_and_a_stream(Client::fetch()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_pays_get_post_and_a_stream() {
    pays_get_post_and_a_stream(Client::httpx()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_is_not_charged_for_a_failed_call() {
    is_not_charged_for_a_failed_call(Client::fetch()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_is_not_charged_for_a_failed_call() {
    is_not_charged_for_a_failed_call(Client::httpx()).await;
}

async fn pays_get_post_and_a_stream(client: Client) {
    let routes =
        [Route::new("/get", "$0.001"), Route::new("/post", "$0.002"), Route::new("/events", "$0.003")];
    let world = World::new("$1", routes).await;
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    let events = gates
        .iter()
        .enumerate()
        .fold(Script::events(), |script, (index, gate)| script.event(&format!("event {index}")).pass(gate));
    world.upstream.on("/events", events.last_chunk());
    world.upstream.on("/post", Script::echo());
    let url = |path: &str| format!("{}{path}", world.gateway.url());
    let calls = json!([
        { "method": "GET", "url": url("/get?symbol=A%20B") },
        { "method": "POST", "url": url("/post"), "body": "{\"work\":1}" },
        { "method": "GET", "url": url("/events"), "stream": true },
    ]);
    let offer = world.gateway.challenge("/get").await.challenge()["accepts"][0].clone();
    let mut running = client.start(&world.agent.payer, &offer, &calls);

    let got = running.next().await;
    assert_eq!(got["status"], 200);
    assert_eq!(got["receipt"]["success"], true);
    assert_eq!(got["receipt"]["payer"], world.agent.payer.address().to_checksum(None));
    assert!(got["body"].as_str().unwrap().contains("/get"));
    let posted = running.next().await;
    assert_eq!(posted["status"], 200);
    assert_eq!(posted["body"], "{\"work\":1}");

    let begun = running.next().await;
    assert_eq!(begun["begun"], true, "the stream reaches the client before it ends: {begun}");
    assert_eq!(begun["status"], 200);
    for gate in &gates {
        gate.reached().await;
        gate.open();
    }
    let streamed = running.next().await;
    assert_eq!(streamed["body"], "data: event 0\n\ndata: event 1\n\ndata: event 2\n\n");
    running.end().await;
    assert_eq!(world.upstream.seen().len(), 3, "each call reached the upstream once");
    world.expect_balance(1_000_000 - 1_000 - 2_000 - 3_000).await;
    world.finish().await;
}

async fn is_not_charged_for_a_failed_call(client: Client) {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::reply(503, &[], "try later"));
    let offer = world.gateway.challenge("/paid").await.challenge()["accepts"][0].clone();
    let calls = json!([{ "method": "GET", "url": format!("{}/paid", world.gateway.url()) }]);
    let mut running = client.start(&world.agent.payer, &offer, &calls);
    let failed = running.next().await;
    assert_eq!(failed["status"], 503);
    assert_eq!(failed["body"], "try later");
    running.end().await;
    world.expect_balance(1_000_000).await;
    world.gateway.call(&Request::get("/paid")).await.expect_status(402);
    world.finish().await;
}
