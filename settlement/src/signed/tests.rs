use alloy_primitives::hex;
use protocol::signature::SigningKey;

use super::*;

const NETWORK: &str = "eip155:84532";

/// Signed by one key for this payer, with 0 or 1 as its last byte.
fn signed(from: Address) -> Signed {
    let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
    let token = Address::repeat_byte(1);
    let requirements = json!({
        "scheme": "exact", "network": NETWORK, "amount": "1000", "asset": token, "payTo": Address::repeat_byte(2),
        "maxTimeoutSeconds": 60, "extra": { "name": "USDC", "version": "2" }
    });
    let authorization = json!({
        "from": from, "to": Address::repeat_byte(2), "value": "1000", "validAfter": "0", "validBefore": "9",
        "nonce": B256::repeat_byte(5)
    });
    let mut payment = json!({
        "x402Version": 2, "accepted": requirements,
        "payload": { "signature": "0x", "authorization": authorization }
    });
    let read = |payment: &Value| {
        Signed::read(NETWORK.into(), token, 1, &payment.to_string(), &requirements.to_string()).unwrap()
    };
    let unsigned = read(&payment);
    let digest = digest(&unsigned.requirements, &unsigned.transfer).unwrap();
    let mut bytes = key.sign(digest);
    bytes[64] -= 27;
    payment["payload"]["signature"] = hex::encode_prefixed(bytes).into();
    read(&payment)
}

fn last(signed: &Signed) -> String {
    let payment = signed.payment();
    let text = payment["payload"]["signature"].as_str().unwrap();
    text[text.len() - 2..].to_owned()
}

#[test]
fn a7_the_last_byte_of_a_keys_signature_is_written_as_tokens_take_it_and_a_contracts_is_left() {
    let payer = SigningKey::from_hex(&"11".repeat(32)).unwrap().address();
    let contract = Address::repeat_byte(0x71);
    assert!(["1b", "1c"].contains(&&*last(&signed(payer))));
    assert!(["00", "01"].contains(&&*last(&signed(contract))));
}

#[test]
fn a_facilitator_is_shown_what_was_verified_and_nothing_that_its_payer_wrote_beside_it() {
    let signed = signed(SigningKey::from_hex(&"11".repeat(32)).unwrap().address());
    let asked = signed.asked().unwrap();
    let mut came = signed.payment();
    came["payload"]["permit2Authorization"] = Value::Null;
    came["payload"]["authorization"]["more"] = json!([1]);
    came["resource"] = json!(7);
    came["accepted"]["extra"]["note"] = json!("mine");
    let read = Signed::read(NETWORK.into(), signed.token, 1, &came.to_string(), &asked).unwrap();
    assert_eq!(read.payment(), signed.payment());
}
