//! Payments that are not what was asked for. Each is refused with its code, nothing is forwarded, nothing charged.

use serde_json::{Value, json};
use tests::payer::{hex, seconds};
use tests::{Payer, Payment, Request, World};

/// The order of secp256k1: s and n - s sign the same.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// 2^256, one more than fits.
const TOO_LARGE: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639936";

const BEFORE: &str = "invalid_exact_evm_payload_authorization_valid_before";
const VALUE: &str = "invalid_exact_evm_authorization_value";
const REQUIREMENTS: &str = "invalid_payment_requirements";

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_payment_of_other_terms_is_refused_with_its_code() {
    let world = World::paid().await;
    let me = &world.agent.payer;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let signed = |pointer: &str, value: Value| payment.clone().signed_with(me, pointer, value);
    let authorized =
        |name: &str, value: &str| signed(&format!("/payload/authorization/{name}"), Value::from(value));
    let elsewhere = Payer::random().address().to_checksum(None);
    let cases = [
        ("overpaid", authorized("value", "1001"), 402, VALUE),
        ("underpaid", authorized("value", "999"), 402, VALUE),
        ("in other decimals", authorized("value", "1000000000000000"), 402, VALUE),
        ("nothing", authorized("value", "0"), 402, VALUE),
        ("another amount accepted", signed("/accepted/amount", json!("1")), 402, REQUIREMENTS),
        ("another asset", signed("/accepted/asset", json!(elsewhere)), 402, REQUIREMENTS),
        ("another chain", signed("/accepted/network", json!("eip155:8453")), 402, "invalid_network"),
        (
            "another scheme",
            payment.clone().with("/accepted/scheme", json!("upto")),
            402,
            "unsupported_scheme",
        ),
        ("another recipient", authorized("to", &elsewhere), 402, "invalid_exact_evm_recipient_mismatch"),
        (
            "recipient accepted",
            signed("/accepted/payTo", json!(elsewhere)),
            402,
            "invalid_exact_evm_recipient_mismatch",
        ),
        ("another timeout", signed("/accepted/maxTimeoutSeconds", json!(600)), 402, REQUIREMENTS),
        ("another domain", signed("/accepted/extra/name", json!("USD Coin")), 402, REQUIREMENTS),
        ("another quote", signed("/accepted/extra/quote", json!("1.forged")), 402, "invalid_quote"),
        ("expired", authorized("validBefore", &(seconds() - 1).to_string()), 402, BEFORE),
        ("valid for an hour", authorized("validBefore", &(seconds() + 3_600).to_string()), 402, BEFORE),
        ("valid for ever", authorized("validBefore", &"9".repeat(30)), 402, BEFORE),
        (
            "not valid yet",
            authorized("validAfter", &(seconds() + 30).to_string()),
            402,
            "invalid_exact_evm_payload_authorization_valid_after",
        ),
        ("negative", unsigned(&payment, "value", "-1000"), 400, "invalid_payload"),
        ("leading zeros", unsigned(&payment, "value", "01000"), 400, "invalid_payload"),
        ("hexadecimal", unsigned(&payment, "value", "0x3e8"), 400, "invalid_payload"),
        ("2^256", unsigned(&payment, "value", TOO_LARGE), 400, "invalid_payload"),
        (
            "a number",
            payment.clone().with("/payload/authorization/value", json!(1000)),
            400,
            "invalid_payload",
        ),
    ];
    for (name, payment, status, code) in cases {
        expect_refused(&world, name, &payment, status, code).await;
    }
    finish_untouched(world, &payment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_a_signature_in_another_form_or_by_another_key_is_refused() {
    const SIGNATURE: &str = "invalid_exact_evm_signature";
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let bytes = payment.signature();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        payment.clone().with_signature(&bytes)
    };
    let negated_and_flipped = changed(&|bytes| {
        negate_s(bytes);
        bytes[64] = 55 - bytes[64];
    });
    let other_v = changed(&|bytes| bytes[64] = if bytes[64] == 27 { 28 } else { 27 });
    let mut by_another = payment.clone();
    Payer::random().sign(&mut by_another);
    let named = payment
        .clone()
        .with("/payload/authorization/from", json!(Payer::random().address().to_checksum(None)));
    let cases = [
        ("high s", changed(&|bytes| negate_s(bytes)), 400, "invalid_payload"),
        ("high s, other v", negated_and_flipped, 400, "invalid_payload"),
        ("other v", other_v, 402, SIGNATURE),
        ("v = 29", changed(&|bytes| bytes[64] = 29), 400, "invalid_payload"),
        ("64 bytes", changed(&|bytes| bytes.truncate(64)), 400, "invalid_payload"),
        ("66 bytes", changed(&|bytes| bytes.push(0)), 400, "invalid_payload"),
        ("wrapped (ERC-6492)", changed(&|bytes| bytes.extend([0x64; 32])), 400, "invalid_payload"),
        ("zero", changed(&|bytes| bytes[..64].fill(0)), 402, SIGNATURE),
        ("by another key", by_another, 402, SIGNATURE),
        ("for another payer", named, 402, SIGNATURE),
        ("empty", payment.clone().with_signature(&[]), 400, "invalid_payload"),
    ];
    for (name, payment, status, code) in cases {
        expect_refused(&world, name, &payment, status, code).await;
    }
    finish_untouched(world, &payment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_forms_that_mean_the_same_are_one_payment() {
    let world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut low_v = payment.signature();
    low_v[64] -= 27;
    let same = [
        payment.clone().with_signature(&low_v),
        payment.clone().with(
            "/payload/signature",
            json!(hex(&payment.signature()).to_uppercase().replacen("0X", "0x", 1)),
        ),
        lower_case(&payment, "/payload/authorization/from"),
        lower_case(&payment, "/payload/authorization/to"),
        lower_case(&payment, "/accepted/asset"),
        payment.clone().with("/resource", Value::Null),
    ];
    let [first, others @ ..] = same;
    world.gateway.call(&Request::get("/paid").paying(first.header())).await.expect_status(200);
    for other in others.iter().chain([&payment]) {
        let response = world.again(&Request::get("/paid").paying(other.header())).await;
        response.expect_refusal(409, "already_delivered");
    }
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

async fn expect_refused(world: &World, name: &str, payment: &Payment, status: u16, code: &str) {
    let response = world.gateway.call(&Request::get("/paid").paying(payment.header())).await;
    assert_eq!(response.status, status, "{name}: {}", response.text());
    assert_eq!(response.code(), code, "{name}: {}", response.text());
    if status == 402 {
        assert_eq!(response.challenge()["error"], code, "{name}");
    }
}

/// Nothing reached the upstream, nothing was charged, and the honest payment still works.
async fn finish_untouched(world: World, payment: &Payment) {
    assert!(world.upstream.seen().is_empty(), "a refused payment was forwarded");
    world.expect_balance(1_000_000).await;
    world.gateway.call(&Request::get("/paid").paying(payment.header())).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

fn unsigned(payment: &Payment, name: &str, value: &str) -> Payment {
    payment.clone().with(&format!("/payload/authorization/{name}"), Value::from(value))
}

fn lower_case(payment: &Payment, pointer: &str) -> Payment {
    let text = payment.payload.pointer(pointer).and_then(Value::as_str).unwrap().to_lowercase();
    payment.clone().with(pointer, Value::from(text))
}

/// s becomes n - s.
fn negate_s(signature: &mut [u8]) {
    let order = tests::payer::unhex(ORDER);
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let difference = i16::from(order[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
}
