//! Payments on a public network: what stock clients signed for Base Sepolia, in both versions and by both ways.

use serde_json::{Value, json};

use super::*;
use crate::captures::{PAYER, PAYMENT_PERMIT, PAYMENT_UPTO, PAYMENT_V1, address};

/// When the captured permits were signed: 300 seconds before their deadline.
const SIGNED: UnixMillis = UnixMillis(1_795_947_025_000);

/// Seconds that a settlement needs.
const MARGIN: u64 = 12;

fn parse(payment: &Value) -> PaymentPayload {
    PaymentPayload::parse(header::encode(payment.to_string().as_bytes()).as_bytes()).unwrap()
}

/// Judges a payment of 1000 units, or of 2000 at most, as an offer of 300 seconds asks for it.
fn judged(at: UnixMillis, payment: &Value, method: Method<'_>) -> Result<VerifiedPayment, Rejection> {
    let price = units(if matches!(method, Method::Upto(..)) { 2000 } else { 1000 });
    let quotes = [Quote { price, revision: 3, quote: "3.current" }];
    let expected = Expected {
        asset: &usdc(),
        method,
        pay_to: address("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
        max_timeout_seconds: 300,
        margin_seconds: MARGIN,
        quotes: &quotes,
        at,
    };
    verify(&parse(payment), &expected)
}

fn permit(at: UnixMillis, change: impl FnOnce(&mut Value)) -> Result<VerifiedPayment, Rejection> {
    let mut payment = serde_json::from_str(PAYMENT_PERMIT).unwrap();
    change(&mut payment);
    judged(at, &payment, Method::Permit(&PermitDomain::new(84_532)))
}

fn upto(change: impl FnOnce(&mut Value)) -> Result<VerifiedPayment, Rejection> {
    let mut payment = serde_json::from_str(PAYMENT_UPTO).unwrap();
    change(&mut payment);
    let facilitator = address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
    judged(SIGNED, &payment, Method::Upto(&PermitDomain::new(84_532), facilitator))
}

fn code(verdict: Result<VerifiedPayment, Rejection>) -> &'static str {
    verdict.map_or_else(|rejection| rejection.code(), |_| "verified")
}

#[test]
fn captured_payments_of_stock_clients_are_verified() {
    let domain = Domain::new(&usdc());
    let authorized = serde_json::from_str(PAYMENT).unwrap();
    let at = UnixMillis(1_795_349_461_000);
    let verified = judged(at, &authorized, Method::Authorization(&domain)).unwrap();
    assert_eq!((verified.payer(), verified.amount(), verified.revision()), (address(PAYER), units(1000), 3));
    let verified = permit(SIGNED, |_| {}).unwrap();
    assert_eq!((verified.payer(), verified.amount()), (address(PAYER), units(1000)));
    assert_eq!(verified.replay_key().valid_before(), 1_795_947_326);
    let verified = upto(|_| {}).unwrap();
    assert_eq!((verified.payer(), verified.amount()), (address(PAYER), units(2000)));
}

#[test]
fn a_permit_of_other_terms_is_refused_with_its_code() {
    let other = json!("0x0000000000000000000000000000000000000001");
    let signed = |pointer: &str, value: &Value| {
        let place = format!("/payload/permit2Authorization{pointer}");
        code(permit(SIGNED, |payment| *payment.pointer_mut(&place).unwrap() = value.clone()))
    };
    assert_eq!(signed("/permitted/token", &other), "permit2_token_mismatch");
    for amount in ["0", "999", "1001"] {
        assert_eq!(signed("/permitted/amount", &json!(amount)), "permit2_amount_mismatch", "{amount}");
    }
    assert_eq!(signed("/spender", &other), "invalid_permit2_spender");
    assert_eq!(signed("/witness/to", &other), "invalid_permit2_recipient_mismatch");
    assert_eq!(signed("/witness/validAfter", &json!("1795947026")), "permit2_not_yet_valid");
    assert_eq!(signed("/deadline", &json!("1795947355")), "permit2_deadline_expired");
    for (pointer, value) in [("/from", &other), ("/nonce", &json!("7")), ("/deadline", &json!("1795947324"))]
    {
        assert_eq!(signed(pointer, value), "invalid_permit2_signature", "{pointer}");
    }
    let accepted =
        |field: &str, value: Value| code(permit(SIGNED, |payment| payment["accepted"][field] = value));
    assert_eq!(accepted("network", json!("eip155:8453")), "invalid_network");
    assert_eq!(accepted("asset", other.clone()), "invalid_payment_requirements");
    assert_eq!(accepted("payTo", other), "invalid_permit2_recipient_mismatch");
    assert_eq!(accepted("extra", json!({"name": "USDC", "version": "2"})), "invalid_payment_requirements");
}

#[test]
fn a_permit_of_upto_is_for_one_facilitator_and_one_proxy() {
    let witness = |value: Value| {
        code(upto(|payment| payment["payload"]["permit2Authorization"]["witness"]["facilitator"] = value))
    };
    assert_eq!(witness(Value::Null), "upto_facilitator_mismatch");
    assert_eq!(witness(json!(PAYER)), "upto_facilitator_mismatch");
    let spender = json!("0x402085c248EeA27D92E8b30b2C58ed07f9E20001");
    let exact = upto(|payment| payment["payload"]["permit2Authorization"]["spender"] = spender);
    assert_eq!(code(exact), "invalid_permit2_spender");
    // A permit of `upto` is none of `exact`, whatever its client calls it.
    let renamed: Value = serde_json::from_str(&PAYMENT_UPTO.replace("\"upto\"", "\"exact\"")).unwrap();
    let verdict = judged(SIGNED, &renamed, Method::Permit(&PermitDomain::new(84_532)));
    assert_eq!(code(verdict), "invalid_permit2_spender");
}

