use serde_json::json;

use super::*;
use crate::captures::RECEIPT;

fn written(receipt: &SettlementResponse) -> Value {
    serde_json::from_slice(&header::decode(receipt.to_header().as_bytes()).unwrap()).unwrap()
}

#[test]
fn the_reference_servers_receipt_is_read_and_written_without_nulls() {
    let receipt = SettlementResponse::parse(header::encode(RECEIPT.as_bytes()).as_bytes()).unwrap().unwrap();
    assert!(receipt.success);
    assert_eq!(written(&receipt), serde_json::from_str::<Value>(RECEIPT).unwrap());
}

#[test]
fn a_settled_payment_names_itself() {
    let payment = PaymentId::from_bytes([7; 16]);
    let amount = Amount::from_atomic(2500).unwrap();
    let receipt = SettlementResponse::settled("eip155:402402", "0x01", [0xab; 32], amount, payment);
    let expected = json!({
        "success": true,
        "payer": "0x01",
        "transaction": format!("0x{}", "ab".repeat(32)),
        "network": "eip155:402402",
        "amount": "2500",
        "extra": {"paymentId": payment.to_string()},
    });
    assert_eq!(written(&receipt), expected);
}

#[test]
fn a_failure_has_its_network_and_an_empty_transaction() {
    let text = r#"{"success":false,"errorReason":"x","payer":null,"transaction":"","network":"eip155:1"}"#;
    let receipt = SettlementResponse::parse(header::encode(text.as_bytes()).as_bytes()).unwrap().unwrap();
    let expected = json!({"success": false, "errorReason": "x", "transaction": "", "network": "eip155:1"});
    assert_eq!(written(&receipt), expected);
}

#[test]
fn what_is_no_receipt_is_none() {
    assert_eq!(SettlementResponse::parse(b"e30="), Ok(None));
    assert_eq!(SettlementResponse::parse(b"{}"), Err(HeaderError::NotBase64));
}

/// Beside `x402-express` 1.2 (notes/clients.md, wire captures).
#[test]
fn a_receipt_of_v1_has_the_keys_of_v1_and_its_name_for_the_network() {
    let payment = PaymentId::from_bytes([7; 16]);
    let amount = Amount::from_atomic(1000).unwrap();
    let receipt = SettlementResponse::settled("eip155:84532", "0x01", [0xab; 32], amount, payment).in_v1();
    let expected = json!({
        "success": true,
        "transaction": format!("0x{}", "ab".repeat(32)),
        "network": "base-sepolia",
        "payer": "0x01",
    });
    assert_eq!(written(&receipt), expected);
}
