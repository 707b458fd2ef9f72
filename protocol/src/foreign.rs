//! [`ForeignPayload`]: a payment on a network whose signatures are not verified here, as far as it is read: what it accepts, and which
//! transaction its payer signed. All else is for whoever verifies it.

mod solana;

use alloy_primitives::keccak256;
use domain::{B256, ReplayKey};
use serde_json::{Map, Value};

use crate::header;
use crate::network::{self, is_solana};
use crate::offer::{Offer, QUOTE};
use crate::payload::{Malformed, identifier};
use crate::verify::{Quote, Rejection};
use crate::wire::Extensions;
use crate::{X402_VERSION, X402_VERSION_1};

/// In an offer's `extra` on Solana: the facilitator's account, which signs with the payer and pays for the transaction.
const FEE_PAYER: &str = "feePayer";

/// A payment as its client wrote it.
#[derive(Debug)]
pub struct ForeignPayload {
    /// The JSON of all of it.
    pub json: String,
    /// The version of x402 that it is written in, and is to be answered in.
    pub version: u64,
    /// CAIP-2, also where v1 has another name for it.
    pub network: String,
    /// The client's name for this request, where it set one.
    pub identifier: Option<String>,
    scheme: String,
    /// v2: all of an offer.
    accepted: Option<Offer>,
    /// v1: what of an offer's `extra` is in what was signed.
    shown: Option<Map<String, Value>>,
    signed: B256,
}

// === impl ForeignPayload ===

impl ForeignPayload {
    /// Reads a payment header.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(header: &[u8]) -> Result<Self, Malformed> {
        let json = String::from_utf8(header::decode(header)?).map_err(|_| Malformed::Field("payload"))?;
        let mut wire: Value = serde_json::from_str(&json).map_err(|error| Malformed::json(&error))?;
        if !is_exact(&wire) {
            return Err(Malformed::Number);
        }
        let version = wire["x402Version"].as_u64().ok_or(Malformed::Field("x402Version"))?;
        let text = |key: &'static str| wire[key].as_str().map(str::to_owned).ok_or(Malformed::Field(key));
        let (scheme, network, accepted) = match version {
            X402_VERSION => {
                let accepted: Offer = serde_json::from_value(wire["accepted"].take())
                    .map_err(|_| Malformed::Field("accepted"))?;
                (accepted.scheme.clone(), accepted.network.clone(), Some(accepted))
            }
            X402_VERSION_1 => {
                let (scheme, named) = (text("scheme")?, text("network")?);
                (scheme, network::of_v1_name(&named).map_or(named, str::to_owned), None)
            }
            other => return Err(Malformed::Version(other)),
        };
        let extensions: Option<Extensions> =
            serde_json::from_value(wire["extensions"].take()).map_err(|error| Malformed::json(&error))?;
        let identifier = identifier(extensions)?;
        let signed = signed(&network, &wire["payload"])?;
        let shown = if accepted.is_none() { shown(&network, &wire["payload"]) } else { None };
        Ok(Self { json, version, network, identifier, scheme, accepted, shown, signed })
    }

    /// What its payer signed, in 32 bytes: the same however it is written, and whoever else signed it.
    #[must_use]
    pub const fn digest(&self) -> B256 {
        self.signed
    }

    /// Its identity, for ever.
    #[must_use]
    pub fn replay_key(&self) -> ReplayKey {
        ReplayKey::of_transaction(&self.network, self.signed)
    }

    /// What the offer carried that its client took, as it says; in v1, which says nothing of it, as far as what it signed shows.
    #[must_use]
    pub fn taken(&self) -> Option<&Map<String, Value>> {
        self.accepted.as_ref().map(|accepted| &accepted.extra).or(self.shown.as_ref())
    }

    /// Whether its client may mean this offer: v1 names no more than the network.
    #[must_use]
    pub fn may_be(&self, ours: &Offer) -> bool {
        self.network == ours.network
            && self.accepted.as_ref().is_none_or(|accepted| accepted.asset == ours.asset)
    }

    /// Which of these quotes it pays, made as this offer of ours, the current one first: field by field as the public SDKs compare, `extra` a
    /// superset of ours. What was signed is another's to judge.
    ///
    /// # Errors
    /// What its client says differs from the offer.
    pub fn pays<'a>(&self, ours: &Offer, quotes: &'a [Quote<'a>]) -> Result<&'a Quote<'a>, Rejection> {
        if self.scheme != ours.scheme {
            return Err(Rejection::Scheme(self.scheme.chars().take(32).collect()));
        }
        if self.network != ours.network {
            return Err(Rejection::Network(self.network.chars().take(64).collect()));
        }
        let Some(accepted) = &self.accepted else {
            return quotes.first().ok_or(Rejection::Quote);
        };
        if accepted.asset != ours.asset {
            return Err(Rejection::Asset);
        }
        if accepted.pay_to != ours.pay_to {
            return Err(Rejection::Recipient);
        }
        if accepted.max_timeout_seconds != ours.max_timeout_seconds {
            return Err(Rejection::Offer("maxTimeoutSeconds"));
        }
        let mut declared = ours.extra.iter().filter(|(key, _)| *key != QUOTE);
        if declared.any(|(key, value)| accepted.extra.get(key) != Some(value)) {
            return Err(Rejection::Offer("extra"));
        }
        let has_amount = |quote: &&Quote<'_>| quote.price.atomic().to_string() == accepted.amount;
        let quote = match accepted.extra.get(QUOTE) {
            None | Some(Value::Null) => quotes.iter().find(has_amount),
            Some(told) => {
                let quote =
                    quotes.iter().find(|quote| told.as_str() == Some(quote.quote)).ok_or(Rejection::Quote)?;
                Some(quote).filter(has_amount)
            }
        };
        quote.ok_or(Rejection::Offer("amount"))
    }
}

