//! [`Signed`]: one payment on a public network, as its settlement needs it: what its payer signed, and what we had asked for.

use std::sync::Arc;

use alloy_primitives::{B256, U256};
use domain::{Address, Amount};
use ledger::Intent;
use protocol::X402_VERSION;
use protocol::offer::Offer;
use protocol::payload::{self, Malformed, PaymentPayload};
use protocol::seal::Seal;
use protocol::sign;
use protocol::signature::Signature;
use protocol::transfer::Transfer;
use serde_json::{Value, json};
use thiserror::Error;

use crate::chain::{Shown, Sought};
use crate::evm::Proof;
use crate::rail::units;

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
    seal: Seal,
    requirements: Offer,
}

/// What was kept of a payment is none.
#[derive(Debug, Error)]
pub enum SignedError {
    /// Its payload.
    #[error("the payment cannot be read: {0}")]
    Payment(#[from] Malformed),
    /// Of a non-EVM network.
    #[error("its network is not read here")]
    Foreign,
    /// Not JSON, or not our offer.
    #[error("the payment cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

// === impl Signed ===

impl Signed {
    /// One that was verified against our own offer, in any version of x402.
    #[must_use]
    pub fn new(
        network: Arc<str>,
        token: Address,
        since_block: u64,
        payment: &PaymentPayload,
        requirements: Offer,
    ) -> Self {
        let (transfer, seal) = (*payment.transfer(), payment.seal().clone());
        Self { network, token, since_block, transfer, seal, requirements }
    }

    /// The same from its JSON and our offer's.
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
        let (transfer, seal) = payload::signed(payment)?;
        let requirements = serde_json::from_str(requirements)?;
        Ok(Self { network, token, since_block, transfer, seal, requirements })
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

    /// What proves that its payer has signed it; none where no contract could read that either.
    pub(crate) fn proof(&self) -> Option<Proof> {
        let digest = digest(&self.requirements, &self.transfer)?;
        match self.seal.by(self.payer(), digest) {
            Some(signature) => Some(signature.into()),
            None => Shown::of(&self.seal).map(Proof::of_contract),
        }
    }

    /// How its value moves.
    #[must_use]
    pub const fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// As the chain is asked about it, where its payer was asked for so much.
    pub(crate) fn sought(&self, asked: Amount) -> Sought<'_> {
        Sought { token: self.token, signed: &self.transfer, asked: units(asked) }
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

    /// The payment in x402 v2, as a facilitator is shown it: what was verified of it, and nothing else that its payer may have written beside
    /// that. Whatever a facilitator makes of that, it is not the payer's doing.
    ///
    /// Tokens take 27 and 28 for v, and some wallets write 0 and 1: that would be served and never settled (case A7). What a contract takes is
    /// left as it is.
    #[must_use]
    pub fn payment(&self) -> Value {
        let digest = digest(&self.requirements, &self.transfer);
        let of_its_key =
            digest.filter(|_| self.seal.key().is_ok_and(|key| key.to_bytes()[..] != self.seal.bytes()[..]));
        let anew = of_its_key.and_then(|digest| self.seal.by(self.payer(), digest)).map(Signature::to_bytes);
        let signature = anew.as_ref().map_or(&self.seal.bytes()[..], |bytes| &bytes[..]);
        let payload = sign::payload(&self.transfer, signature);
        json!({ "x402Version": X402_VERSION, "accepted": self.requirements, "payload": payload })
    }

    /// What we had asked for: JSON.
    ///
    /// # Errors
    /// [`SignedError::Json`].
    pub fn asked(&self) -> Result<String, SignedError> {
        Ok(serde_json::to_string(&self.requirements)?)
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

/// What its payer signed, as it was asked for.
fn digest(requirements: &Offer, transfer: &Transfer) -> Option<B256> {
    sign::digest_of(requirements, transfer).ok()
}

#[cfg(test)]
mod tests;
