//! [`RailMetrics`]: what settles on public networks, for Prometheus.

use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, histogram_opts,
    register_histogram_vec_with_registry, register_int_counter_vec_with_registry,
    register_int_counter_with_registry, register_int_gauge_vec_with_registry,
    register_int_gauge_with_registry,
};
use registry::config::network::ForeignSettings;
use registry::config::{NetworkSettings, SettlerSettings};
use settlement::Settling;
use settlement::comparison::Comparison;
use settlement::evm::Unable;
use settlement::rail::{Closed, RailObserver};
use settlement::reconciler::Open;

use super::open_metrics::OpenMetrics;
use super::settler_metrics::SettlerMetrics;

/// Seconds, from a chain of a block each 200 ms to one that waits for confirmations.
const SECONDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Labels, as they are given below.
const OUTCOMES: [&str; 4] = ["moved", "refused", "unavailable", "unknown"];
const ENDS: [&str; 5] = ["moved", "void", "late", "settled", "written_off"];

#[derive(Debug)]
pub(super) struct RailMetrics {
    settlements: IntCounterVec,
    seconds: HistogramVec,
    open: OpenMetrics,
    closed: IntCounterVec,
    written_off_units: IntCounterVec,
    differences: IntGauge,
    suspense: IntGauge,
    dropped: IntCounter,
    facilitators: IntGaugeVec,
    nodes: IntGaugeVec,
    settlers: SettlerMetrics,
}

// === impl RailMetrics ===

impl RailMetrics {
    /// Registers them, with all that can be counted of these networks: the first failure is seen as an increase.
    ///
    /// # Errors
    /// One of the names is taken.
    pub(super) fn new(
        registry: &Registry,
        networks: &[NetworkSettings],
        foreign: &[ForeignSettings],
    ) -> Result<Self, prometheus::Error> {
        let metrics = Self::registered(registry)?;
        for settings in networks {
            metrics.begin(settings);
        }
        for settings in foreign {
            metrics.begin_any(&settings.network.id);
            metrics.facilitators.with_label_values(&[&*settings.facilitator.url]).set(1);
        }
        Ok(metrics)
    }

    fn begin(&self, settings: &NetworkSettings) {
        let network: &str = &settings.network.id;
        self.begin_any(network);
        self.written_off_units.with_label_values(&[network]).inc_by(0);
        self.nodes.with_label_values(&[network]).set(1);
        match &settings.settler {
            SettlerSettings::Facilitators(all) => {
                for one in all {
                    self.facilitators.with_label_values(&[&*one.url]).set(1);
                }
            }
            SettlerSettings::Evm(_) => self.settlers.set(network, false, None),
        }
    }

    /// What is counted of every network.
    fn begin_any(&self, network: &str) {
        for outcome in OUTCOMES {
            self.settlements.with_label_values(&[network, outcome]).inc_by(0);
        }
        for how in ENDS {
            self.closed.with_label_values(&[network, how]).inc_by(0);
        }
        let _ = self.seconds.with_label_values(&[network]);
    }

    fn registered(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            settlements: register_int_counter_vec_with_registry!(
                "faregate_chain_settlements_total",
                "Payments that were to be settled on a public network, by what became of them.",
                &["network", "outcome"],
                registry
            )?,
            seconds: register_histogram_vec_with_registry!(
                histogram_opts!(
                    "faregate_chain_settlement_seconds",
                    "How long a settlement on a public network took.",
                    SECONDS.to_vec()
                ),
                &["network"],
                registry
            )?,
            open: OpenMetrics::new(registry)?,
            closed: register_int_counter_vec_with_registry!(
                "faregate_chain_closed_total",
                "Open payments on public networks that were closed, by what the chain showed.",
                &["network", "how"],
                registry
            )?,
            written_off_units: register_int_counter_vec_with_registry!(
                "faregate_chain_written_off_units_total",
                "What was served and can never be collected on public networks, in millionths of a dollar.",
                &["network"],
                registry
            )?,
            differences: register_int_gauge_with_registry!(
                "faregate_chain_differences",
                "Payments, and transfers out of the treasury, of which the books say something else than the chain, when they were last compared.",
                registry
            )?,
            suspense: register_int_gauge_with_registry!(
                "faregate_chain_suspense_units",
                "What chains show and the books gave to nobody, less what they do not show, in millionths of a dollar.",
                registry
            )?,
            dropped: register_int_counter_with_registry!(
                "faregate_undelivered_dropped_total",
                "Charged payments that count as delivered because too many were not known to be.",
                registry
            )?,
            facilitators: register_int_gauge_vec_with_registry!(
                "faregate_facilitator_answers",
                "Whether a facilitator answers (1), or is left alone after failures (0).",
                &["facilitator"],
                registry
            )?,
            nodes: register_int_gauge_vec_with_registry!(
                "faregate_chain_nodes_answer",
                "Whether the nodes of a public network can be read.",
                &["network"],
                registry
            )?,
            settlers: SettlerMetrics::new(registry)?,
        })
    }
}

impl RailObserver for RailMetrics {
    fn settled(&self, network: &str, settling: &Settling, took_ms: i64) {
        let outcome = match settling {
            Settling::Moved(_) | Settling::Shown(_) | Settling::Told(_) => "moved",
            Settling::Refused(_) => "refused",
            Settling::Unavailable(_) => "unavailable",
            Settling::Unknown(_) => "unknown",
        };
        self.settlements.with_label_values(&[network, outcome]).inc();
        let took = u32::try_from(took_ms.max(0)).unwrap_or(u32::MAX);
        self.seconds.with_label_values(&[network]).observe(f64::from(took) / 1000.0);
    }

    fn open(&self, open: Open) {
        self.open.set(&open);
    }

    fn closed(&self, network: &str, closed: Closed) {
        let how = match closed {
            Closed::Moved => "moved",
            Closed::Void => "void",
            Closed::Late => "late",
            Closed::Settled => "settled",
            Closed::WrittenOff(amount) => {
                let units = self.written_off_units.with_label_values(&[network]);
                units.inc_by(amount.atomic().unsigned_abs());
                "written_off"
            }
        };
        self.closed.with_label_values(&[network, how]).inc();
    }

    fn compared(&self, comparison: &Comparison) {
        let differences = comparison.differences.len() + comparison.strays.len();
        self.differences.set(i64::try_from(differences).unwrap_or(i64::MAX));
        self.suspense.set(comparison.suspense);
    }

    fn dropped(&self, payments: u64) {
        self.dropped.inc_by(payments);
    }

    fn facilitator(&self, name: &str, answers: bool) {
        self.facilitators.with_label_values(&[name]).set(i64::from(answers));
    }

    fn settler(&self, network: &str, is_able: bool, unable: Option<Unable>) {
        self.settlers.set(network, is_able, unable);
    }

    fn nodes(&self, network: &str, answer: bool) {
        self.nodes.with_label_values(&[network]).set(i64::from(answer));
    }
}