/// The message of a transaction of Solana in base64, which is what its signers sign and what lands once; none where it is no whole one.
#[must_use]
pub fn solana_message(transaction: &str) -> Option<Vec<u8>> {
    let bytes = header::decode(transaction.as_bytes()).ok()?;
    solana::message(&bytes).map(<[u8]>::to_vec)
}

/// Whether all numbers in it are kept as they were written.
#[must_use]
pub fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_u64() || number.is_i64(),
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// A digest of what the payer signed. A transaction in base64 is its bytes, however they are written; of Solana's only the message is
/// taken, because each of its signatures can be written in several ways and the message lands once. Anything else is its JSON.
fn signed(network: &str, payload: &Value) -> Result<B256, Malformed> {
    let fields =
        payload.as_object().filter(|fields| !fields.is_empty()).ok_or(Malformed::Field("payload"))?;
    let malformed = || Malformed::Field("payload.transaction");
    let transaction = fields.get("transaction").and_then(Value::as_str);
    let bytes = transaction.map(|text| header::decode(text.as_bytes()).map_err(|_| malformed()));
    if is_solana(network) {
        let bytes = bytes.ok_or_else(malformed)??;
        return solana::message(&bytes).map(keccak256).ok_or_else(malformed);
    }
    match bytes {
        Some(Ok(bytes)) => Ok(keccak256(bytes)),
        // Its keys stand in order.
        Some(Err(_)) | None => Ok(keccak256(payload.to_string())),
    }
}

/// The account that a transaction of Solana was signed for, as an offer names it.
fn shown(network: &str, payload: &Value) -> Option<Map<String, Value>> {
    let message = payload["transaction"].as_str().filter(|_| is_solana(network));
    let message = message.and_then(solana_message)?;
    let account = bs58::encode(solana::fee_payer(&message)?).into_string();
    Some(Map::from_iter([(FEE_PAYER.to_owned(), account.into())]))
}

#[cfg(test)]
mod tests {
    use domain::Amount;
    use serde_json::json;

    use super::*;

    const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

    fn offer() -> Offer {
        let offer = json!({
            "scheme": "exact", "network": DEVNET, "amount": "1000", "asset": "mint", "payTo": "payee", "maxTimeoutSeconds": 60,
            "extra": { "feePayer": "payer", "quote": "q" },
        });
        serde_json::from_value(offer).unwrap()
    }

    fn transaction(signature: u8, text: &[u8]) -> Vec<u8> {
        solana::tests::transaction((2, signature), text)
    }

    fn parse(payment: &Value) -> Result<ForeignPayload, Malformed> {
        ForeignPayload::parse(header::encode(payment.to_string().as_bytes()).as_bytes())
    }

    fn paying(accepted: &Offer, transaction: &str) -> ForeignPayload {
        let payload = json!({ "transaction": transaction });
        parse(&json!({ "x402Version": 2, "accepted": accepted, "payload": payload })).unwrap()
    }

