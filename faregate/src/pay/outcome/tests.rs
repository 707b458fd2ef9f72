use super::*;

fn judged(status: u16, body: &Value) -> Charged {
    judge(StatusCode::from_u16(status).unwrap(), None, body.to_string().as_bytes())
}

#[test]
fn a_refusal_with_a_code_charged_nothing() {
    for (status, code) in [(402, "insufficient_funds"), (403, "spending_limit_exceeded"), (503, "overloaded")]
    {
        let settled = judged(status, &json!({ "error": code, "message": "m" }));
        assert_eq!(settled, Charged::No { code: code.to_owned(), message: "m".to_owned() });
    }
    let problem = json!({ "code": "insufficient_funds", "detail": "the payer has too little" });
    let of_a_deposit = judge(
        StatusCode::PAYMENT_REQUIRED,
        Some("insufficient_funds".to_owned()),
        problem.to_string().as_bytes(),
    );
    assert!(matches!(of_a_deposit, Charged::No { message, .. } if message == "the payer has too little"));
    let named = judge(StatusCode::PAYMENT_REQUIRED, Some("invalid_quote".to_owned()), b"");
    assert!(matches!(named, Charged::No { code, .. } if code == "invalid_quote"));
}

#[test]
fn what_may_have_been_charged_is_never_called_uncharged() {
    let unknown = [
        judged(409, &json!({ "error": "already_delivered", "payment": "pay_1" })),
        judged(503, &json!({ "error": "outcome_unknown", "payment": "pay_1" })),
        judged(503, &json!({ "error": "settlement_unknown", "payment": "pay_1" })),
    ];
    for settled in unknown {
        assert!(
            matches!(&settled, Charged::Unknown { payment: Some(id), .. } if id == "pay_1"),
            "{settled:?}"
        );
    }
    // A proxy in between, and an answer without a receipt.
    assert!(matches!(judged(502, &Value::Null), Charged::Unknown { .. }));
    assert!(matches!(judged(200, &json!({ "data": 1 })), Charged::Unknown { .. }));
}

/// What is said of an answer with these fields to a payment.
async fn said_of(status: u16, fields: &[(&str, &str)], body: &'static str) -> (Vec<String>, Value) {
    let mut answer = axum::http::Response::builder().status(status);
    for (name, value) in fields {
        answer = answer.header(*name, *value);
    }
    let offer = json!({
        "scheme": "exact", "network": "eip155:402402", "amount": "2500", "maxTimeoutSeconds": 60,
        "asset": "0x00000000000000000000000000000000000000aa",
        "payTo": "0x00000000000000000000000000000000000000bb", "extra": {},
    });
    let payment = Payment {
        header: String::new(),
        offer: serde_json::from_value(offer).unwrap(),
        digest: domain::B256::ZERO,
        signer: domain::Address::ZERO,
    };
    let outcome = Outcome::paid(answer.body(body).unwrap().into(), Some(payment)).await;
    (outcome.lines(), outcome.report())
}