#[test]
fn the_way_is_the_one_that_was_offered() {
    let domain = Domain::new(&usdc());
    let permit = serde_json::from_str(PAYMENT_PERMIT).unwrap();
    assert_eq!(code(judged(SIGNED, &permit, Method::Authorization(&domain))), "unsupported_payload_type");
    let authorized = serde_json::from_str(PAYMENT).unwrap();
    let permits = PermitDomain::new(84_532);
    assert_eq!(code(judged(NOW, &authorized, Method::Permit(&permits))), "unsupported_payload_type");
}

#[test]
fn a_payment_that_ends_before_it_could_be_settled_is_refused_and_can_be_looked_up() {
    let last = SIGNED.plus(300_000 - i64::try_from(MARGIN).unwrap() * 1000);
    let verified = permit(last, |_| {}).unwrap();
    let late = permit(last.plus(1000), |_| {}).unwrap_err();
    assert_eq!(late.code(), "permit2_deadline_expired");
    assert_eq!(late.signed(), Some((verified.replay_key(), verified.payer())));
    assert!(late.is_expired());
    let early = permit(SIGNED.plus(-31_000), |_| {}).unwrap_err();
    assert_eq!((early.code(), early.signed()), ("permit2_deadline_expired", late.signed()));
}

#[test]
fn a_nonce_of_permit2_is_one_payment_whatever_token_it_moves() {
    let key = permit(SIGNED, |_| {}).unwrap().replay_key();
    let Transfer::Permit(signed) = parse(&serde_json::from_str(PAYMENT_PERMIT).unwrap()).transfer else {
        panic!("no permit")
    };
    let elsewhere = domain::Asset { address: Address::repeat_byte(7), ..usdc() };
    let other = Transfer::Permit(crate::permit::Permit { token: elsewhere.address, ..signed });
    assert_eq!(other.replay_key(&elsewhere, key.valid_before()), key);
}

#[test]
fn a_payment_of_v1_is_judged_by_its_signature_and_its_network() {
    let domain = Domain::new(&usdc());
    let at = UnixMillis(1_795_349_229_000);
    let signed = |change: fn(&mut Value)| {
        let mut payment: Value = serde_json::from_str(PAYMENT_V1).unwrap();
        payment["payload"]["authorization"]["from"] = json!(key().address().to_string());
        let digest = domain.digest(&authorization(&parse(&payment)));
        payment["payload"]["signature"] = json!(alloy_primitives::hex::encode_prefixed(key().sign(digest)));
        change(&mut payment);
        judged(at, &payment, Method::Authorization(&domain))
    };
    let verified = signed(|_| {}).unwrap();
    assert_eq!((verified.payer(), verified.revision()), (key().address(), 3));
    assert_eq!(code(signed(|payment| payment["network"] = json!("base"))), "invalid_network");
    assert_eq!(code(signed(|payment| payment["network"] = json!("eip155:84532"))), "verified");
    assert_eq!(code(signed(|payment| payment["scheme"] = json!("upto"))), "unsupported_scheme");
    let less = |payment: &mut Value| payment["payload"]["authorization"]["value"] = json!("999");
    assert_eq!(code(signed(less)), "invalid_exact_evm_authorization_value");
}

/// Judges the captured payment of 1000 units with another signature, whose payer was found to have signed that.
fn sealed(seal: &str, price: i64, found: Option<B256>) -> Result<VerifiedPayment, Rejection> {
    let mut payment: Value = serde_json::from_str(PAYMENT).unwrap();
    payment["payload"]["signature"] = json!(seal);
    let domain = Domain::new(&usdc());
    let expected = Expected {
        asset: &usdc(),
        method: Method::Authorization(&domain),
        pay_to: address("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
        max_timeout_seconds: 300,
        margin_seconds: MARGIN,
        quotes: &[Quote { price: units(price), revision: 3, quote: "3.current" }],
        at: UnixMillis(1_795_349_461_000),
    };
    verify_on_chain(&parse(&payment), &expected, found)
}

#[test]
fn what_no_key_has_signed_is_its_payers_where_that_was_found_and_for_nothing_else() {
    let signed = serde_json::from_str::<Value>(PAYMENT).unwrap()["payload"]["signature"].clone();
    let digest = sealed(signed.as_str().unwrap(), 1000, None).unwrap().digest();
    let verified = sealed("0x1271", 1000, Some(digest)).unwrap();
    assert_eq!((verified.payer(), verified.digest()), (address(PAYER), digest));
    for found in [None, Some(B256::repeat_byte(1))] {
        let rejection = sealed("0x1271", 1000, found).unwrap_err();
        assert_eq!((rejection.unproven(), rejection.code()), (Some(digest), "invalid_exact_evm_signature"));
    }
    // One that pays no price of ours may have paid, once it is known to be its payer's.
    let rejection = sealed("0x1271", 900, None).unwrap_err();
    assert_eq!((rejection.unproven(), rejection.signed()), (Some(digest), None));
    assert!(sealed("0x1271", 900, Some(digest)).unwrap_err().signed().is_some());
    // Who has but keys is asked nothing.
    let mut permit: Value = serde_json::from_str(PAYMENT_PERMIT).unwrap();
    permit["payload"]["signature"] = json!("0x1271");
    let rejection = judged(SIGNED, &permit, Method::Permit(&PermitDomain::new(84_532))).unwrap_err();
    assert_eq!((rejection.unproven(), rejection.code()), (None, "invalid_permit2_signature"));
}
