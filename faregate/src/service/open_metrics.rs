//! [`OpenMetrics`]: the payments on public networks that are not settled for good, for Prometheus.

use prometheus::{IntGauge, Registry, register_int_gauge_with_registry};
use settlement::reconciler::Open;

#[derive(Debug)]
pub(super) struct OpenMetrics {
    unknown: IntGauge,
    due: IntGauge,
    unreadable: IntGauge,
}

// === impl OpenMetrics ===

impl OpenMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// One of the names is taken.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            unknown: register_int_gauge_with_registry!(
                "faregate_chain_payments_unknown",
                "Payments on public networks of which nobody knows yet whether their value moved.",
                registry
            )?,
            due: register_int_gauge_with_registry!(
                "faregate_chain_payments_due",
                "Captured payments on public networks that are not settled for good yet, as far as they were read.",
                registry
            )?,
            unreadable: register_int_gauge_with_registry!(
                "faregate_chain_payments_unreadable",
                "Open payments on public networks that cannot be read in the books: they stay open until a person sees to them.",
                registry
            )?,
        })
    }

    /// As they were found now.
    pub(super) fn set(&self, open: &Open) {
        let counts =
            [(&self.unknown, open.unknown), (&self.due, open.due), (&self.unreadable, open.unreadable)];
        for (gauge, payments) in counts {
            gauge.set(i64::try_from(payments).unwrap_or(i64::MAX));
        }
    }
}
