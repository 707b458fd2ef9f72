//! [`Metrics`]: what Prometheus scrapes. Money is counted after its commit, so the counters equal the ledger.
//!
//! No label takes a raw path or a payer: the first routes stand by name, the others as `other`. What the control plane
//! counts is in its own `Metrics`; both go into one registry.

mod commits;
mod label;
mod making;
mod metered;
mod reloads;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashSet;
use domain::Amount;
use ledger::{BatchReport, Collision, CommitFailure, Ledger, Observer, RefundReason};
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry};
use registry::Directory;

use crate::connection::customers;
use crate::limits::ROUTE_LABELS_MAX;
use crate::metrics::commits::CommitMetrics;
use crate::metrics::making::Making;
use crate::metrics::metered::MeteredMetrics;
use crate::metrics::reloads::ReloadMetrics;
use crate::payment::meter::{Mistake, Source};
use crate::rate::STRANGERS;
use crate::shutdown::Shutdown;

pub(crate) use label::{Outcome, Stage};

/// Seconds; from a cached challenge to a slow upstream.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.013, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Seconds; a signature takes tens of microseconds, a commit hundreds.
const STAGE_BUCKETS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

/// All counters of the data plane and of the ledger's commits.
pub struct Metrics {
    requests: HistogramVec,
    stages: HistogramVec,
    payments: IntCounterVec,
    failures: IntCounterVec,
    gross: IntCounterVec,
    net: IntCounterVec,
    fees: IntCounterVec,
    refunds: IntCounter,
    policy_cache: IntCounterVec,
    violations: IntCounterVec,
    rate_limited: IntCounterVec,
    collisions: IntCounterVec,
    commits: CommitMetrics,
    metered: MeteredMetrics,
    requests_in_flight: IntGauge,
    reloads: ReloadMetrics,
    catalog_version: IntGauge,
    connections_refused: IntCounter,
    traffic_failures: IntCounter,
    route_labels: DashSet<Arc<str>>,
}

/// What a spending policy, or a key, refuses by: a limit of one call, of a window of everything, or of a window of one route,
/// provider or category; what is not on a list; what a key is not for; the policy's end.
const VIOLATIONS: [&str; 10] =
    ["per_request", "hour", "day", "month", "route", "provider", "category", "scope", "key_scope", "expired"];

// === impl Metrics ===

impl Metrics {
    /// Registers everything under the prefix `faregate_`.
    ///
    /// # Errors
    /// When a name is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let made = Making { registry };
        let build = made.gauges("build_info", "Always 1; the version is a label.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            requests: made.histograms(
                "request_duration_seconds",
                "From a request's header to the end of its answer.",
                &["route", "outcome"],
                &DURATION_BUCKETS,
            )?,
            stages: made.histograms(
                "payment_stage_seconds",
                "Parts of a paid request.",
                &["stage"],
                &STAGE_BUCKETS,
            )?,
            payments: made.counters("payments_total", "Payments by how they ended.", &["rail", "outcome"])?,
            failures: made.counters(
                "payment_failures_total",
                "Priced requests not served, by reason.",
                &["reason"],
            )?,
            gross: made.counters("revenue_gross_units_total", "Captured, in atomic units.", &["provider"])?,
            net: made.counters(
                "revenue_net_units_total",
                "Captured less fees, in atomic units.",
                &["provider"],
            )?,
            fees: made.counters(
                "revenue_fees_units_total",
                "Platform fees, in atomic units.",
                &["provider"],
            )?,
            refunds: made.counter("refunds_units_total", "Refunded, in atomic units.")?,
            policy_cache: made.counters(
                "policy_cache_requests_total",
                "Look-ups of agents and policies.",
                &["result"],
            )?,
            violations: made.counters("spending_violations_total", "Refusals by a policy.", &["kind"])?,
            rate_limited: made.counters(
                "rate_limited_total",
                "Requests refused with 429, by what the limit is on.",
                &["scope"],
            )?,
            collisions: made.counters(
                "idempotency_collisions_total",
                "Payments or identifiers that were seen before.",
                &["kind"],
            )?,
            commits: CommitMetrics::new(&made)?,
            metered: MeteredMetrics::new(&made)?,
            requests_in_flight: made
                .gauge("requests_in_flight", "Requests between their header and their line in the log.")?,
            reloads: ReloadMetrics::new(&made)?,
            catalog_version: made.gauge("catalog_version", "The catalog that serves.")?,
            connections_refused: made
                .counter("connections_refused_total", "Connections closed over the limit.")?,
            traffic_failures: made.counter(
                "traffic_flush_failures_total",
                "Sums for analytics that could not be handed in; tried again.",
            )?,
            route_labels: DashSet::new(),
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Makes the series of closed labels, so that the first of each is seen as an increase.
    fn begin(&self) {
        let closed: [(&IntCounterVec, &[&str]); 4] = [
            (&self.policy_cache, &["hit", "miss"]),
            (&self.violations, &VIOLATIONS),
            (&self.rate_limited, &["route", "provider", STRANGERS, customers::SCOPE]),
            (&self.collisions, &["replayed", "conflict", "in_progress"]),
        ];
        for (counter, values) in closed {
            values.iter().for_each(|value| drop(counter.with_label_values(&[*value])));
        }
        for outcome in ["captured", "voided", "refunded"] {
            drop(self.payments.with_label_values(&["wallet", outcome]));
        }
    }

