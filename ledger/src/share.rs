//! [`Moved`]: the transaction that moved a payment's value; [`Share`]: for how many payments that are alike it can be booked.
//!
//! What is signed for Permit2 leaves no name in its transaction: all that is shown of it is how often so much was moved between the same
//! two. Each time pays for one payment; the commit that would book one more is refused. Next: `decide` for that.

use std::sync::Arc;

use domain::{Amount, B256, Party, TransactionId};

/// A transaction that moved a payment's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub transaction: TransactionId,
    /// None where it names the payment, or pays for one alone.
    pub share: Option<Share>,
}

/// Where a transaction does not say for which payments it moved what: so many it can be booked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// What they have in common.
    pub alike: Alike,
    /// How many of them it shows.
    pub one_of: u32,
}

/// What payments have in common that one transaction does not tell apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alike {
    /// CAIP-2.
    pub network: Arc<str>,
    /// What moved them.
    pub transaction: TransactionId,
    /// The token's address.
    pub token: Party,
    /// Who paid.
    pub payer: Party,
    /// Who was paid.
    pub pay_to: Party,
    /// How much moved, in atomic units: of each.
    pub value: Amount,
}

// === impl Moved ===

impl From<TransactionId> for Moved {
    fn from(transaction: TransactionId) -> Self {
        Self { transaction, share: None }
    }
}

impl From<B256> for Moved {
    fn from(hash: B256) -> Self {
        TransactionId::from(hash).into()
    }
}
