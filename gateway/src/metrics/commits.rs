//! [`CommitMetrics`]: the ledger's commits and its queue.

use ledger::{BatchReport, Ledger};
use prometheus::{Histogram, IntCounter, IntGauge};

use super::STAGE_BUCKETS;
use super::making::Making;

/// Operations of one commit.
const SIZE_BUCKETS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

pub(super) struct CommitMetrics {
    commit_size: Histogram,
    commit_seconds: Histogram,
    commit_failures: IntCounter,
    queue_depth: IntGauge,
    queue_max: IntGauge,
    clock_behind: IntGauge,
}

// === impl CommitMetrics ===

impl CommitMetrics {
    pub(super) fn new(made: &Making<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            commit_size: made.histogram("ledger_commit_size", "Operations of a commit.", &SIZE_BUCKETS)?,
            commit_seconds: made.histogram("ledger_commit_seconds", "Time of a commit.", &STAGE_BUCKETS)?,
            commit_failures: made.counter("ledger_commit_failures_total", "Commits that failed.")?,
            queue_depth: made.gauge("ledger_queue_depth", "Holds and operations that wait for a commit.")?,
            queue_max: made
                .gauge("ledger_queue_max", "What ledger_queue_depth may grow to; calls are shed above.")?,
            clock_behind: made.gauge(
                "ledger_clock_behind_seconds",
                "How far the wall clock is behind the ledger; too far stops signed payments.",
            )?,
        })
    }

    /// Takes over what the ledger knows.
    pub(super) fn refresh(&self, ledger: &Ledger) {
        self.queue_depth.set(i64::try_from(ledger.queue_depth()).unwrap_or(i64::MAX));
        self.clock_behind.set(ledger.ahead_ms() / 1_000);
    }

    pub(super) fn set_queue_max(&self, places: usize) {
        self.queue_max.set(i64::try_from(places).unwrap_or(i64::MAX));
    }

    pub(super) fn committed(&self, batch: &BatchReport<'_>) {
        self.commit_size.observe(f64::from(u32::try_from(batch.operations).unwrap_or(u32::MAX)));
        self.commit_seconds.observe(batch.duration.as_secs_f64());
    }

    pub(super) fn failed(&self) {
        self.commit_failures.inc();
    }
}
