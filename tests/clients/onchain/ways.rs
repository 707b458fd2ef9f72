//! Stock clients at their defaults where value moves after the answer (`settle = "deferred"`), and where the operator is paid for the
//! provider (custody `treasury`).

use serde_json::{Value, json};
use tests::{PublicWorld, Route, Script, Setting};

use crate::client::Client;

/// What is left of 3,000 units without the operator's 2.5 %: of each payment it is rounded down.
const NET: i64 = 3_000 - 25 - 50;

fn routes() -> [Route; 3] {
    [("/get", "$0.001"), ("/post", "$0.002"), ("/failing", "$0.004")]
        .map(|(path, price)| Route::new(path, price))
}

fn deferred() -> [Route; 3] {
    routes().map(|route| route.line("settle = \"deferred\""))
}

/// Payments are good for as long as with configs/base-sepolia.toml: a facilitator has time to fail, and another try.
fn by_facilitator() -> Setting {
    Setting::new(deferred()).network("max_timeout = \"5m\"\nmargin = \"40s\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_is_served_before_a_facilitator_settles() {
    is_served_before_it_is_settled(Client::fetch(), by_facilitator()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_is_served_before_a_facilitator_settles() {
    is_served_before_it_is_settled(Client::httpx(), by_facilitator()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_is_served_before_the_gateway_settles() {
    is_served_before_it_is_settled(Client::fetch(), Setting::new(deferred()).settling_itself()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_is_served_before_the_gateway_settles() {
    is_served_before_it_is_settled(Client::httpx(), Setting::new(deferred()).settling_itself()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_the_operator_for_a_provider() {
    pays_the_operator(Client::fetch(), Setting::new(routes())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_pays_the_operator_for_a_provider() {
    pays_the_operator(Client::httpx(), Setting::new(deferred()).settling_itself()).await;
}

async fn is_served_before_it_is_settled(client: Client, setting: Setting) {
    let world = setting.start().await;
    let told = served_twice(client, &world).await;
    for receipt in told.map(|told| told["receipt"].clone()) {
        assert_eq!(receipt["success"], true, "{receipt}");
        assert_eq!(receipt["transaction"], "", "served first, settled afterwards: {receipt}");
    }
    world.settled(3_000).await;
    world.finish().await;
}

/// What came on chain is the provider's as what comes from wallets is: without the operator's share, and settled with it.
async fn pays_the_operator(client: Client, setting: Setting) {
    let world = setting.treasury().section("[settlement]\ndelay = \"0s\"").start().await;
    served_twice(client, &world).await;
    world.settled(3_000).await;
    let destination = json!({ "rail": "manual", "reference": "a bank" });
    world.gateway.ask("PUT", "/v1/providers/acme/payout-destination", Some(&destination)).await;
    let run = json!({ "provider": "acme" });
    let would_be = world.gateway.ask("POST", "/v1/settlements?dry_run=true", Some(&run)).await;
    assert_eq!(would_be["net"]["amount"], NET.to_string(), "{would_be}");
    world.finish().await;
}

/// Calls that are paid for with 3,000 units, and one that fails and costs nothing; what the client says of the first two.
async fn served_twice(client: Client, world: &PublicWorld) -> [Value; 2] {
    world.upstream.on("/post", Script::echo());
    world.upstream.on("/failing", Script::reply(503, &[], "try later"));
    let payer = world.payer(10_000).await;
    let url = |path: &str| format!("{}{path}", world.gateway.url());
    let calls = json!([
        { "method": "GET", "url": url("/get") },
        { "method": "GET", "url": url("/failing") },
        { "method": "POST", "url": url("/post"), "body": "{\"work\":1}" },
    ]);
    let mut running = client.start_by_default(&payer, &calls);
    let got = running.next().await;
    assert_eq!(got["status"], 200, "{got}");
    let failed = running.next().await;
    assert_eq!(failed["status"], 503, "{failed}");
    let posted = running.next().await;
    assert_eq!((&posted["status"], &posted["body"]), (&json!(200), &json!("{\"work\":1}")), "{posted}");
    running.end().await;
    [got, posted]
}
