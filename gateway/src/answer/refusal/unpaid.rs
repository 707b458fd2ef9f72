//! [`Unpaid`]: why a payment is asked for. It is only said where nothing was and nothing will be charged.

use std::sync::Arc;

use domain::{Address, Amount};
use protocol::permit::PERMIT2;
use thiserror::Error;

use super::words::elsewhere;

/// Why there is a 402: each is a code of x402 or one of ours, and a sentence.
#[derive(Debug, Error)]
pub(crate) enum Unpaid {
    #[error("this call costs {price}; pay with an x402 client, `faregate pay`, or an agent key")]
    Missing { price: Amount },
    #[error("{message}")]
    Rejected { code: &'static str, message: String },
    #[error("the wallet has {available}, the call costs {price}: its owner funds it{}", elsewhere(*on_chain))]
    Funds { available: Amount, price: Amount, on_chain: bool },
    #[error("{short}")]
    Balance { short: Box<Short> },
    #[error(
        "no agent is registered for the address that signed, {}: its owner registers it with `faregate signer prove`{}",
        address.to_checksum(None), elsewhere(*on_chain)
    )]
    UnknownSigner { address: Address, on_chain: bool },
    #[error(
        "{} has not allowed Permit2 to move so much of {} on {network}, beside what it has not settled yet: call the token's \
         approve({}, amount) once, or pay by another offer", payer.to_checksum(None), token, PERMIT2.to_checksum(None)
    )]
    Allowance { payer: Address, token: Arc<str>, network: Arc<str> },
    #[error("the payment could not be settled ({reason}); nothing was charged, sign a new one")]
    NotSettled { reason: String },
    #[error("the call costs {price}, above the Agent-Max-Price of {maximum}")]
    AboveMaximum { maximum: Amount, price: Amount },
}

/// A payer on a public network that has too little there.
#[derive(Debug, Error)]
#[error(
    "{} has {available} of {name} on {network}, and this call costs {price}{}: send it some", payer.to_checksum(None),
    beside(*unsettled)
)]
pub(crate) struct Short {
    pub(crate) payer: Address,
    /// Its address.
    pub(crate) token: Arc<str>,
    /// What the token calls itself.
    pub(crate) name: Arc<str>,
    pub(crate) network: Arc<str>,
    pub(crate) available: Amount,
    pub(crate) price: Amount,
    /// What it has open beside this call.
    pub(crate) unsettled: Amount,
}

/// What else its money is promised for.
fn beside(unsettled: Amount) -> String {
    if unsettled.is_zero() { String::new() } else { format!(", beside {unsettled} that is not settled yet") }
}

// === impl Unpaid ===

impl Unpaid {
    /// The code that stands in `PAYMENT-REQUIRED.error`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "payment_required",
            Self::Rejected { code, .. } => code,
            Self::Funds { .. } | Self::Balance { .. } | Self::UnknownSigner { .. } => "insufficient_funds",
            Self::Allowance { .. } => "permit2_allowance_required",
            Self::NotSettled { .. } => "settlement_failed",
            Self::AboveMaximum { .. } => "price_above_maximum",
        }
    }

    /// Says as well whether the call can be paid on a public network.
    pub(crate) fn pointing(self, is_on_chain: bool) -> Self {
        match self {
            Self::Funds { available, price, .. } => Self::Funds { available, price, on_chain: is_on_chain },
            Self::UnknownSigner { address, .. } => Self::UnknownSigner { address, on_chain: is_on_chain },
            other => other,
        }
    }
}
