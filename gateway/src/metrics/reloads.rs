//! [`ReloadMetrics`]: what became of changes of the file.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};

use super::making::Making;

pub(super) struct ReloadMetrics {
    reloads: IntCounterVec,
    last_failed: IntGauge,
    restart_pending: IntGaugeVec,
}

// === impl ReloadMetrics ===

impl ReloadMetrics {
    pub(super) fn new(made: &Making<'_>) -> Result<Self, prometheus::Error> {
        let reloads = made.counters("reloads_total", "Reloads of the catalog.", &["result"])?;
        let last_failed = made.gauge("last_reload_failed", "1 while the file on disk is refused, else 0.")?;
        let restart_pending = made.gauges(
            "restart_pending",
            "1 for each section of the file that changed and waits for a restart.",
            &["section"],
        )?;
        // The first of each is to be seen as an increase.
        for result in ["ok", "failed"] {
            drop(reloads.with_label_values(&[result]));
        }
        Ok(Self { reloads, last_failed, restart_pending })
    }

    pub(super) fn reloaded(&self, ok: bool) {
        self.reloads.with_label_values(&[if ok { "ok" } else { "failed" }]).inc();
        self.last_failed.set(i64::from(!ok));
    }

    pub(super) fn waits_for_restart(&self, sections: &[&str]) {
        self.restart_pending.reset();
        for section in sections {
            self.restart_pending.with_label_values(&[*section]).set(1);
        }
    }
}
