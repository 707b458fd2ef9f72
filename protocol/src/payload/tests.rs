use serde_json::json;

use super::*;
use crate::captures::{self, PAYER, PAYMENT, PAYMENT_PERMIT, PAYMENT_REORDERED, PAYMENT_V1};
use crate::header::{PAYMENT_HEADER_BYTES_MAX, encode};

fn parse(json: &str) -> Result<PaymentPayload, Malformed> {
    PaymentPayload::parse(encode(json.as_bytes()).as_bytes())
}

fn accepted(payment: &PaymentPayload) -> &Accepted {
    match &payment.terms {
        Terms::Offer(accepted) => accepted,
        Terms::Named { .. } => panic!("{payment:?}"),
    }
}

fn captured() -> Value {
    serde_json::from_str(PAYMENT).unwrap()
}

/// What is said of the captured payment with one more change.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut payment = captured();
    change(&mut payment);
    parse(&payment.to_string()).unwrap_err().to_string()
}

#[test]
fn the_captured_payment_is_read_field_by_field() {
    let payment = parse(PAYMENT).unwrap();
    let Transfer::Authorization(authorization) = payment.transfer else { panic!("{payment:?}") };
    assert_eq!(authorization.from, captures::address(PAYER));
    assert_eq!(authorization.to, captures::address("0x90F79bf6EB2c4f870365E785982E1f101E93b906"));
    assert_eq!(authorization.value, U256::from(1000));
    assert_eq!(authorization.valid_after, U256::ZERO);
    assert_eq!(authorization.valid_before, U256::from(1_795_349_761_u64));
    assert_eq!(accepted(&payment).max_timeout_seconds, 300);
    assert_eq!(payment.payment_identifier(), None);
}

#[test]
fn order_case_nulls_and_escapes_do_not_matter() {
    let first = parse(PAYMENT).unwrap();
    let escaped = PAYMENT.replace("\"1000\"", "\"\\u0031000\"").replace("\"exact\"", "\"e\\u0078act\"");
    for text in [PAYMENT_REORDERED, &escaped] {
        let second = parse(text).unwrap();
        assert_eq!(first.transfer, second.transfer);
        assert_eq!(accepted(&first).scheme, accepted(&second).scheme);
        assert_eq!(accepted(&first).extra, accepted(&second).extra);
    }
}

#[test]
fn what_was_verified_is_read_again_whatever_stands_beside_it() {
    let payment = parse(PAYMENT).unwrap();
    let mut kept = captured();
    for beside in ["accepted", "x402Version", "extensions"] {
        kept[beside] = json!([7]);
    }
    let (transfer, seal) = signed(&kept.to_string()).unwrap();
    assert_eq!((transfer, seal.bytes()), (payment.transfer, payment.seal.bytes()));
    let twice = PAYMENT.replacen("{\"name\"", "{\"name\":\"x\",\"name\"", 1);
    assert!(parse(&twice).is_err() && signed(&twice).is_ok());
}

#[test]
fn unknown_fields_are_ignored_wherever_they_stand() {
    let mut payment = captured();
    for place in ["", "/accepted", "/accepted/extra", "/payload", "/payload/authorization", "/resource"] {
        payment.pointer_mut(place).unwrap()["unknown"] = json!({"a": [1, null, {"b": "c"}]});
    }
    payment["extensions"] = json!({"bazaar": {"info": 7, "schema": []}});
    assert!(parse(&payment.to_string()).is_ok());
    // Nor is what nobody reads too deep.
    let deep = "[".repeat(4000) + &"]".repeat(4000);
    assert!(parse(&PAYMENT.replacen("{\"name\"", &format!("{{\"deep\":{deep},\"name\""), 1)).is_ok());
}

#[test]
fn what_is_missing_or_null_is_named() {
    for name in ["x402Version", "accepted", "payload"] {
        for gone in [false, true] {
            let text = refused(|payment| match gone {
                true => drop(payment.as_object_mut().unwrap().remove(name)),
                false => payment[name] = Value::Null,
            });
            assert!(text.contains(name), "{text}");
        }
    }
    for name in ["from", "to", "value", "validAfter", "validBefore", "nonce"] {
        let text = refused(|payment| payment["payload"]["authorization"][name] = Value::Null);
        assert!(text.contains(name), "{text}");
    }
    for name in ["scheme", "network", "amount", "asset", "payTo", "maxTimeoutSeconds"] {
        let text = refused(|payment| drop(payment["accepted"].as_object_mut().unwrap().remove(name)));
        assert!(text.contains(name), "{text}");
    }
    assert!(refused(|payment| payment["payload"]["signature"] = Value::Null).contains("signature"));
}

#[test]
fn a6_numbers_in_another_form_are_malformed() {
    for value in ["", "-1000", "+1000", "01000", "1e3", "1000.0", "0x3e8", "1_000", " 1000"] {
        let text = refused(|payment| payment["payload"]["authorization"]["value"] = json!(value));
        assert!(text.contains("authorization.value"), "{text}");
    }
    refused(|payment| payment["payload"]["authorization"]["value"] = json!(1000));
    refused(|payment| payment["payload"]["authorization"]["nonce"] = json!("0x05"));
}