#[tokio::test]
async fn a_failure_whose_payment_was_voided_charged_nothing() {
    let (lines, report) = said_of(500, &[("faregate-payment-status", "voided")], "{\"error\":null}").await;
    assert_eq!(
        &lines[..2],
        ["HTTP 500 Internal Server Error", "nothing was charged: the payment was voided"]
    );
    assert_eq!((&report["paid"], &report["charged"]), (&json!(false), &json!("$0.00")));
    let receipt = SettlementResponse {
        success: false,
        error_reason: Some("insufficient_funds".to_owned()),
        error_message: None,
        payer: None,
        transaction: String::new(),
        network: "eip155:402402".to_owned(),
        amount: None,
        extra: None,
    };
    let (lines, report) = said_of(502, &[("payment-response", &receipt.to_header())], "").await;
    assert!(
        lines[1].starts_with("nothing was charged: ") && lines[1].contains("insufficient_funds"),
        "{lines:?}"
    );
    assert_eq!(report["paid"], json!(false));
    let moved = SettlementResponse { success: true, transaction: "0xabc".to_owned(), ..receipt.clone() };
    let (lines, report) = said_of(
        500,
        &[
            ("payment-response", &moved.to_header()),
            ("faregate-payment-status", "refunded"),
            ("faregate-payment-id", "pay_1"),
        ],
        "",
    )
    .await;
    assert!(lines[1].starts_with("refunded, charged $0.00: "), "{lines:?}");
    assert_eq!((&report["paid"], &report["refunded"]), (&json!(false), &json!(true)));
    assert_eq!((&report["charged"], &report["payment"]), (&json!("$0.00"), &json!("pay_1")));
    let unproven: [&[(&str, &str)]; 2] = [&[], &[("faregate-payment-status", "captured")]];
    for fields in unproven {
        let (lines, report) = said_of(500, fields, "").await;
        assert!(lines[1].starts_with("IT MAY HAVE BEEN CHARGED"), "{lines:?}");
        assert_eq!(report["paid"], Value::Null);
    }
}

#[tokio::test]
async fn a_transaction_is_named_where_the_receipt_names_one_and_nowhere_else() {
    let receipt = SettlementResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: None,
        transaction: "0xabc".to_owned(),
        network: "eip155:8453".to_owned(),
        amount: Some("2500".to_owned()),
        extra: None,
    };
    let (lines, report) = said_of(200, &[("payment-response", &receipt.to_header())], "").await;
    assert_eq!(&lines[..2], ["paid $0.0025 on eip155:8453", "transaction 0xabc"]);
    assert_eq!(report["transaction"], json!("0xabc"));
    let later = SettlementResponse { transaction: String::new(), ..receipt };
    let (lines, report) = said_of(200, &[("payment-response", &later.to_header())], "").await;
    assert!(lines.iter().all(|line| !line.contains("transaction")), "{lines:?}");
    assert_eq!(report["transaction"], Value::Null);
    assert!(report["digest"].is_string());
}

#[tokio::test]
async fn what_is_charged_at_the_end_is_held_until_then() {
    let fields = [("faregate-payment-status", "held"), ("faregate-payment-id", "pay_1")];
    let (lines, report) = said_of(200, &fields, "").await;
    assert_eq!(lines[0], "held, at most $0.0025: what was used is charged once the answer has ended");
    assert_eq!((&report["paid"], &report["payment"]), (&Value::Null, &json!("pay_1")));
}

#[tokio::test]
async fn what_became_of_a_call_that_a_key_pays_for_is_said_as_of_any_payment() {
    let receipt = SettlementResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: None,
        transaction: "0x01".to_owned(),
        network: "eip155:402402".to_owned(),
        amount: Some("50000".to_owned()),
        extra: None,
    };
    let answer = async |status: u16, fields: &[(&str, String)], body: &'static str| {
        let mut answer = axum::http::Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, value);
        }
        Outcome::by_key(answer.body(body).unwrap().into()).await.report()
    };
    let paid = answer(200, &[("payment-response", receipt.to_header())], "").await;
    assert_eq!((&paid["paid"], &paid["charged"]), (&json!(true), &json!("$0.05")));
    let free = answer(200, &[], "").await;
    assert_eq!((&free["paid"], &free["charged"]), (&json!(false), &json!("$0.00")));
    // What nobody knows, it does not know either.
    let unknown = answer(503, &[], "{\"error\":\"outcome_unknown\",\"payment\":\"pay_1\"}").await;
    assert_eq!((&unknown["paid"], &unknown["payment"]), (&Value::Null, &json!("pay_1")));
    let refused = answer(402, &[], "{\"error\":\"price_above_maximum\"}").await;
    assert_eq!((&refused["paid"], &refused["error"]), (&json!(false), &json!("price_above_maximum")));
}
