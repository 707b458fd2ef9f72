//! Stock clients at their defaults, a gateway configured as a provider would for Base Sepolia, and the official facilitator: USDC moves
//! from the payer's address to the provider's own, once for each call that was served.

mod attacks;
mod burnt;
mod cancelled;
mod contracts;
mod deposits;
mod differing;
mod doctor;
mod draining;
mod failing;
mod killed;
mod late;
mod moments;
mod owing;
mod permits;
mod settling;
mod several;
mod time;
mod treasury;
mod upstreams;
mod upto;
mod ways;

use serde_json::{Value, json};
use tests::{Payer, PublicWorld, Request, Route, Script};

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_the_provider_in_usdc() {
    pays_the_provider_in_usdc(Client::fetch(), "eip155:84532").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_pays_the_provider_in_usdc() {
    pays_the_provider_in_usdc(Client::httpx(), "eip155:84532").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_of_v1_pays_the_provider_in_usdc() {
    pays_the_provider_in_usdc(Client::legacy(), "base-sepolia").await;
}

#[cfg(feature = "all-clients")]
#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_axios_pays_the_provider_in_usdc() {
    pays_the_provider_in_usdc(Client::axios(), "eip155:84532").await;
}

#[cfg(feature = "all-clients")]
#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_axios_of_v1_pays_the_provider_in_usdc() {
    pays_the_provider_in_usdc(Client::legacy_axios(), "base-sepolia").await;
}

#[cfg(feature = "all-clients")]
#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_requests_pays_the_provider_in_usdc() {
    pays_the_provider_in_usdc(Client::requests(), "eip155:84532").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_paid_on_chain_sees_its_own_payment_and_nobody_elses() {
    let world = PublicWorld::paid().await;
    let (payer, other) = (world.payer(1_000).await, Payer::random());
    let paid = world.buy(&payer, &Request::get("/paid")).await;
    let id = paid.header("faregate-payment-id").expect("an id").to_owned();
    let view = Request::get(&format!("/.well-known/faregate/payments/{id}"));
    let asked = world.gateway.call(&view).await;
    asked.expect_refusal(401, "sign_in_required");
    let seen = world.gateway.call(&view.clone().with("Authorization", payer.sign_in(&asked))).await;
    seen.expect_status(200);
    let on_chain = json!({
        "network": "eip155:84532",
        "payer": payer.address().to_checksum(None),
        "transaction": paid.receipt()["transaction"],
    });
    assert_eq!(seen.json()["on_chain"], on_chain);
    world.gateway.call(&view.with("Authorization", other.sign_in(&asked))).await.expect_status(404);
    world.expect_received(1_000).await;
    world.finish().await;
}

/// `named`: the network, as the client's x402 names it.
async fn pays_the_provider_in_usdc(client: Client, named: &str) {
    let routes =
        [Route::new("/get", "$0.001"), Route::new("/post", "$0.002"), Route::new("/failing", "$0.004")];
    let world = PublicWorld::new(routes).await;
    world.upstream.on("/post", Script::echo());
    world.upstream.on("/failing", Script::reply(503, &[], "try later"));
    let payer = world.payer(10_000).await;
    let url = |path: &str| format!("{}{path}", world.gateway.url());
    let calls = json!([
        { "method": "GET", "url": url("/get?symbol=A%20B") },
        { "method": "GET", "url": url("/failing") },
        { "method": "POST", "url": url("/post"), "body": "{\"work\":1}" },
    ]);
    let mut running = client.start_by_default(&payer, &calls);

    let got = running.next().await;
    assert_eq!(got["status"], 200, "{got}");
    assert!(got["body"].as_str().unwrap().contains("/get"));
    let failed = running.next().await;
    assert_eq!((&failed["status"], &failed["body"]), (&json!(503), &json!("try later")));
    let posted = running.next().await;
    assert_eq!((&posted["status"], &posted["body"]), (&json!(200), &json!("{\"work\":1}")));
    running.end().await;

    let received = world.network.received(PublicWorld::provider()).await;
    assert_eq!(received.iter().map(|transfer| transfer.value).collect::<Vec<_>>(), [1_000, 2_000]);
    for (told, transfer) in [&got, &posted].into_iter().zip(&received) {
        let receipt = json!({
            "success": true,
            "network": named,
            "payer": payer.address().to_checksum(None),
            "transaction": transfer.transaction,
        });
        expect_all(&told["receipt"], &receipt);
    }
    assert_eq!(world.network.balance(payer.address()).await, 10_000 - 3_000);
    world.expect_received(3_000).await;
    world.finish().await;
}

/// Fails the test where a value of `wanted` is another one, or is missing.
fn expect_all(found: &Value, wanted: &Value) {
    for (name, value) in wanted.as_object().expect("an object") {
        assert_eq!(&found[name], value, "{name} of {found}");
    }
}
