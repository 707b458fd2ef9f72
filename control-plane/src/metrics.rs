//! [`ControlMetrics`]: what the control plane counts for Prometheus, in the same registry as the gateway's metrics.
//!
//! Each part is handed this struct and says what happened; names and labels stand here alone. Labels are closed lists and
//! all of them exist from the start, so that the first failure is seen as an increase.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::UnixMillis;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, Opts, Registry, register_int_counter_vec_with_registry,
    register_int_counter_with_registry, register_int_gauge_with_registry,
};

use crate::webhooks::WebhookMetrics;

/// Classes of statuses, as labels.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Why a settlement could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementFailure {
    /// The ledger took no writes.
    Unavailable,
    /// The books had moved on meanwhile; tried again.
    Conflict,
    /// The ledger refused it.
    Refused,
    /// The payout's rail failed.
    Rail,
}

/// How an audit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audit {
    Clean,
    Broken,
    Failed,
}

/// All counters of the control plane.
#[derive(Debug)]
pub struct ControlMetrics {
    requests: IntCounterVec,
    settlements: IntCounter,
    settlement_failures: IntCounterVec,
    unsettled_seconds: IntGauge,
    webhooks: WebhookMetrics,
    event_lag_seconds: IntGauge,
    audits: IntCounterVec,
    audited_at: IntGauge,
    invariants_broken: IntGauge,
    invariant_failures: IntCounter,
}

// === impl SettlementFailure ===

impl SettlementFailure {
    const ALL: [Self; 4] = [Self::Unavailable, Self::Conflict, Self::Refused, Self::Rail];

    /// As a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Rail => "rail",
        }
    }
}

// === impl Audit ===

impl Audit {
    const ALL: [Self; 3] = [Self::Clean, Self::Broken, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Broken => "broken",
            Self::Failed => "failed",
        }
    }
}

// === impl ControlMetrics ===

impl ControlMetrics {
    /// Registers everything under the prefix `faregate_`.
    ///
    /// # Errors
    /// When a name is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            register_int_counter_with_registry!(Opts::new(format!("faregate_{name}"), help), registry)
        };
        let counters = |name: &str, help: &str, label: &str, values: &[&str]| {
            let options = Opts::new(format!("faregate_{name}"), help);
            let made = register_int_counter_vec_with_registry!(options, &[label], registry)?;
            values.iter().for_each(|value| drop(made.with_label_values(&[*value])));
            Ok::<_, prometheus::Error>(made)
        };
        let gauge = |name: &str, help: &str| {
            register_int_gauge_with_registry!(Opts::new(format!("faregate_{name}"), help), registry)
        };
        Ok(Self {
            requests: counters(
                "management_requests_total",
                "Calls of the management API, by class of status.",
                "class",
                &CLASSES,
            )?,
            settlements: counter("settlement_batches_total", "Settlements that were posted.")?,
            settlement_failures: counters(
                "settlement_failures_total",
                "Settlements and payouts that failed, by reason; tried again.",
                "reason",
                &SettlementFailure::ALL.map(SettlementFailure::name),
            )?,
            unsettled_seconds: gauge(
                "settlement_oldest_unsettled_seconds",
                "Age of the oldest captured payment that no settlement covers and that one could.",
            )?,
            webhooks: WebhookMetrics::new(registry)?,
            event_lag_seconds: gauge(
                "event_log_lag_seconds",
                "Age of the oldest row of the ledger that is not in the event log yet.",
            )?,
            audits: counters(
                "ledger_audits_total",
                "Audits of the running books, by result.",
                "result",
                &Audit::ALL.map(Audit::name),
            )?,
            audited_at: gauge(
                "ledger_audit_timestamp_seconds",
                "When the books were last audited; 0 is never.",
            )?,
            invariants_broken: gauge(
                "ledger_invariants_broken",
                "Invariants of the books that the last audit found broken.",
            )?,
            invariant_failures: counter(
                "ledger_invariant_failures_total",
                "Invariants that audits found broken, each audit anew.",
            )?,
        })
    }

    /// A call of the management API was answered with this status.
    pub fn called(&self, status: u16) {
        if let Some(class) = CLASSES.get(usize::from(status / 100).wrapping_sub(1)) {
            self.requests.with_label_values(&[*class]).inc();
        }
    }

    /// A settlement was posted.
    pub fn settled(&self) {
        self.settlements.inc();
    }

    /// A settlement or its payout failed.
    pub fn settlement_failed(&self, why: SettlementFailure) {
        self.settlement_failures.with_label_values(&[why.name()]).inc();
    }

    /// How old the oldest payment is that a settlement could cover; zero where there is none.
    pub fn set_unsettled(&self, oldest: Duration) {
        self.unsettled_seconds.set(whole(oldest.as_secs()));
    }

    /// What the dispatcher of webhooks counts with.
    #[must_use]
    pub const fn webhooks(&self) -> &WebhookMetrics {
        &self.webhooks
    }

    /// How far the event log is behind the ledger; zero where it is not.
    pub fn set_event_lag(&self, behind: Duration) {
        self.event_lag_seconds.set(whole(behind.as_secs()));
    }

    /// The books were audited, and so many invariants were broken.
    pub fn audited(&self, broken: usize, at: UnixMillis) {
        let result = if broken == 0 { Audit::Clean } else { Audit::Broken };
        self.audits.with_label_values(&[result.name()]).inc();
        self.audited_at.set(at.seconds());
        self.invariants_broken.set(i64::try_from(broken).unwrap_or(i64::MAX));
        self.invariant_failures.inc_by(broken as u64);
    }

    /// The books could not be audited.
    pub fn audit_failed(&self) {
        self.audits.with_label_values(&[Audit::Failed.name()]).inc();
    }
}

/// Counts every call of a router. The outermost layer, so that refusals count as well.
pub(crate) async fn count(
    State(metrics): State<Arc<ControlMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    metrics.called(response.status().as_u16());
    response
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, TextEncoder};

    use super::*;

    fn scrape(registry: &Registry) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_series_is_there_from_the_start() {
        let registry = Registry::new();
        let metrics = ControlMetrics::new(&registry).unwrap();
        let before = scrape(&registry).lines().count();
        metrics.called(503);
        metrics.called(42);
        metrics.settled();
        SettlementFailure::ALL.iter().for_each(|why| metrics.settlement_failed(*why));
        metrics.audited(0, UnixMillis(1_000));
        metrics.audited(2, UnixMillis(2_000));
        metrics.audit_failed();
        let text = scrape(&registry);
        assert_eq!(text.lines().count(), before, "{text}");
        for line in [
            "faregate_management_requests_total{class=\"5xx\"} 1",
            "faregate_ledger_audits_total{result=\"broken\"} 1",
            "faregate_ledger_audit_timestamp_seconds 2",
            "faregate_ledger_invariants_broken 2",
            "faregate_ledger_invariant_failures_total 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        metrics.audited(0, UnixMillis(3_000));
        assert!(scrape(&registry).contains("faregate_ledger_invariants_broken 0\n"));
    }
}