#[test]
fn a_payment_of_v1_names_its_network_and_is_of_v1() {
    let payment = parse(PAYMENT_V1).unwrap();
    assert!(matches!(payment.terms, Terms::Named { .. }), "{payment:?}");
    assert_eq!((payment.scheme(), payment.network()), ("exact", "eip155:84532"));
    assert_eq!((payment.version(), payment.quote()), (1, None));
    let unknown = parse(&PAYMENT_V1.replace("base-sepolia", "elsewhere")).unwrap();
    assert!(matches!(unknown.terms, Terms::Named { network, .. } if network == "elsewhere"));
    for name in ["scheme", "network"] {
        let error = parse(&PAYMENT_V1.replace(&format!("\"{name}\""), "\"other\"")).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(refused(|payment| payment["x402Version"] = json!(3)).contains("version 3"));
}

#[test]
fn a_payment_of_v1_may_be_in_any_token_of_its_network_and_one_of_v2_in_its_own() {
    let (ours, v1, v2) = (crate::captures::usdc(), parse(PAYMENT_V1).unwrap(), parse(PAYMENT).unwrap());
    let other = domain::Asset { address: Address::repeat_byte(1), ..ours.clone() };
    assert!(v1.may_be_in(&ours) && v1.may_be_in(&other) && v2.may_be_in(&ours) && !v2.may_be_in(&other));
    let elsewhere = domain::Asset { network: "eip155:1".into(), ..ours };
    assert!(!v1.may_be_in(&elsewhere) && !v2.may_be_in(&elsewhere));
}

#[test]
fn a_permit_is_read_field_by_field_and_what_is_missing_is_named() {
    let payment = parse(PAYMENT_PERMIT).unwrap();
    let Transfer::Permit(permit) = payment.transfer else { panic!("{payment:?}") };
    assert_eq!((permit.amount, permit.witness.facilitator), (U256::from(1000), None));
    assert_eq!(payment.transfer.valid_before(), U256::from(1_795_947_326_u64));
    let change = |pointer: &str, value: Value| {
        let mut payment: Value = serde_json::from_str(PAYMENT_PERMIT).unwrap();
        *payment.pointer_mut(&format!("/payload/permit2Authorization{pointer}")).unwrap() = value;
        parse(&payment.to_string())
    };
    for pointer in [
        "/from",
        "/permitted",
        "/permitted/token",
        "/permitted/amount",
        "/spender",
        "/nonce",
        "/deadline",
        "/witness",
        "/witness/to",
        "/witness/validAfter",
    ] {
        let error = change(pointer, Value::Null).unwrap_err().to_string();
        assert!(error.contains(&pointer.replace('/', ".")[1..]), "{pointer}: {error}");
    }
    let error = change("/witness", json!({"to": PAYER, "validAfter": "0", "facilitator": "me"})).unwrap_err();
    assert!(error.to_string().contains("facilitator"), "{error}");
    // Neither of the two, and both of them.
    assert!(refused(|payment| payment["payload"]["authorization"] = Value::Null).contains("authorization"));
    let mut both: Value = serde_json::from_str(PAYMENT_PERMIT).unwrap();
    both["payload"]["authorization"] = captured()["payload"]["authorization"].clone();
    assert!(parse(&both.to_string()).is_err());
}

#[test]
fn the_identifier_is_read_and_its_shape_is_checked() {
    let with = |extension: Value| {
        let mut payment = captured();
        payment["extensions"] = json!({ "payment-identifier": extension });
        parse(&payment.to_string())
    };
    let named = |id: &str| with(json!({"info": {"required": false, "id": id}, "schema": {}}));
    for id in ["pay_7d5d747be160-280", &"Z".repeat(16), &"_".repeat(128)] {
        assert_eq!(named(id).unwrap().payment_identifier(), Some(id));
    }
    for id in ["", &"a".repeat(15), &"a".repeat(129), "sixteen letters!", "ééééééééé", "abcdefgh\nijklmnop"]
    {
        assert!(matches!(named(id), Err(Malformed::Identifier)), "{id}");
    }
    assert!(matches!(with(json!({"info": {"id": 7}})), Err(Malformed::Identifier)));
    assert!(matches!(with(json!({"info": []})), Err(Malformed::Json(_))));
    assert!(matches!(with(json!(true)), Err(Malformed::Json(_))));
    for none in [Value::Null, json!({}), json!({"info": null}), json!({"info": {"required": false}})] {
        assert_eq!(with(none).unwrap().payment_identifier(), None);
    }
    assert_eq!(with(json!({"info": {"id": null}})).unwrap().payment_identifier(), None);
}

#[test]
fn s4_what_is_no_payment_is_an_error_and_a_short_one() {
    let deep = |open: &str, close: &str| open.repeat(4000) + "1" + &close.repeat(4000);
    let texts = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        "{".to_owned(),
        "[".repeat(12_000),
        deep("[", "]"),
        PAYMENT.replacen("\"name\":\"USDC\"", &format!("\"name\":{}", deep("[", "]")), 1),
        PAYMENT.replacen("\"accepted\":", "\"accepted\":7,\"accepted\":", 1),
        format!("{{\"x402Version\":\"{}\"}}", "é".repeat(4000)),
        format!("{PAYMENT}x"),
    ];
    for text in &texts {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.len() < 400, "{error}");
    }
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75, 76, 4, 0];
    for bytes in [&gzip[..], &[0xff, 0xfe], &[0; 1000]] {
        assert!(matches!(PaymentPayload::parse(encode(bytes).as_bytes()), Err(Malformed::Json(_))));
    }
    let long = vec![b'A'; PAYMENT_HEADER_BYTES_MAX + 4];
    assert!(matches!(PaymentPayload::parse(&long), Err(Malformed::Header(HeaderError::TooLong))));
}

#[test]
fn s4_depth_in_what_is_ignored_costs_no_stack() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let payment = PAYMENT.replacen("{\"x402Version\"", &format!("{{\"unknown\":{deep},\"x402Version\""), 1);
    assert!(parse(&payment).is_ok());
}
