//! [`Unread`]: one payment on a network that is not read here, as a facilitator is shown it.

use std::sync::Arc;

use domain::Party;
use ledger::Intent;
use protocol::X402_VERSION;
use protocol::offer::Offer;
use serde_json::{Value, json};

use crate::facilitator::Shown;

/// A payment, whole, and what we had asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Unread {
    parts: Arc<(Value, Offer)>,
    payer: Option<Party>,
}

// === impl Unread ===

impl Unread {
    /// From the JSON of the payment as it came, in any version of x402, and our own offer for it.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn new(payment: &str, requirements: Offer) -> Result<Self, serde_json::Error> {
        let came: Value = serde_json::from_str(payment)?;
        let payment = if came["x402Version"] == X402_VERSION {
            came
        } else {
            // What is signed is the same in both versions, and so is what carries it.
            json!({ "x402Version": X402_VERSION, "accepted": &requirements, "payload": came["payload"] })
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
    /// It is no JSON.
    pub fn of(intent: &Intent) -> Result<Self, serde_json::Error> {
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

    /// The transaction that its payer signed, as it wrote it; none where there is none.
    pub(super) fn transaction(&self) -> Option<&str> {
        self.parts.0["payload"]["transaction"].as_str()
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        let (payment, requirements) = &*self.parts;
        Shown { version: X402_VERSION, payment, requirements, payer: self.payer }
    }
}
