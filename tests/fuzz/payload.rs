//! The payment in a header, parsed and judged.

use std::sync::LazyLock;

use domain::{Address, Amount, Asset, B256, UnixMillis};
use protocol::eip712::Domain;
use protocol::header::encode;
use protocol::offer::MAX_TIMEOUT_SECONDS;
use protocol::payload::PaymentPayload;
use protocol::signature::SigningKey;
use protocol::verify::{Expected, Method, Quote, verify};

/// When the payment in the corpus was signed.
const SIGNED_AT: UnixMillis = UnixMillis(1_795_349_701_000);

/// What the payment in the corpus pays for.
struct Terms {
    asset: Asset,
    domain: Domain,
    pay_to: Address,
    payer: Address,
}

static TERMS: LazyLock<Terms> = LazyLock::new(|| {
    let asset = Asset {
        network: "eip155:402402".into(),
        chain_id: 402_402,
        address: Address::repeat_byte(7),
        name: "Faregate USD".into(),
        version: "1".into(),
    };
    let domain = Domain::new(&asset);
    let key = SigningKey::from_hex(&"42".repeat(32)).expect("a key");
    Terms { asset, domain, pay_to: Address::repeat_byte(9), payer: key.address() }
});

/// The digest that was signed for `fuzz/corpus/payload/signed.json`, and nothing else was.
static SIGNED: LazyLock<B256> = LazyLock::new(|| {
    let signed = include_str!("../../fuzz/corpus/payload/signed.json");
    let payment = PaymentPayload::parse(encode(signed.as_bytes()).as_bytes()).expect("a payment");
    judge(&payment).expect("the payment in the corpus is good").1
});

/// JSON as it stands in a payment, or the bytes of a header. Nothing panics, and nothing is taken for paid that was not
/// signed.
pub fn payload(data: &[u8]) {
    for header in [encode(data).into_bytes(), data.to_vec()] {
        let payment = match PaymentPayload::parse(&header) {
            Ok(payment) => payment,
            Err(malformed) => {
                assert!(malformed.to_string().len() < 1_000, "an answer may not grow with the question");
                continue;
            }
        };
        if let Some(name) = payment.payment_identifier() {
            assert!((16..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        if let Some((payer, digest)) = judge(&payment) {
            assert_eq!(payer, TERMS.payer, "paid by somebody who signed nothing");
            assert_eq!(digest, *SIGNED, "paid on terms that were not signed");
        }
    }
}

/// Payer and digest, where the payment is good.
fn judge(payment: &PaymentPayload) -> Option<(Address, B256)> {
    let price = Amount::from_atomic(1_000).expect("an amount");
    let quotes = [Quote { price, revision: 2, quote: "2.current" }];
    let Terms { asset, domain, pay_to, .. } = &*TERMS;
    let expected = Expected {
        asset,
        method: Method::Authorization(domain),
        pay_to: *pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        margin_seconds: 0,
        quotes: &quotes,
        at: SIGNED_AT,
    };
    let verified = verify(payment, &expected).ok()?;
    Some((verified.payer(), verified.digest()))
}

#[cfg(test)]
mod tests {
    use protocol::challenge::PaymentRequired;
    use protocol::offer::Offer;
    use protocol::sign::sign_offer;

    use super::*;

    #[test]
    fn the_payment_in_the_corpus_is_the_one_that_our_key_signs() {
        let price = Amount::from_atomic(1_000).unwrap();
        let offer = Offer::wallet(&TERMS.asset, TERMS.pay_to, price, Some("2.current"));
        let accepts = vec![offer];
        let challenge =
            PaymentRequired { x402_version: 2, error: None, resource: None, accepts, extensions: None };
        let key = SigningKey::from_hex(&"42".repeat(32)).unwrap();
        let header = sign_offer(&key, &challenge, 0, B256::repeat_byte(5), SIGNED_AT).unwrap();
        let text = protocol::header::decode(header.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            include_str!("../../fuzz/corpus/payload/signed.json").trim()
        );
    }
}
