//! [`Difference`]: a payment of which a chain shows something else than the books say, and what the books say from then on.
//!
//! What was closed is not opened again by it: the value goes to the account `suspense`, or comes from there, and a person decides. Only
//! what was written off whole and arrived after all is booked at once, out of suspense, to whoever earned it: of what had been given back
//! before, the payer has a part or all.

use std::sync::Arc;

use domain::{Amount, B256, PaymentId, UnixMillis};

/// What a chain shows of a payment that is closed, in blocks that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// So much of it moved, in this transaction: of `upto` another amount may move than was asked for.
    Moved(B256, Amount),
    /// It did not.
    NotMoved,
}

/// How a chain differed from the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// It moved, in this transaction, and the books said that it did not.
    Arrived(B256),
    /// It did not, and the books said that it did, in this transaction.
    Missing(B256),
    /// It moved in this transaction, and the books said in another one.
    Elsewhere(B256),
}

/// A committed difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of which payment.
    pub payment: PaymentId,
    /// CAIP-2.
    pub network: Arc<str>,
    /// Its token, as it is written on the network.
    pub token: Arc<str>,
    /// Whose payment it is.
    pub provider: Arc<str>,
    /// Atomic units of its token: how much moved, or did not.
    pub amount: Amount,
    /// What the books had closed it as: `settled`, `written_off` or `void`.
    pub booked: &'static str,
    /// In which way.
    pub differs: Differs,
    /// The payment that booked what arrived late, out of suspense.
    pub late: Option<PaymentId>,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}

// === impl Shown ===

impl Shown {
    /// In which transaction how much moved.
    pub(crate) const fn moved(self) -> Option<(B256, Amount)> {
        match self {
            Self::Moved(hash, amount) => Some((hash, amount)),
            Self::NotMoved => None,
        }
    }
}

// === impl Differs ===

impl Differs {
    /// The word in the books and in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arrived(_) => "arrived",
            Self::Missing(_) => "missing",
            Self::Elsewhere(_) => "elsewhere",
        }
    }

    /// The transaction: the one that the chain shows, or where it shows none the one that the books said.
    #[must_use]
    pub const fn transaction(self) -> B256 {
        match self {
            Self::Arrived(hash) | Self::Missing(hash) | Self::Elsewhere(hash) => hash,
        }
    }

    pub(crate) fn parse(name: &str, hash: B256) -> Option<Self> {
        let words = [Self::Arrived(hash), Self::Missing(hash), Self::Elsewhere(hash)];
        words.into_iter().find(|differs| differs.name() == name)
    }

    /// In which transaction the books say that it moved, from then on.
    pub(crate) const fn moved(self) -> Option<B256> {
        match self {
            Self::Arrived(hash) | Self::Elsewhere(hash) => Some(hash),
            Self::Missing(_) => None,
        }
    }
}
