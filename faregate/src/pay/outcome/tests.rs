use super::*;

fn judged(status: u16, body: &Value) -> Settled {
    judge(StatusCode::from_u16(status).unwrap(), None, body.to_string().as_bytes())
}

#[test]
fn a_refusal_with_a_code_charged_nothing() {
    for (status, code) in [(402, "insufficient_funds"), (403, "spending_limit_exceeded"), (503, "overloaded")]
    {
        let settled = judged(status, &json!({ "error": code, "message": "m" }));
        assert_eq!(settled, Settled::No { code: code.to_owned(), message: "m".to_owned() });
    }
    let named = judge(StatusCode::PAYMENT_REQUIRED, Some("invalid_quote".to_owned()), b"");
    assert!(matches!(named, Settled::No { code, .. } if code == "invalid_quote"));
}

#[test]
fn what_may_have_been_charged_is_never_called_uncharged() {
    let unknown = [
        judged(409, &json!({ "error": "already_delivered", "payment": "pay_1" })),
        judged(503, &json!({ "error": "outcome_unknown", "payment": "pay_1" })),
    ];
    for settled in unknown {
        assert!(
            matches!(&settled, Settled::Unknown { payment: Some(id), .. } if id == "pay_1"),
            "{settled:?}"
        );
    }
    // A proxy in between, and an answer without a receipt.
    assert!(matches!(judged(502, &Value::Null), Settled::Unknown { .. }));
    assert!(matches!(judged(200, &json!({ "data": 1 })), Settled::Unknown { .. }));
}