    fn price(quote: &str) -> Quote<'_> {
        Quote { price: Amount::from_atomic(1_000).unwrap(), revision: 1, quote }
    }

    #[test]
    fn a_transaction_is_the_same_payment_however_it_is_written_and_signed() {
        let written = header::encode(&transaction(0xff, b"message"));
        let key = |text: &str| paying(&offer(), text).replay_key();
        let one = key(&written);
        assert_eq!(one, key(written.trim_end_matches('=')), "without padding");
        assert_eq!(one, key(&written.replace('+', "-").replace('/', "_")), "the other alphabet");
        assert_eq!(one, key(&header::encode(&transaction(0, b"message"))), "another signature");
        assert_ne!(one, key(&header::encode(&transaction(0xff, b"messagf"))));
        let v1 = json!({ "x402Version": 1, "scheme": "exact", "network": "solana-devnet", "payload": { "transaction": written } });
        let v1 = parse(&v1).unwrap();
        assert_eq!(v1.replay_key(), one, "in v1");
        // The key [1; 32], which is the first of the message.
        let first = json!({ "feePayer": "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi" });
        assert_eq!(v1.taken().map(|taken| json!(taken)), Some(first), "its message names its account");
        for damaged in ["", "!", "AA==", "Ag==", &header::encode(b"\x01signature")] {
            let payment =
                json!({ "x402Version": 2, "accepted": offer(), "payload": { "transaction": damaged } });
            assert!(matches!(parse(&payment), Err(Malformed::Field("payload.transaction"))), "{damaged}");
        }
    }

    #[test]
    fn elsewhere_the_payload_is_what_was_signed_in_whatever_order_it_is_written() {
        let digest = |payload: &str| {
            let accepted = Offer { network: "other:1".to_owned(), ..offer() };
            let accepted = serde_json::to_string(&accepted).unwrap();
            let payment = format!(r#"{{"x402Version":2,"accepted":{accepted},"payload":{payload}}}"#);
            ForeignPayload::parse(header::encode(payment.as_bytes()).as_bytes())
                .map(|payment| payment.digest())
        };
        let one = digest(r#"{"a":1,"b":[2]}"#).unwrap();
        assert_eq!(one, digest(r#"{ "b": [2], "a": 1 }"#).unwrap());
        assert_ne!(one, digest(r#"{"a":1,"b":[3]}"#).unwrap());
        for number in ["1.10", "18446744073709551616", "1e3"] {
            let payload = format!(r#"{{"a":[{{"b":{number}}}]}}"#);
            assert!(matches!(digest(&payload), Err(Malformed::Number)), "{number}");
        }
        assert!(digest(r#"{"a":18446744073709551615,"b":-9223372036854775808}"#).is_ok());
        for none in ["{}", "null", "[]", "\"x\""] {
            assert!(matches!(digest(none), Err(Malformed::Field("payload"))), "{none}");
        }
    }

    #[test]
    fn what_its_client_accepted_must_be_the_offer() {
        let (ours, prices) = (offer(), [price("q"), Quote { revision: 2, ..price("old") }]);
        let written = header::encode(&transaction(1, b"m"));
        let judged = |change: &dyn Fn(&mut Offer)| {
            let mut accepted = offer();
            change(&mut accepted);
            paying(&accepted, &written).pays(&ours, &prices).map(|quote| quote.revision)
        };
        assert_eq!(judged(&|_| {}), Ok(1));
        assert_eq!(judged(&|offer| drop(offer.extra.insert("quote".to_owned(), json!("old")))), Ok(2));
        assert_eq!(judged(&|offer| drop(offer.extra.insert("memo".to_owned(), json!("more")))), Ok(1));
        assert_eq!(judged(&|offer| drop(offer.extra.remove("quote"))), Ok(1));
        assert_eq!(
            judged(&|offer| drop(offer.extra.insert("quote".to_owned(), json!("no")))),
            Err(Rejection::Quote)
        );
        assert_eq!(judged(&|offer| drop(offer.extra.remove("feePayer"))), Err(Rejection::Offer("extra")));
        assert_eq!(judged(&|offer| "1".clone_into(&mut offer.amount)), Err(Rejection::Offer("amount")));
        assert_eq!(judged(&|offer| "x".clone_into(&mut offer.pay_to)), Err(Rejection::Recipient));
        assert_eq!(judged(&|offer| "x".clone_into(&mut offer.asset)), Err(Rejection::Asset));
        assert_eq!(
            judged(&|offer| "upto".clone_into(&mut offer.scheme)),
            Err(Rejection::Scheme("upto".to_owned()))
        );
        assert_eq!(
            judged(&|offer| offer.max_timeout_seconds = 61),
            Err(Rejection::Offer("maxTimeoutSeconds"))
        );
    }
}
