//! Payers that are contracts: what they say of a signature comes before anything that is told or held by it.

use domain::Address;
use serde_json::json;
use settlement::RailError;
use settlement::rail::Validity;

use super::rig::Rig;
use super::*;

/// Whose contract pays.
fn wallet() -> Address {
    Address::repeat_byte(0x71)
}

/// A payment of the contract with this nonce and this signature.
fn payment(rig: &Rig, nonce: u8, seal: &str) -> String {
    changed(rig, nonce, seal, |_| {})
}

fn changed(rig: &Rig, nonce: u8, seal: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let header = rig.payment(nonce, 2);
    let json = protocol::header::decode(header.as_bytes()).unwrap();
    let mut payment: serde_json::Value = serde_json::from_slice(&json).unwrap();
    payment["payload"]["authorization"]["from"] = json!(wallet().to_checksum(None));
    payment["payload"]["signature"] = json!(seal);
    change(&mut payment);
    protocol::header::encode(payment.to_string().as_bytes())
}

/// 65 bytes that recover to somebody else.
fn of_owner(rig: &Rig) -> String {
    let json = protocol::header::decode(rig.payment(9, 2).as_bytes()).unwrap();
    let payment: serde_json::Value = serde_json::from_slice(&json).unwrap();
    payment["payload"]["signature"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_has_signed_pays_and_a_key_is_asked_by_nobody() {
    let rig = Rig::new(Settle::After).await;
    let by_key = rig.admitted(&rig.payment(1, 2)).await;
    assert_eq!(rig.rail.questions(), 0);
    rig.finish(by_key).await;
    rig.rail.says(Ok(Validity::Signed));
    for (nonce, seal) in [(2, "0x1271".to_owned()), (3, of_owner(&rig))] {
        let mut exchange = rig.admitted(&payment(&rig, nonce, &seal)).await;
        assert_eq!(exchange.payer.as_ref().unwrap().known_as(), wallet().to_checksum(None));
        let (outcome, response) = rig.capture(&mut exchange, 200).await;
        assert_eq!(outcome.unwrap(), Outcome::Paid);
        assert_eq!(rig::receipt(&response, "payment-response")["payer"], wallet().to_checksum(None));
        rig.finish(exchange).await;
    }
    assert_eq!(rig.rail.questions(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_contract_has_not_signed_is_refused_by_what_stands_there() {
    let rig = Rig::new(Settle::After).await;
    let of_owner = of_owner(&rig);
    let cases = [
        (Ok(Validity::NotSigned), "0x1271", (402, "invalid_exact_evm_signature")),
        (Ok(Validity::NotSigned), &*of_owner, (402, "invalid_exact_evm_signature")),
        (Ok(Validity::NoContract), "0x1271", (400, "invalid_payload")),
        (Ok(Validity::NoContract), &*of_owner, (402, "invalid_exact_evm_signature")),
        (
            Ok(Validity::Undeployed(Address::repeat_byte(0xfa))),
            "0x1271",
            (402, "invalid_exact_evm_payload_undeployed_smart_wallet"),
        ),
        (Err(RailError::AskedTooOften), "0x1271", (503, "settlement_unavailable")),
    ];
    for (word, seal, refused) in cases {
        rig.rail.says(word.clone());
        let refusal = rig.admit(&payment(&rig, 1, seal)).await.err().unwrap();
        assert_eq!((refusal.status(), refusal.code()), refused, "{word:?} of {seal}");
    }
    assert!(rig.ledger.unknown().is_empty() && rig.rail.settled() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_an_earlier_outcome_by_a_signature_that_is_not_proven() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.says(Ok(Validity::Signed));
    let mut exchange = rig.admitted(&payment(&rig, 1, "0x01")).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    let Money::Captured(receipt) = std::mem::replace(&mut exchange.money, Money::Done) else {
        panic!("it is captured")
    };
    receipt.store(StoredResponse { status: 200, headers: Vec::new(), body: "paid".into() });
    rig.ledger.open_provider("the next commit").await.unwrap();
    // One for which no price is paid any more is looked up, too.
    let ended =
        |seal| changed(&rig, 1, seal, |payment| payment["accepted"]["extra"]["quote"] = json!("0.ended"));
    // Another signature of the same nonce is the same payment.
    for header in [payment(&rig, 1, "0x01"), payment(&rig, 1, "0x02"), ended("0x03")] {
        let (admission, _) = rig.admit(&header).await.unwrap();
        assert!(matches!(admission, Admission::Replay(_)), "its answer is told again");
    }
    rig.rail.says(Ok(Validity::NotSigned));
    assert_eq!(code(rig.admit(&payment(&rig, 1, "0x04")).await), "invalid_exact_evm_signature");
    assert_eq!(code(rig.admit(&ended("0x05")).await), "invalid_quote");
    rig.rail.says(Err(RailError::NodesLeftAlone));
    assert_eq!(code(rig.admit(&payment(&rig, 1, "0x06")).await), "settlement_unavailable");
    assert_eq!(rig.rail.settled(), 1);
    rig.finish(exchange).await;
}
