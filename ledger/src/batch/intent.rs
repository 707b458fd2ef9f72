//! Rows of `intent`: those that a commit writes, and what closes earlier ones.

use std::sync::Arc;

use domain::{Amount, PaymentId, TransactionId, UnixMillis};

use crate::intent::Intent;

/// A row of `intent` that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IntentRow {
    pub(crate) payment: PaymentId,
    pub(crate) intent: Arc<Intent>,
    pub(crate) amount: Amount,
    pub(crate) held_at: UnixMillis,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClosedRow {
    pub(crate) payment: PaymentId,
    pub(crate) end: End,
    /// How much moved of each that its transaction does not tell apart, and how many of them it can be booked for.
    pub(crate) share: Option<(Amount, u32)>,
}

/// What the chain shows of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its value moved, in a block that may still be undone: it stays open.
    Seen(TransactionId),
    /// It moved for good.
    Settled(TransactionId),
    /// It never will.
    WrittenOff,
}

// === impl End ===

impl End {
    /// As the table keeps it; none for what stays open.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Seen(_) => None,
            Self::Settled(_) => Some("settled"),
            Self::WrittenOff => Some("written_off"),
        }
    }

    /// The transaction that moved it.
    pub(crate) const fn transaction(self) -> Option<TransactionId> {
        match self {
            Self::Seen(transaction) | Self::Settled(transaction) => Some(transaction),
            Self::WrittenOff => None,
        }
    }
}
