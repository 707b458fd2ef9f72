use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::authorization::Authorization;
use crate::captures::{self, PAYMENT, usdc};
use crate::challenge::PaymentRequired;
use crate::header;
use crate::offer::{MAX_TIMEOUT_SECONDS, Offer};
use crate::sign::sign_offer;
use crate::signature::SigningKey;

mod on_chain;

const NOW: UnixMillis = UnixMillis(1_795_349_701_000);

fn units(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

/// Signs the authorization as it stands.
fn sign(payment: &mut Value) {
    let parsed = PaymentPayload::parse(header::encode(payment.to_string().as_bytes()).as_bytes()).unwrap();
    let digest = Domain::new(&usdc()).digest(&authorization(&parsed));
    payment["payload"]["signature"] = json!(alloy_primitives::hex::encode_prefixed(key().sign(digest)));
}

fn authorization(payment: &PaymentPayload) -> Authorization {
    match payment.transfer {
        Transfer::Authorization(authorization) => authorization,
        Transfer::Permit(permit) => panic!("{permit:?}"),
    }
}

fn key() -> SigningKey {
    SigningKey::from_hex(&"42".repeat(32)).unwrap()
}

/// A payment for the current one of two quotes, changed by `change` before it is encoded.
fn judged(at: UnixMillis, change: impl FnOnce(&mut Value)) -> Result<VerifiedPayment, Rejection> {
    let asset = usdc();
    let pay_to = Address::repeat_byte(9);
    let offer = Offer::wallet(&asset, pay_to, units(1000), Some("2.current"));
    let challenge = PaymentRequired {
        x402_version: 2,
        error: None,
        resource: None,
        accepts: vec![offer],
        extensions: None,
    };
    let signed = sign_offer(&key(), &challenge, 0, B256::repeat_byte(5), NOW).unwrap();
    let mut payment: Value = serde_json::from_slice(&header::decode(signed.as_bytes()).unwrap()).unwrap();
    change(&mut payment);
    let payment = PaymentPayload::parse(header::encode(payment.to_string().as_bytes()).as_bytes()).unwrap();
    let quotes = [
        Quote { price: units(1000), revision: 2, quote: "2.current" },
        Quote { price: units(900), revision: 1, quote: "1.before" },
    ];
    let domain = Domain::new(&asset);
    let expected = Expected {
        asset: &asset,
        method: Method::Authorization(&domain),
        pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        margin_seconds: 0,
        quotes: &quotes,
        at,
    };
    verify(&payment, &expected)
}

fn code(change: impl FnOnce(&mut Value)) -> &'static str {
    judged(NOW, change).map_or_else(|rejection| rejection.code(), |_| "verified")
}

