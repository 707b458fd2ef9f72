//! A provider's settlements and payouts as the ledger answers about them, and what it is asked for.
//!
//! A settlement covers the captured payments of a provider with numbers above `since` and up to `cut`: contiguous and
//! disjoint, because each begins where the one before ended. When one is due is not decided here: the crate `settlement`
//! does. Next: `reports::closing` for the sums, `decide::settlements` for the posting.

use std::sync::Arc;

use domain::{Amount, B256, PayoutDestination, PayoutId, SettlementId, TransferId, UnixMillis};

use crate::outgoing::OutgoingState;

/// What a settlement would be, read from the books: all of it stands and can no longer change, but for a settlement that
/// somebody else makes first. [`crate::Ledger::settle`] makes it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    pub(crate) provider: Arc<str>,
    pub(crate) since: i64,
    pub(crate) cut: i64,
    pub(crate) through: i64,
    pub(crate) payments: u64,
    pub(crate) gross: Amount,
    pub(crate) fee: Amount,
    pub(crate) refunds: Amount,
    pub(crate) adjustments: Amount,
}

/// A committed settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Its name.
    pub id: SettlementId,
    /// Whose.
    pub provider: Arc<str>,
    /// The how-manieth of the provider, from 1 on.
    pub number: u32,
    /// Its members have numbers above this one.
    pub since: i64,
    /// The number of its last member.
    pub cut: i64,
    /// How many members.
    pub payments: u64,
    /// What they took.
    pub gross: Amount,
    /// The platform's part of it.
    pub fee: Amount,
    /// Given back of members before the settlement, less the fee that returned: taken off.
    pub refunds: Amount,
    /// Given back of payments that were settled before, since the settlement before counted, less the fee that returned:
    /// taken off.
    pub adjustments: Amount,
    /// What is paid out: gross less fee, refunds and adjustments.
    pub net: Amount,
    /// Its one payout.
    pub payout: PayoutId,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}

/// What leaves for a provider, for one settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Its name.
    pub id: PayoutId,
    /// For which.
    pub settlement: SettlementId,
    /// Whose.
    pub provider: Arc<str>,
    /// Where it goes: as the terms said when the settlement was made.
    pub destination: PayoutDestination,
    /// The settlement's net.
    pub amount: Amount,
    /// Ledger time of the settlement.
    pub at: UnixMillis,
    /// None: it has still to be paid.
    pub paid: Option<Paid>,
    /// How far its transfer on a public network is, where it goes there.
    pub sending: Option<Sending>,
}

/// How far a payout on a public network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Of its transfer.
    pub state: OutgoingState,
    /// The transaction that moved it.
    pub transaction: Option<B256>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// How a payout ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The transfer that did it.
    pub transfer: TransferId,
    /// What the money is outside; the settlement's name where it went into a wallet.
    pub reference: String,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}

/// A person says that a payout was paid by hand: one of the rail `manual`, or one that cannot be sent on its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutPayment {
    /// Which.
    pub payout: PayoutId,
    /// The bank's reference.
    pub reference: String,
    /// The caller's idempotency key: a second request with the same key and content is the first one.
    pub idempotency_key: String,
}

// === impl Sending ===

impl Sending {
    /// As a settlement makes it; none where nothing is to be sent.
    pub(crate) fn begin(destination: &PayoutDestination) -> Option<Self> {
        let is_sent = matches!(destination, PayoutDestination::Chain(_));
        is_sent.then_some(Self { state: OutgoingState::Due, transaction: None, reason: None })
    }

    /// A person paid it in another way.
    pub(crate) const fn given_up() -> Self {
        Self { state: OutgoingState::Void, transaction: None, reason: None }
    }
}

// === impl Closing ===

impl Closing {
    /// Whose.
    #[must_use]
    pub fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// How many payments it has.
    #[must_use]
    pub const fn payments(&self) -> u64 {
        self.payments
    }

    /// What they took.
    #[must_use]
    pub const fn gross(&self) -> Amount {
        self.gross
    }

    /// The platform's part of it.
    #[must_use]
    pub const fn fee(&self) -> Amount {
        self.fee
    }

    /// Given back of them, less the fee that returned.
    #[must_use]
    pub const fn refunds(&self) -> Amount {
        self.refunds
    }

    /// Given back of payments that are settled, since the last settlement counted, less the fee that returned.
    #[must_use]
    pub const fn adjustments(&self) -> Amount {
        self.adjustments
    }

    /// What is left for the provider; `None` where refunds leave nothing, and nothing can be settled.
    #[must_use]
    pub fn net(&self) -> Option<Amount> {
        let net =
            self.gross.checked_sub(self.fee)?.checked_sub(self.refunds)?.checked_sub(self.adjustments)?;
        Some(net).filter(|net| !net.is_zero())
    }
}
