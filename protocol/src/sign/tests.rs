use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::captures::{CHALLENGE, address};
use crate::payload::PaymentPayload;
use crate::transfer::Transfer;

const AT: UnixMillis = UnixMillis(1_795_349_701_000);

/// What viem 2 signed with [`key`] as `personal_sign`.
const MESSAGE: &str = "Faregate: sign in, päyer — 1";
const MESSAGE_SIGNATURE: &str = "0x0973881c2d9bdf813bb1e053a6ca2b749d5e03392c58b75656382a2de55771cc79ac3d3c8c3f1c73015fb7539004a35f4f8f907e7c6565e9f53517b6e3b98ff31b";

/// What viem 2 signed with [`key`] as `TransferWithAuthorization` of 2500 over a private chain.
const TRANSFER_SIGNATURE: &str = "0x292976d73053b05f7da4b47df065b6799a7f2684d16045f4d4933910ba22a49b7809365c2d63a82b5beac525456006b4092e9988ed79beb1d9347eda9fa7ea5c1b";

fn key() -> SigningKey {
    SigningKey::from_hex(&"42".repeat(32)).unwrap()
}

fn challenge() -> PaymentRequired {
    serde_json::from_str(CHALLENGE).unwrap()
}

fn written(header: &str) -> Value {
    serde_json::from_slice(&header::decode(header.as_bytes()).unwrap()).unwrap()
}

#[test]
fn an_offer_is_signed_as_viem_signs_it() {
    let mut challenge = challenge();
    let offer = &mut challenge.accepts[0];
    offer.network = "eip155:402402".to_owned();
    offer.asset = "0xabcdef0123456789abcdef0123456789abcdef01".to_owned();
    offer.amount = "2500".to_owned();
    offer.pay_to = Address::repeat_byte(9).to_string();
    offer.max_timeout_seconds = 60;
    offer.extra = Map::from_iter([
        ("name".to_owned(), Value::from("Faregate USD")),
        ("version".to_owned(), Value::from("1")),
        ("quote".to_owned(), Value::from("1.x")),
    ]);
    let payment = written(&sign_offer(&key(), &challenge, 0, B256::repeat_byte(5), AT).unwrap());
    assert_eq!(payment["payload"]["signature"], TRANSFER_SIGNATURE);
    assert_eq!(payment["payload"]["authorization"]["validBefore"], "1795349761");
    assert_eq!(payment["accepted"], json!(challenge.accepts[0]), "the offer is echoed whole");
    assert_eq!(payment["resource"]["description"], "paid GET");
}

#[test]
fn what_cannot_be_signed_is_said() {
    type Change = fn(&mut Offer);
    let cases: [(Change, &str); 9] = [
        (|offer| offer.scheme = "deferred".to_owned(), "deferred"),
        (|offer| offer.scheme = "upto".to_owned(), "facilitatorAddress"),
        (|offer| drop(offer.extra.insert("assetTransferMethod".to_owned(), json!("ledger"))), "ledger"),
        (|offer| offer.network = "solana:x".to_owned(), "solana:x"),
        (|offer| offer.amount = "1_000".to_owned(), "amount"),
        (|offer| offer.pay_to = "0x".to_owned(), "payTo"),
        (|offer| offer.asset = "USD".to_owned(), "asset"),
        (|offer| drop(offer.extra.remove("name")), "name"),
        (|offer| drop(offer.extra.insert("version".to_owned(), json!(2))), "version"),
    ];
    for (change, word) in cases {
        let mut challenge = challenge();
        change(&mut challenge.accepts[0]);
        let error = sign_offer(&key(), &challenge, 0, B256::ZERO, AT).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(sign_offer(&key(), &challenge(), 1, B256::ZERO, AT), Err(SignError::NoOffer(1)));
}

#[test]
fn offers_by_permit2_are_signed_as_they_ask() {
    let facilitator = Address::repeat_byte(7);
    let plain = challenge().accepts[0].clone();
    for (offer, spender) in [
        (plain.clone().by_permit(), crate::permit::EXACT_PROXY),
        (plain.clone().upto(facilitator), crate::permit::UPTO_PROXY),
    ] {
        assert!(plain.is_plain() && !offer.is_plain());
        let challenge = PaymentRequired { accepts: vec![offer.clone()], ..challenge() };
        let header = sign_offer(&key(), &challenge, 0, B256::repeat_byte(5), AT).unwrap();
        let payment = PaymentPayload::parse(header.as_bytes()).unwrap();
        let Transfer::Permit(permit) = payment.transfer() else { panic!("{payment:?}") };
        assert_eq!(
            (permit.spender, permit.amount, permit.from),
            (spender, U256::from(1000), key().address())
        );
        let named = (offer.scheme == "upto").then_some(facilitator);
        assert_eq!(permit.witness.facilitator, named);
        let digest = crate::permit::PermitDomain::new(84_532).digest(permit);
        assert!(payment.seal().by(key().address(), digest).is_some());
    }
}

#[test]
fn messages_are_signed_and_recovered_as_viem_does() {
    assert_eq!(sign_message(&key(), MESSAGE), MESSAGE_SIGNATURE);
    let payer = address("0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025");
    assert_eq!(recover_message(MESSAGE, MESSAGE_SIGNATURE), Ok(payer));
    assert_ne!(recover_message("Faregate: sign in, päyer — 2", MESSAGE_SIGNATURE), Ok(payer));
    assert_eq!(recover_message(MESSAGE, "0x"), Err(SignatureError::Length));
}

fn any_authorization() -> impl Strategy<Value = Authorization> {
    let number = || any::<[u8; 32]>().prop_map(U256::from_be_bytes);
    let address = || any::<[u8; 20]>().prop_map(Address::from);
    (address(), address(), number(), number(), number(), any::<[u8; 32]>()).prop_map(
        |(from, to, value, valid_after, valid_before, nonce)| {
            let nonce = B256::from(nonce);
            Authorization { from, to, value, valid_after, valid_before, nonce }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(authorization in any_authorization(), id in "[a-zA-Z0-9_-]{16,128}") {
        let signature = key().sign(authorization.nonce);
        let payment = json!({
            "x402Version": 2,
            "accepted": challenge().accepts[0],
            "payload": payload_json(&authorization, &signature),
            "extensions": {"payment-identifier": {"info": {"required": true, "id": id.clone()}}},
        });
        let header = header::encode(payment.to_string().as_bytes());
        let parsed = PaymentPayload::parse(header.as_bytes()).unwrap();
        prop_assert_eq!(parsed.transfer, Transfer::Authorization(authorization));
        let offer = &challenge().accepts[0];
        prop_assert_eq!((parsed.scheme(), parsed.network()), (&*offer.scheme, &*offer.network));
        prop_assert!(parsed.seal.by(key().address(), authorization.nonce).is_some());
        prop_assert_eq!(parsed.payment_identifier(), Some(&*id));
    }

    #[test]
    fn s4_no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = PaymentPayload::parse(&bytes);
        let _ = PaymentPayload::parse(header::encode(&bytes).as_bytes());
    }
}
