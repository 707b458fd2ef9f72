//! [`Observer`]: what the ledger tells whoever counts: called on the writer's thread after the commit, never before.

use std::time::Duration;

use crate::account::Refunded;
use crate::receipt::ReceiptRecord;

/// Hears of what was committed, for metrics and events. Must return quickly and must not call the ledger.
pub trait Observer: Send + Sync + 'static {
    /// A batch stands on disk.
    fn committed(&self, batch: &BatchReport<'_>);
    /// A batch does not stand on disk; nobody in it was charged.
    fn commit_failed(&self, failure: &CommitFailure<'_>);
    /// A payment or request came again.
    fn collision(&self, kind: Collision);
}

/// One committed batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchReport<'a> {
    /// How many operations it had.
    pub operations: usize,
    /// From the first statement to the commit's return.
    pub duration: Duration,
    /// What was captured, in commit order.
    pub captured: &'a [ReceiptRecord],
    /// What was given back.
    pub refunded: &'a [Refunded],
}

/// One batch that failed as a whole.
#[derive(Clone, Copy, Debug)]
pub struct CommitFailure<'a> {
    /// How many operations it had.
    pub operations: usize,
    /// The store's words.
    pub error: &'a str,
    /// The disk may have lost what it acknowledged: the process must exit and start again, a second sync may lie
    /// (case C15). Holds stay closed until then.
    pub fatal: bool,
}

/// How a payment or a request came again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collision {
    /// Captured before; the outcome of then is given.
    Replayed,
    /// The same key with another request.
    Conflict,
    /// The first one is still running.
    InProgress,
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

// === impl Collision ===

impl Collision {
    /// The word in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Conflict => "conflict",
            Self::InProgress => "in_progress",
        }
    }
}

impl Observer for Unobserved {
    fn committed(&self, _: &BatchReport<'_>) {}
    fn commit_failed(&self, _: &CommitFailure<'_>) {}
    fn collision(&self, _: Collision) {}
}
