//! [`MeteredMetrics`]: calls that cost what they used.

use prometheus::IntCounterVec;

use super::making::Making;
use crate::payment::meter::{Mistake, Source};

pub(super) struct MeteredMetrics {
    calls: IntCounterVec,
    mistakes: IntCounterVec,
}

// === impl MeteredMetrics ===

impl MeteredMetrics {
    pub(super) fn new(made: &Making<'_>) -> Result<Self, prometheus::Error> {
        let calls = made.counters(
            "metered_calls_total",
            "Captured calls of metered routes, by who said what they used.",
            &["by"],
        )?;
        let mistakes = made.counters(
            "metered_mistakes_total",
            "Settlement-Overrides of upstreams that were not followed.",
            &["reason"],
        )?;
        // The first of each is to be seen as an increase.
        for source in [Source::Override, Source::Units, Source::Unread] {
            drop(calls.with_label_values(&[source.name()]));
        }
        for mistake in [Mistake::Unreadable, Mistake::AboveMaximum] {
            drop(mistakes.with_label_values(&[mistake.name()]));
        }
        Ok(Self { calls, mistakes })
    }

    pub(super) fn captured(&self, by: Source) {
        self.calls.with_label_values(&[by.name()]).inc();
    }

    pub(super) fn mistaken(&self, mistake: Mistake) {
        self.mistakes.with_label_values(&[mistake.name()]).inc();
    }
}
