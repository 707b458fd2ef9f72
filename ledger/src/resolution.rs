//! [`Resolution`]: what a person decides of money that is in suspense: whose it is, or that nobody gets it.
//!
//! Chains show more than the books gave to anybody: it becomes the payment's provider's, it goes back to its payer on chain, or it is the
//! operator's own. Chains show less: the operator bears it. Whole or in parts, each once, in one commit with what it moves.
//! Next: `decide::resolutions`.

use std::sync::Arc;

use domain::{Address, Amount, BasisPoints, PaymentId, TransferId, UnixMillis};

use crate::difference::Difference;

/// The route of a payment that books what was in suspense of a call that nobody was charged for.
pub(crate) const SUSPENSE_ROUTE: &str = "@suspense";

/// Whose it is from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// The provider's: a payment out of suspense, settled and paid out as any other. The platform's share of it, where the payment itself does
    /// not say: it was voided.
    Provider(BasisPoints),
    /// The payer's: it is sent back from the treasury.
    Payer,
    /// The operator's own, or the operator's loss: it leaves the books.
    Operator,
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolving {
    /// Of which payment.
    pub payment: PaymentId,
    /// Whose it is to be.
    pub owed: Owed,
    /// How much; none is all that is in suspense of it.
    pub amount: Option<Amount>,
    /// Why, in the person's words.
    pub reason: String,
    /// The caller's idempotency key: a second request with the same key and content is the first one.
    pub idempotency_key: String,
}

/// A committed decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Its name; of one that goes back to a payer the outgoing transfer has the same.
    pub id: TransferId,
    /// Of which payment.
    pub payment: PaymentId,
    /// CAIP-2.
    pub network: Arc<str>,
    /// Its token, as it is written on the network.
    pub token: Arc<str>,
    /// Whose payment it is.
    pub provider: Arc<str>,
    /// Whose it is: `provider`, `payer` or `operator`.
    pub owed: &'static str,
    /// Atomic units of its token.
    pub amount: Amount,
    /// Whether chains show so much less than the books said, and not so much more.
    pub is_loss: bool,
    /// The payment that booked it, where it is the provider's.
    pub booked: Option<PaymentId>,
    /// Why.
    pub reason: String,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}

/// A payment of which a chain showed something else than the books said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// How it differed last.
    pub last: Difference,
    /// Who paid, where that is still known.
    pub payer: Option<Address>,
    /// What is in suspense of it, in atomic units: above zero where the chain shows more than the books gave to anybody.
    pub units: i64,
}

// === impl Owed ===

impl Owed {
    /// The word in the books and in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider(_) => "provider",
            Self::Payer => "payer",
            Self::Operator => "operator",
        }
    }

    /// One of the words of the schema's CHECK.
    pub(crate) fn parse(word: &str) -> Option<&'static str> {
        ["provider", "payer", "operator"].into_iter().find(|known| *known == word)
    }
}
