//! Rows of `intent`: those that a commit writes, and what closes earlier ones.

use std::sync::Arc;

use domain::{Amount, B256, PaymentId, UnixMillis};

use crate::intent::Intent;

/// A row of `intent` that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IntentRow {
    pub(crate) payment: PaymentId,
    pub(crate) intent: Arc<Intent>,
    pub(crate) amount: Amount,
    pub(crate) held_at: UnixMillis,
}

/// How an earlier one is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClosedRow {
    pub(crate) payment: PaymentId,
    /// The transaction that moved its value; none where none ever will.
    pub(crate) transaction: Option<B256>,
}

// === impl ClosedRow ===

impl ClosedRow {
    /// As the table keeps it.
    pub(crate) const fn name(&self) -> &'static str {
        match self.transaction {
            Some(_) => "settled",
            None => "written_off",
        }
    }
}