    /// Counts a reload of the catalog: `ok` or `failed`.
    pub fn reloaded(&self, ok: bool) {
        self.reloads.reloaded(ok);
    }

    /// These sections of the file wait for a restart, and no others.
    pub fn waits_for_restart(&self, sections: &[&str]) {
        self.reloads.waits_for_restart(sections);
    }

    /// Takes over what others count themselves; to be called before each scrape.
    pub fn refresh(&self, ledger: &Ledger, directory: &Directory, shutdown: &Shutdown) {
        self.requests_in_flight.set(i64::try_from(shutdown.running()).unwrap_or(i64::MAX));
        self.commits.refresh(ledger);
        for (result, total) in [("hit", directory.hits()), ("miss", directory.misses())] {
            let counter = self.policy_cache.with_label_values(&[result]);
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }

    /// Says how long the ledger's queue may be.
    pub(crate) fn set_queue_max(&self, places: usize) {
        self.commits.set_queue_max(places);
    }

    /// Says which catalog serves.
    pub(crate) fn set_catalog_version(&self, version: u64) {
        self.catalog_version.set(i64::try_from(version).unwrap_or(i64::MAX));
    }

    pub(crate) fn request(&self, route: Option<&Arc<str>>, outcome: Outcome, took: Duration) {
        let label = route.map_or("none", |route| self.route_label(route));
        self.requests.with_label_values(&[label, outcome.name()]).observe(took.as_secs_f64());
    }

    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        self.stages.with_label_values(&[stage.name()]).observe(took.as_secs_f64());
    }

    pub(crate) fn voided(&self) {
        self.payments.with_label_values(&["wallet", "voided"]).inc();
    }

    pub(crate) fn metered(&self, by: Source) {
        self.metered.captured(by);
    }

    pub(crate) fn mistaken(&self, mistake: Mistake) {
        self.metered.mistaken(mistake);
    }

    pub(crate) fn failed(&self, reason: &str) {
        self.failures.with_label_values(&[reason]).inc();
    }

    pub(crate) fn violated(&self, kind: &str) {
        self.violations.with_label_values(&[kind]).inc();
    }

    pub(crate) fn rate_limited(&self, scope: &str) {
        self.rate_limited.with_label_values(&[scope]).inc();
    }

    pub(crate) fn traffic_failed(&self) {
        self.traffic_failures.inc();
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    fn route_label<'a>(&self, route: &'a Arc<str>) -> &'a str {
        if self.route_labels.contains(route) {
            return route;
        }
        if self.route_labels.len() < ROUTE_LABELS_MAX {
            self.route_labels.insert(Arc::clone(route));
            return route;
        }
        "other"
    }
}

impl Observer for Metrics {
    fn committed(&self, batch: &BatchReport<'_>) {
        self.commits.committed(batch);
        // What was deposited is no sale.
        for receipt in batch.captured.iter().filter(|receipt| &*receipt.provider != ledger::DEPOSITS) {
            let provider = [&*receipt.provider];
            let (gross, fee) = (units(receipt.amount), units(receipt.fee));
            self.payments.with_label_values(&["wallet", "captured"]).inc();
            self.gross.with_label_values(&provider).inc_by(gross);
            self.fees.with_label_values(&provider).inc_by(fee);
            self.net.with_label_values(&provider).inc_by(gross.saturating_sub(fee));
        }
        for refund in batch.refunded {
            let outcome = match refund.reason {
                RefundReason::WrittenOff => "written_off",
                _ if refund.is_whole() => "refunded",
                _ => "partly_refunded",
            };
            self.payments.with_label_values(&["wallet", outcome]).inc();
            self.refunds.inc_by(units(refund.amount));
        }
    }

    fn commit_failed(&self, failure: &CommitFailure<'_>) {
        tracing::error!(
            operations = failure.operations,
            error = failure.error,
            "a commit failed, nothing of it was charged"
        );
        self.commits.failed();
    }

    fn collision(&self, kind: Collision) {
        self.collisions.with_label_values(&[kind.name()]).inc();
    }
}

/// Amounts are never negative.
fn units(amount: Amount) -> u64 {
    u64::try_from(amount.atomic()).unwrap_or(0)
}
