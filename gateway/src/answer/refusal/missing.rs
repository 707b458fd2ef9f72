//! [`Missing`]: what a payer asked for by its name, and is not there, or is not its own: nobody is told which.

use thiserror::Error;

/// Not there, for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Missing {
    #[error("no payment of yours has this id; one that was voided, or is not captured yet, is not kept here")]
    Payment,
    #[error(
        "no agent is registered for the address that signed in: its owner registers it (`faregate signer prove`); what the address \
         paid on public networks stands at /.well-known/faregate/payments/{{id}}"
    )]
    Agent,
    #[error("no wallet has this id")]
    Wallet,
    #[error("no deposits are taken here: no public network of this gateway has a treasury")]
    Deposits,
}

// === impl Missing ===

impl Missing {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Payment => "payment_not_found",
            Self::Agent => "agent_not_found",
            Self::Wallet => "wallet_not_found",
            Self::Deposits => "deposits_not_taken",
        }
    }
}
