use std::str::FromStr;

use serde_json::json;

use super::*;
use crate::challenge::PaymentRequired;
use crate::header;
use crate::sign::sign_offer;
use crate::signature::SigningKey;

const NOW: UnixMillis = UnixMillis(1_795_349_701_000);

fn usdc() -> Asset {
    Asset {
        network: "eip155:84532".into(),
        chain_id: 84_532,
        address: Address::from_str("0x036CbD53842c5426634e7929541eC2318f3dCF7e").unwrap(),
        name: "USDC".into(),
        version: "2".into(),
    }
}

fn units(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

/// A payment for the current one of two quotes, changed by `change` before it is encoded.
fn judged(at: UnixMillis, change: impl FnOnce(&mut Value)) -> Result<VerifiedPayment, Rejection> {
    let asset = usdc();
    let pay_to = Address::repeat_byte(9);
    let key = SigningKey::from_hex(&"42".repeat(32)).unwrap();
    let offer = Offer::wallet(&asset, pay_to, units(1000), Some("2.current"));
    let challenge = PaymentRequired {
        x402_version: 2,
        error: None,
        resource: None,
        accepts: vec![offer],
        extensions: None,
    };
    let signed = sign_offer(&key, &challenge, 0, B256::repeat_byte(5), NOW).unwrap();
    let mut payment: Value = serde_json::from_slice(&header::decode(signed.as_bytes()).unwrap()).unwrap();
    change(&mut payment);
    let payment = PaymentPayload::parse(header::encode(payment.to_string().as_bytes()).as_bytes()).unwrap();
    let quotes = [
        Quote { price: units(1000), revision: 2, quote: "2.current" },
        Quote { price: units(900), revision: 1, quote: "1.before" },
    ];
    let domain = Domain::new(&asset);
    verify(&payment, &Expected { asset: &asset, domain: &domain, pay_to, quotes: &quotes, at })
}

fn code(change: impl FnOnce(&mut Value)) -> &'static str {
    judged(NOW, change).map_or_else(|rejection| rejection.code(), |_| "verified")
}

