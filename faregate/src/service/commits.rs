//! [`Commits`]: passes what the ledger reports on to the metrics, wakes who follows the books, and ends the process when its disk
//! cannot be trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway::{Metrics, Shutdown};
use ledger::{BatchReport, Collision, CommitFailure, Observer};
use tokio::sync::Notify;

/// Listens to the ledger's writer.
pub(super) struct Commits {
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    broken: AtomicBool,
    /// Told of every batch.
    moved: Arc<Notify>,
}

// === impl Commits ===

impl Commits {
    pub(super) fn new(metrics: Arc<Metrics>, shutdown: Shutdown) -> Self {
        Self { metrics, shutdown, broken: AtomicBool::new(false), moved: Arc::default() }
    }

    /// What wakes the one who follows the books.
    pub(super) fn moved(&self) -> Arc<Notify> {
        Arc::clone(&self.moved)
    }

    /// Whether the disk may have lost what it acknowledged.
    pub(super) fn are_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

impl Observer for Commits {
    fn committed(&self, batch: &BatchReport<'_>) {
        self.metrics.committed(batch);
        self.moved.notify_one();
    }

    /// A second sync after a failed one may lie (case C15): what the disk holds is read by a new start, not guessed.
    fn commit_failed(&self, failure: &CommitFailure<'_>) {
        self.metrics.commit_failed(failure);
        if failure.fatal && !self.broken.swap(true, Ordering::AcqRel) {
            tracing::error!(error = failure.error, "the disk failed under a commit, the process ends");
            self.shutdown.drain();
        }
    }

    fn collision(&self, kind: Collision) {
        self.metrics.collision(kind);
    }
}