#[test]
fn a_signature_of_the_stock_typescript_client_is_recovered() {
    let payment = PaymentPayload::parse(header::encode(PAYMENT.as_bytes()).as_bytes()).unwrap();
    let digest = Domain::new(&usdc()).digest(&authorization(&payment));
    assert_eq!(digest, captures::word(captures::PAYMENT_DIGEST));
    assert!(payment.seal.by(captures::address(captures::PAYER), digest).is_some());
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
fn an_earlier_price_is_paid_by_its_quote_or_by_its_amount() {
    for quote in [json!("1.before"), Value::Null] {
        let earlier = |payment: &mut Value| {
            payment["accepted"]["amount"] = json!("900");
            payment["accepted"]["extra"]["quote"] = quote;
            payment["payload"]["authorization"]["value"] = json!("900");
            sign(payment);
        };
        let verified = judged(NOW, earlier).unwrap();
        assert_eq!((verified.amount(), verified.revision()), (units(900), 1));
    }
    // The quote of one price with the amount of another.
    let mixed = judged(NOW, |payment| payment["accepted"]["extra"]["quote"] = json!("1.before")).unwrap_err();
    assert_eq!(mixed.code(), Rejection::Offer("amount").code());
    // It was signed to us all the same: it may have paid, and must not be asked for again without looking.
    assert_eq!(mixed.signed(), Some((judged(NOW, |_| {}).unwrap().replay_key(), key().address())));
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
    let longer = |payment: &mut Value| payment["accepted"]["maxTimeoutSeconds"] = json!(61);
    assert_eq!(code(longer), "invalid_payment_requirements");
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
    assert!(
        matches!(judged(NOW.plus(-31_000), |_| {}), Err(Rejection::Unpriced { reason, .. }) if *reason == too_long(60))
    );
}

#[test]
fn a_payment_signed_for_longer_than_is_offered_now_can_be_looked_up_where_its_signature_is_right() {
    let paid = judged(NOW, |_| {}).unwrap();
    let long = judged(NOW.plus(-31_000), |_| {}).unwrap_err();
    assert_eq!(long.signed(), Some((paid.replay_key(), paid.payer())));
    assert_eq!(long.code(), too_long(60).code());
    let forged = judged(NOW.plus(-31_000), |payment| {
        payment["payload"]["authorization"]["nonce"] = json!(B256::repeat_byte(6).to_string());
    });
    assert_eq!(forged.unwrap_err(), too_long(60));
}

fn too_long(offered: u64) -> Rejection {
    Rejection::ValidTooLong(offered)
}

#[test]
fn an_expired_payment_with_a_wrong_signature_is_not_looked_up() {
    let forged = judged(NOW.plus(60_000), |payment| {
        payment["payload"]["authorization"]["nonce"] = json!(B256::repeat_byte(6).to_string());
    });
    assert_eq!(forged.unwrap_err(), Rejection::Signature);
}

#[test]
fn an_expired_payment_is_looked_up_though_its_price_has_changed() {
    let expected = judged(NOW.plus(60_000), |_| {}).unwrap_err();
    assert!(matches!(expected, Rejection::Expired { payer, .. } if payer == key().address()));
    let stale: [fn(&mut Value); 2] = [
        |payment| payment["accepted"]["extra"]["quote"] = json!("0.ended"),
        |payment| payment["accepted"]["amount"] = json!("800"),
    ];
    for change in stale {
        assert_eq!(judged(NOW.plus(60_000), change).unwrap_err(), expected);
    }
    // Not for other recipients, networks or assets: it cannot have paid here.
    let elsewhere = judged(NOW.plus(60_000), |payment| payment["accepted"]["network"] = json!("eip155:1"));
    assert_eq!(elsewhere.unwrap_err(), Rejection::Network("eip155:1".to_owned()));
}

#[test]
fn one_nonce_is_one_payment_whatever_else_is_signed_with_it() {
    let first = judged(NOW, |_| {}).unwrap();
    let second = judged(NOW, |payment| {
        payment["payload"]["authorization"]["validBefore"] = json!("1795349760");
        sign(payment);
    });
    let second = second.unwrap();
    assert_ne!(first.replay_key(), second.replay_key());
    assert_eq!(first.replay_key().nonce_digest(), second.replay_key().nonce_digest());
    assert_ne!(first.digest(), second.digest());
}

#[test]
fn the_whole_of_the_largest_number_is_refused_not_wrapped() {
    for field in ["value", "validAfter", "validBefore"] {
        let rejection = judged(NOW, |payment| {
            payment["payload"]["authorization"][field] = json!(U256::MAX.to_string());
            sign(payment);
        });
        assert!(rejection.is_err(), "{field}");
    }
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

/// A field of the authorization, and another value for it.
fn any_change() -> impl Strategy<Value = (&'static str, String)> {
    let hexadecimal = |bytes: Vec<u8>| alloy_primitives::hex::encode_prefixed(bytes);
    let address = proptest::collection::vec(any::<u8>(), 20).prop_map(hexadecimal);
    let nonce = proptest::collection::vec(any::<u8>(), 32).prop_map(hexadecimal);
    let near = (0_u64..2_000).prop_map(|value| value.to_string());
    let time = (1_795_349_702_u64..1_795_349_820).prop_map(|time| time.to_string());
    let far = any::<[u8; 32]>().prop_map(|bytes| U256::from_be_bytes(bytes).to_string());
    prop_oneof![
        (Just("from"), address.clone()),
        (Just("to"), address),
        (Just("value"), near.clone()),
        (Just("value"), far.clone()),
        (Just("validAfter"), near),
        (Just("validAfter"), far.clone()),
        (Just("validBefore"), time),
        (Just("validBefore"), far),
        (Just("nonce"), nonce),
    ]
}

proptest! {
    #[test]
    fn a7_any_other_authorization_under_the_same_signature_is_refused((field, value) in any_change()) {
        let mut unchanged = false;
        let verdict = judged(NOW, |payment| {
            let place = &mut payment["payload"]["authorization"][field];
            unchanged = *place == json!(value);
            *place = json!(value);
        });
        prop_assert_eq!(verdict.is_ok(), unchanged);
    }
}
