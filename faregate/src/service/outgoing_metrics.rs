//! [`OutgoingMetrics`]: what leaves our treasury on public networks, for Prometheus.

use ledger::OutgoingState;
use prometheus::{
    IntCounterVec, IntGaugeVec, Registry, register_int_counter_vec_with_registry,
    register_int_gauge_vec_with_registry,
};
use settlement::outgoing::OutgoingObserver;

const OUTCOMES: [&str; 2] = [OutgoingState::Paid.name(), OutgoingState::Failed.name()];

#[derive(Debug)]
pub(super) struct OutgoingMetrics {
    open: IntGaugeVec,
    over: IntCounterVec,
    held: IntGaugeVec,
}

// === impl OutgoingMetrics ===

impl OutgoingMetrics {
    /// Registers them, with all that can be counted of these networks: the first failure is seen as an increase.
    ///
    /// # Errors
    /// One of the names is taken.
    pub(super) fn new<'a>(
        registry: &Registry,
        networks: impl Iterator<Item = &'a str>,
    ) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            open: register_int_gauge_vec_with_registry!(
                "faregate_chain_outgoing_open",
                "Payouts and refunds that are to leave the treasury of a public network and have not, as far as they were read.",
                &["network"],
                registry
            )?,
            over: register_int_counter_vec_with_registry!(
                "faregate_chain_outgoing_total",
                "Payouts and refunds out of the treasury of a public network, by what became of them.",
                &["network", "outcome"],
                registry
            )?,
            held: register_int_gauge_vec_with_registry!(
                "faregate_chain_outgoing_held",
                "Whether nothing more leaves the treasury of a public network (1): its key sent transactions that the outbox does not know.",
                &["network"],
                registry
            )?,
        };
        for network in networks {
            metrics.held.with_label_values(&[network]).set(0);
            metrics.open.with_label_values(&[network]).set(0);
            for outcome in OUTCOMES {
                metrics.over.with_label_values(&[network, outcome]).inc_by(0);
            }
        }
        Ok(metrics)
    }
}

impl OutgoingObserver for OutgoingMetrics {
    fn open(&self, network: &str, open: usize) {
        self.open.with_label_values(&[network]).set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn held(&self, network: &str, held: bool) {
        self.held.with_label_values(&[network]).set(i64::from(held));
    }

    fn over(&self, network: &str, state: OutgoingState) {
        self.over.with_label_values(&[network, state.name()]).inc();
    }
}
