//! [`Unread`]: one payment on a network that is not read here, as a facilitator is shown it.

use std::sync::Arc;

use domain::{ForeignName, Party};
use ledger::Intent;
use protocol::network::is_solana;
use protocol::offer::Offer;
use protocol::{X402_VERSION, header};
use serde_json::{Value, json};
use thiserror::Error;

use crate::facilitator::Shown;

/// A payment and what we had asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Unread {
    parts: Arc<(Value, Offer)>,
    payer: Option<Party>,
}

/// Why a payment cannot be shown to anybody.
#[derive(Debug, Error)]
pub enum UnreadError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// On Solana: it carries no transaction.
    #[error("it carries no transaction that can be read")]
    Transaction,
}

// === impl Unread ===

impl Unread {
    /// From the JSON of the payment as it came, in any version of x402, and our own offer for it. Of one on Solana only the transaction that
    /// was read is left: whatever else its payer wrote nobody signed, and whoever reads JSON in another way could find another transaction
    /// in it. Elsewhere it is shown whole, since nobody here knows what of it counts.
    ///
    /// # Errors
    /// See [`UnreadError`].
    pub fn new(payment: &str, requirements: Offer) -> Result<Self, UnreadError> {
        let came: Value = serde_json::from_str(payment)?;
        // What is signed is the same in both versions, and so is what carries it.
        let ours = |payload: &Value| json!({ "x402Version": X402_VERSION, "accepted": &requirements, "payload": payload });
        let payment = if is_solana(&requirements.network) {
            ours(&canonical(&came["payload"]).ok_or(UnreadError::Transaction)?)
        } else if came["x402Version"] == X402_VERSION {
            came
        } else {
            ours(&came["payload"])
        };
        Ok(Self { parts: Arc::new((payment, requirements)), payer: None })
    }

    /// Once its facilitator has said who pays: an answer that names another payer is about another payment.
    #[must_use]
    pub fn paid_by(self, payer: Party) -> Self {
        Self { payer: Some(payer), ..self }
    }

    /// What the books keep of one.
    ///
    /// # Errors
    /// See [`UnreadError`].
    pub fn of(intent: &Intent) -> Result<Self, UnreadError> {
        let unread = Self::new(&intent.payload, serde_json::from_str(&intent.requirements)?)?;
        Ok(unread.paid_by(intent.payer))
    }

    /// CAIP-2.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.parts.1.network
    }

    /// Our own terms for it.
    pub(super) fn requirements(&self) -> &Offer {
        &self.parts.1
    }

    /// The transaction that its payer signed; none where there is none.
    pub(super) fn transaction(&self) -> Option<&str> {
        self.parts.0["payload"]["transaction"].as_str()
    }

    /// Who pays, once that is known.
    pub(super) const fn payer(&self) -> Option<ForeignName> {
        match self.payer {
            Some(Party::Named(name)) => Some(name),
            Some(Party::Evm(_)) | None => None,
        }
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        let (payment, requirements) = &*self.parts;
        Shown { version: X402_VERSION, payment, requirements, payer: self.payer }
    }
}

/// Nothing but the transaction of a payload on Solana: the bytes that are read here, in the one base64 that everybody reads.
fn canonical(payload: &Value) -> Option<Value> {
    let bytes = header::decode(payload["transaction"].as_str()?.as_bytes()).ok()?;
    Some(json!({ "transaction": header::encode(&bytes) }))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::foreign::witness::tests::transaction;

    fn offer(network: &str) -> Offer {
        let amount = domain::Amount::from_atomic(1_000).unwrap();
        Offer::foreign((network, "mint", "payee"), amount, 60, (&Map::new(), "quote"))
    }

    #[test]
    fn on_solana_only_the_transaction_that_was_read_is_shown_and_in_one_form() {
        let (ours, theirs) = (offer("solana:devnet"), offer("solana:other"));
        let signed = transaction(0xff, b"signed");
        let loose = signed.replace('+', "-").replace('/', "_");
        let loose = loose.trim_end_matches('=');
        assert_ne!(signed, loose);
        let other = header::encode(b"another one");
        // Whoever folds letters reads the second name as the first one.
        let payload = json!({ "transaction": loose, "tran\u{17f}action": other, "more": 1 });
        let shown = json!({ "x402Version": 2, "accepted": ours, "payload": { "transaction": signed } });
        for payment in [
            json!({ "x402Version": 2, "accepted": theirs, "payload": payload, "resource": { "url": "theirs" }, "extensions": { "bazaar": {} } }),
            json!({ "x402Version": 1, "scheme": "exact", "network": "solana-devnet", "payload": payload }),
        ] {
            let unread = Unread::new(&payment.to_string(), ours.clone()).unwrap();
            assert_eq!(*unread.shown().payment, shown);
            assert_eq!(unread.transaction(), Some(&*signed));
        }
        let none = json!({ "x402Version": 2, "accepted": ours, "payload": { "transaction": "!" } });
        assert!(matches!(Unread::new(&none.to_string(), ours), Err(UnreadError::Transaction)));
    }

    #[test]
    fn elsewhere_a_payment_is_shown_whole() {
        let ours = offer("other:1");
        let whole = json!({ "x402Version": 2, "accepted": ours, "payload": { "proof": [1] }, "extensions": { "more": {} } });
        assert_eq!(*Unread::new(&whole.to_string(), ours.clone()).unwrap().shown().payment, whole);
        let first =
            json!({ "x402Version": 1, "scheme": "exact", "network": "other", "payload": { "proof": [1] } });
        let shown = json!({ "x402Version": 2, "accepted": ours, "payload": { "proof": [1] } });
        assert_eq!(*Unread::new(&first.to_string(), ours).unwrap().shown().payment, shown);
    }
}
