//! The stock clients at their defaults, each against one 402 that speaks x402 v1 and v2: they pay in USDC on a public network, and the
//! official facilitator settles what they signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Address, Amount};
use protocol::offer::Offer;
use serde_json::{Value, json};
use tests::chain::{Network, usdc};
use tests::message::decoded;
use tests::{Request, Script, Upstream, Wire};

use crate::client::Client;

/// Which x402 a client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_at_its_defaults_pays_on_a_public_network() {
    pays_on_a_public_network(Client::fetch(), Version::Two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_at_its_defaults_pays_on_a_public_network() {
    pays_on_a_public_network(Client::httpx(), Version::Two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_of_v1_at_its_defaults_pays_on_a_public_network() {
    pays_on_a_public_network(Client::legacy(), Version::One).await;
}

#[cfg(feature = "all-clients")]
#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_axios_at_its_defaults_pays_on_a_public_network() {
    pays_on_a_public_network(Client::axios(), Version::Two).await;
}

#[cfg(feature = "all-clients")]
#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_axios_of_v1_at_its_defaults_pays_on_a_public_network() {
    pays_on_a_public_network(Client::legacy_axios(), Version::One).await;
}

#[cfg(feature = "all-clients")]
#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_requests_at_its_defaults_pays_on_a_public_network() {
    pays_on_a_public_network(Client::requests(), Version::Two).await;
}

async fn pays_on_a_public_network(client: Client, version: Version) {
    let network = Network::start().await;
    let payer = network.payers(1, 10_000).await.remove(0);
    let official = network.official().await;
    let (shop, recipient) = (Upstream::start().await, Address::repeat_byte(9));
    let url = format!("http://{}/paid", shop.address());
    let price = Amount::from_atomic(1_000).expect("an amount");
    let (offer, old) = offers(&Offer::wallet(&usdc(), recipient, price, None), &url);
    shop.on_each("/paid", [challenge(&offer, &old, &url), served()]);

    let calls = json!([{ "method": "POST", "url": url, "body": "{\"work\":1}" }]);
    let mut running = client.start_by_default(&payer, &calls);
    let told = running.next().await;
    running.end().await;
    assert_eq!((&told["status"], &told["body"]), (&json!(200), &json!("served")));
    assert_eq!(told["receipt"]["success"], true, "{told}");

    let paid = shop.call("/paid", 2).await;
    assert_eq!(paid.body, b"{\"work\":1}");
    let (header, number, wanted) = match version {
        Version::One => ("x-payment", 1, &old),
        Version::Two => ("payment-signature", 2, &offer),
    };
    let payment = decoded(paid.header(header).expect("a payment"));
    let asked = json!({ "x402Version": number, "paymentPayload": payment, "paymentRequirements": wanted });
    let settle = Request::post("/settle", &asked.to_string());
    let settled = Wire::connect(official.address()).await.call(&settle).await.json();
    assert_eq!(settled["success"], true, "{settled}");
    let received = network.received(recipient).await;
    assert_eq!((received[0].from, received[0].value), (payer.address(), 1_000));
}

/// The offer as v2 and as v1 write it.
fn offers(offer: &Offer, url: &str) -> (Value, Value) {
    let old = json!({
        "scheme": offer.scheme,
        "network": "base-sepolia",
        "maxAmountRequired": offer.amount,
        "resource": url,
        "description": "",
        "mimeType": "",
        "payTo": offer.pay_to,
        "maxTimeoutSeconds": offer.max_timeout_seconds,
        "asset": offer.asset,
        "extra": offer.extra,
    });
    (json!(offer), old)
}

fn challenge(offer: &Value, old: &Value, url: &str) -> Script {
    let new = json!({ "x402Version": 2, "resource": { "url": url }, "accepts": [offer] });
    let header = format!("PAYMENT-REQUIRED: {}", STANDARD.encode(new.to_string()));
    let body = json!({ "x402Version": 1, "error": "payment required", "accepts": [old] });
    Script::reply(402, &["content-type: application/json", &header], body.to_string())
}

fn served() -> Script {
    let receipt =
        json!({ "success": true, "transaction": "0x01", "network": "eip155:84532", "payer": "0x02" });
    let receipt = STANDARD.encode(receipt.to_string());
    let fields = [format!("PAYMENT-RESPONSE: {receipt}"), format!("X-PAYMENT-RESPONSE: {receipt}")];
    Script::reply(200, &["content-type: text/plain", &fields[0], &fields[1]], "served")
}
