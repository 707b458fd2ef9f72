//! [`Signed`]: one payment on a public network, as its settlement needs it: what its payer signed, and what we had asked for.

use std::sync::Arc;

use alloy_primitives::{U256, hex};
use domain::{Address, Amount};
use ledger::Intent;
use protocol::X402_VERSION;
use protocol::offer::Offer;
use protocol::payload::{self, Malformed};
use protocol::signature::Signature;
use protocol::transfer::Transfer;
use serde_json::{Value, json};
use thiserror::Error;

/// A payment that was verified, and whose hold stands with its intent.
#[derive(Clone, Debug)]
pub struct Signed {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token that it moves.
    pub token: Address,
    /// A block that is older than any settlement of it.
    pub since_block: u64,
    transfer: Transfer,
    signature: Option<Signature>,
    payment: Value,
    requirements: Offer,
}

/// What was kept of a payment is none.
#[derive(Debug, Error)]
pub enum SignedError {
    /// Its payload.
    #[error("the payment cannot be read: {0}")]
    Payment(#[from] Malformed),
    /// Of a network that is no EVM one.
    #[error("its network is not read here")]
    Foreign,
    /// Not JSON, or not our offer.
    #[error("the payment cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

// === impl Signed ===

impl Signed {
    /// From the JSON of the payment as it came, in any version of x402, and of our own offer that it was verified against.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn read(
        network: Arc<str>,
        token: Address,
        since_block: u64,
        payment: &str,
        requirements: &str,
    ) -> Result<Self, SignedError> {
        let (transfer, signature) = payload::signed(payment.as_bytes())?;
        let requirements: Offer = serde_json::from_str(requirements)?;
        let came: Value = serde_json::from_str(payment)?;
        let mut payment = if came["x402Version"] == X402_VERSION {
            came
        } else {
            // What is signed is the same in both versions, and so is what carries it.
            json!({ "x402Version": X402_VERSION, "accepted": &requirements, "payload": came["payload"] })
        };
        if let (Some(signature), Some(place)) = (&signature, payment.pointer_mut("/payload/signature")) {
            // Tokens take 27 and 28 for v, and some wallets write 0 and 1: that would be served and never settled (case A7).
            *place = Value::from(hex::encode_prefixed(signature.to_bytes()));
        }
        Ok(Self { network, token, since_block, transfer, signature, payment, requirements })
    }

    /// What the books keep of one.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn of(intent: &Intent) -> Result<Self, SignedError> {
        let Intent { network, token, since_block, payload, requirements, .. } = intent;
        let token = token.evm().ok_or(SignedError::Foreign)?;
        Self::read(Arc::clone(network), token, *since_block, payload, requirements)
    }

    /// The payer's signature, where it is one of a key and not of a contract.
    #[must_use]
    pub const fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// How its value moves.
    #[must_use]
    pub const fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// Who pays.
    #[must_use]
    pub const fn payer(&self) -> Address {
        self.transfer.from()
    }

    /// Whether Permit2 moves it, which its payer must have allowed.
    #[must_use]
    pub const fn is_permit(&self) -> bool {
        matches!(self.transfer, Transfer::Permit(_))
    }

    /// Who alone may settle it, where its payer named somebody: payments of `upto`.
    #[must_use]
    pub const fn facilitator(&self) -> Option<Address> {
        self.transfer.facilitator()
    }

    /// The first Unix second at which it is void.
    #[must_use]
    pub fn valid_before(&self) -> u64 {
        self.transfer.valid_before().saturating_to()
    }

    /// The payment in x402 v2, its signature in the form that tokens take, as a facilitator is shown it.
    #[must_use]
    pub const fn payment(&self) -> &Value {
        &self.payment
    }

    /// Our own terms, as they were signed.
    pub(crate) fn terms(&self) -> Offer {
        Offer { amount: self.transfer.value().to_string(), ..self.requirements.clone() }
    }

    /// Our own terms for so much of it; none where it cannot move just that: all of it, but for `upto`.
    pub(crate) fn requirements(&self, amount: Amount) -> Option<Offer> {
        let value = U256::from(amount.atomic().unsigned_abs());
        let (signed, is_upto) = (self.transfer.value(), self.facilitator().is_some());
        let fits = if is_upto { value <= signed } else { value == signed };
        let is_some = fits && !amount.is_zero();
        is_some.then(|| Offer { amount: amount.atomic().to_string(), ..self.requirements.clone() })
    }
}
