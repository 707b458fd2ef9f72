use domain::{Address, Asset};
use protocol::eip712::Domain;
use protocol::offer::MAX_TIMEOUT_SECONDS;
use protocol::payload::PaymentPayload;
use protocol::verify::{Expected, Method, Quote, verify};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;

const TOKEN: &str = "0x00000000000000000000000000000000000000aa";

fn offer(network: &str, amount: &str, extra: Value) -> Value {
    json!({
        "scheme": "exact", "network": network, "amount": amount, "asset": TOKEN,
        "payTo": "0x00000000000000000000000000000000000000bb", "maxTimeoutSeconds": 60, "extra": extra,
    })
}

fn named() -> Value {
    json!({ "name": "Any Dollar", "version": "2" })
}

fn choose(accepts: &[Value], max: &str) -> Result<Purchase, Declined> {
    choose_on(None, accepts, max)
}

fn choose_on(network: Option<&str>, accepts: &[Value], max: &str) -> Result<Purchase, Declined> {
    let challenge = json!({ "x402Version": 2, "accepts": accepts });
    let value = protocol::header::encode(challenge.to_string().as_bytes());
    let name = HeaderName::from_static(PAYMENT_REQUIRED);
    let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(&value).unwrap())]);
    Purchase::choose(&headers, Amount::parse_dollars(max).unwrap(), network)
}

#[test]
fn the_first_offer_that_can_be_signed_and_afforded_is_taken() {
    let accepts = [
        offer("solana:mainnet", "1", named()),
        offer("eip155:1", "1", json!({ "name": "Any", "version": "1", "assetTransferMethod": "card" })),
        offer("eip155:1", "1", json!({})),
        offer("eip155:8453", "200000", named()),
        offer("eip155:402402", "100000", named()),
    ];
    let purchase = choose(&accepts, "$0.10").unwrap();
    assert_eq!(purchase.index, 4);
    assert_eq!(choose(&accepts, "$0.20").unwrap().index, 3);
    assert_eq!(choose_on(Some("eip155:402402"), &accepts, "$0.20").unwrap().index, 4);
    let missing = choose_on(Some("eip155:10"), &accepts, "$0.20").unwrap_err();
    assert!(
        missing.to_string().contains("no offer on eip155:10: its offers are on solana:mainnet, eip155:1, ")
    );
}

#[test]
fn an_offer_by_permit2_is_signed_as_the_others_are() {
    let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
    let mut metered = offer("eip155:8453", "2500", json!({ "facilitatorAddress": TOKEN }));
    metered["scheme"] = json!("upto");
    let permit = offer("eip155:8453", "2500", json!({ "assetTransferMethod": "permit2" }));
    for offered in [metered, permit] {
        let accepts = [offered, offer("eip155:402402", "2500", named())];
        let purchase = choose(&accepts, "$1").unwrap();
        assert_eq!(purchase.index, 0);
        let payment = purchase.sign(&key).unwrap();
        let decoded = protocol::header::decode(payment.header.as_bytes()).unwrap();
        let sent: Value = serde_json::from_slice(&decoded).unwrap();
        let from = &sent["payload"]["permit2Authorization"]["from"];
        assert_eq!(from, &json!(key.address().to_checksum(None)));
    }
}

#[test]
fn nothing_above_the_maximum_is_signed() {
    let dear = choose(&[offer("eip155:1", "100001", named())], "$0.10").unwrap_err();
    assert_eq!(dear.to_string(), "the call costs $0.100001, above --max $0.10");
    let huge = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let dear = choose(&[offer("eip155:1", huge, named())], "$0.10").unwrap_err();
    assert_eq!(dear.code(), "price_above_max");
    assert_eq!(choose(&[], "$1").unwrap_err().code(), "no_offer");
    assert_eq!(Purchase::choose(&HeaderMap::new(), Amount::ZERO, None).unwrap_err().code(), "no_challenge");
}

#[test]
fn what_is_signed_is_what_was_offered_under_a_nonce_of_its_own() {
    let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
    let (token, pay_to) = (Address::with_last_byte(0xaa), Address::with_last_byte(0xbb));
    let asset = Asset {
        network: "eip155:402402".into(),
        chain_id: 402_402,
        address: token,
        name: "Any Dollar".into(),
        version: "2".into(),
    };
    let domain = Domain::new(&asset);
    let quotes = [Quote { price: Amount::parse_dollars("$0.0025").unwrap(), revision: 1, quote: "" }];
    let expected = Expected {
        asset: &asset,
        method: Method::Authorization(&domain),
        pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        margin_seconds: 0,
        quotes: &quotes,
        at: SystemClock.now(),
    };

    let sign = || choose(&[offer("eip155:402402", "2500", named())], "$1").unwrap().sign(&key).unwrap();
    let (first, second) = (sign(), sign());
    let payload = PaymentPayload::parse(first.header.as_bytes()).unwrap();
    let verified = verify(&payload, &expected).unwrap();
    assert_eq!(verified.payer(), key.address());
    assert_eq!(verified.digest(), first.digest);
    assert_ne!(first.digest, second.digest, "two payments with one nonce");
}