#[test]
fn a_signature_of_the_stock_typescript_client_is_recovered() {
    // Captured from @x402/fetch 2.27 (shared/notes/clients.md).
    let payment = json!({"x402Version":2,"payload":{"authorization":{"from":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","to":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","value":"1000","validAfter":"0","validBefore":"1795349761","nonce":"0x5ef03eab4354bb4680c137ab8a55124e96e1a140ad7a1bf085de4e0c9e2a2c50"},"signature":"0x087b29b23a9757912840f93bfaba2bb4a6d3cd46cea6acc9c0f074a5a6e518b81809bd4ba3111858dc2dc6ea6b9b3a1db5a436e407ac04ca2209745bc1a317091b"},"resource":{"url":"http://127.0.0.1:4051/paid","description":"paid POST","mimeType":"application/json"},"accepted":{"scheme":"exact","network":"eip155:84532","amount":"1000","asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","payTo":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","maxTimeoutSeconds":300,"extra":{"name":"USDC","version":"2"}}});
    let payment = PaymentPayload::parse(header::encode(payment.to_string().as_bytes()).as_bytes()).unwrap();
    let digest = Domain::new(&usdc()).digest(&payment.authorization);
    assert_eq!(payment.signature.recover(digest).unwrap(), payment.authorization.from);
}

#[test]
fn a_payment_of_the_offer_is_verified() {
    let verified = judged(NOW, |_| {}).unwrap();
    assert_eq!((verified.amount(), verified.revision()), (units(1000), 2));
    assert_eq!(verified.replay_key().valid_before(), 1_795_349_761);
}

#[test]
fn absent_and_null_quotes_are_judged_by_amount() {
    assert_eq!(code(|payment| payment["accepted"]["extra"]["quote"] = Value::Null), "verified");
    let quote = |payment: &mut Value| {
        payment["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
    };
    assert_eq!(code(quote), "verified");
    assert_eq!(code(|payment| payment["accepted"]["extra"]["quote"] = json!("2.forged")), "invalid_quote");
    assert_eq!(code(|payment| payment["accepted"]["extra"]["quote"] = json!(7)), "invalid_quote");
}

#[test]
fn extra_may_hold_more_but_not_less() {
    assert_eq!(code(|payment| payment["accepted"]["extra"]["more"] = json!({"a": 1})), "verified");
    assert_eq!(
        code(|payment| payment["accepted"]["extra"]["name"] = json!("USD")),
        "invalid_payment_requirements"
    );
    assert_eq!(code(|payment| payment["accepted"]["extra"] = Value::Null), "invalid_payment_requirements");
}

#[test]
fn a6_other_terms_than_ours_are_refused_with_their_code() {
    let accepted = |field: &'static str, value: &'static str| {
        move |payment: &mut Value| payment["accepted"][field] = json!(value)
    };
    assert_eq!(code(accepted("scheme", "upto")), "unsupported_scheme");
    assert_eq!(code(accepted("network", "eip155:8453")), "invalid_network");
    assert_eq!(
        code(accepted("asset", "0x0000000000000000000000000000000000000001")),
        "invalid_payment_requirements"
    );
    assert_eq!(
        code(accepted("payTo", "0x0000000000000000000000000000000000000001")),
        "invalid_exact_evm_recipient_mismatch"
    );
    for amount in ["900", "999", "1001", "01000", "-1000", "1e3", "1000.0", ""] {
        assert_eq!(code(accepted("amount", amount)), "invalid_payment_requirements", "{amount}");
    }
    let authorized = |field: &'static str, value: &'static str| {
        move |payment: &mut Value| payment["payload"]["authorization"][field] = json!(value)
    };
    assert_eq!(
        code(authorized("to", "0x0000000000000000000000000000000000000001")),
        "invalid_exact_evm_recipient_mismatch"
    );
    for value in
        ["0", "999", "1001", "115792089237316195423570985008687907853269984665640564039457584007913129639935"]
    {
        assert_eq!(code(authorized("value", value)), "invalid_exact_evm_authorization_value", "{value}");
    }
    assert_eq!(
        code(authorized("from", "0x0000000000000000000000000000000000000001")),
        "invalid_exact_evm_signature"
    );
    assert_eq!(code(authorized("validAfter", "1")), "invalid_exact_evm_signature");
    assert_eq!(
        code(authorized("validAfter", "1795349702")),
        "invalid_exact_evm_payload_authorization_valid_after"
    );
    assert_eq!(
        code(authorized("validBefore", "1795349792")),
        "invalid_exact_evm_payload_authorization_valid_before"
    );
}

#[test]
fn the_window_is_the_one_that_was_offered() {
    let last = judged(NOW.plus(59_999), |_| {});
    assert!(last.is_ok());
    assert!(matches!(judged(NOW.plus(60_000), |_| {}), Err(Rejection::Expired { .. })));
    // A client whose clock is ahead by no more than the skew.
    assert!(judged(NOW.plus(-30_000), |_| {}).is_ok());
    assert_eq!(judged(NOW.plus(-31_000), |_| {}).unwrap_err(), Rejection::ValidTooLong);
}

#[test]
fn an_expired_payment_with_a_wrong_signature_is_not_looked_up() {
    let forged = judged(NOW.plus(60_000), |payment| {
        payment["payload"]["authorization"]["nonce"] = json!(B256::repeat_byte(6).to_string());
    });
    assert_eq!(forged.unwrap_err(), Rejection::Signature);
}

#[test]
fn addresses_are_compared_without_regard_to_case() {
    let lower = |value: &mut Value| *value = json!(value.as_str().unwrap().to_lowercase());
    assert_eq!(
        code(|payment| {
            lower(&mut payment["accepted"]["asset"]);
            lower(&mut payment["accepted"]["payTo"]);
            lower(&mut payment["payload"]["authorization"]["from"]);
            lower(&mut payment["payload"]["authorization"]["to"]);
        }),
        "verified"
    );
}
