//! The worker of the crate `settlement` as this process runs it: on the registry's terms, counted in the metrics of the
//! control plane. No call and no payment waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{SettlementRules, SettlementTerms, UnixMillis};
use ledger::{Ledger, LedgerError, Position, Settlement};
use registry::Registry;
use settlement::{SettlementError, SettlementObserver, TermsError, TermsSource, Worker};
use tokio::sync::watch;

use crate::metrics::{ControlMetrics, SettlementFailure};

/// What the registry says.
struct Terms(Registry);

/// Counts.
struct Counted {
    metrics: Arc<ControlMetrics>,
    /// The age of the oldest payment that this round saw, in milliseconds.
    oldest_ms: AtomicI64,
}

/// Settles with whoever is due, every `interval`, until `stop` is true. A settlement that was begun is made or not, and the
/// next worker goes on behind it.
pub async fn run(
    ledger: Ledger,
    registry: Registry,
    metrics: Arc<ControlMetrics>,
    interval: Duration,
    stop: watch::Receiver<bool>,
) {
    let counted = Counted { metrics, oldest_ms: AtomicI64::new(0) };
    Worker::new(ledger, Arc::new(Terms(registry)), Arc::new(counted)).run(interval, stop).await;
}

// === impl Terms ===

#[async_trait]
impl TermsSource for Terms {
    async fn terms(&self) -> Result<Vec<(Arc<str>, SettlementTerms)>, TermsError> {
        if let Err(error) = self.0.announce_payout_destinations().await {
            tracing::warn!(%error, "payout destinations that came into force are told of later");
        }
        self.0.settlement_terms().await.map_err(|error| TermsError(error.to_string()))
    }

    async fn terms_of(&self, provider: &str) -> Result<Option<SettlementTerms>, TermsError> {
        if self.0.provider(provider).is_some_and(|entry| entry.provider.suspended) {
            return Ok(None);
        }
        self.0.settlement_terms_of(provider).await.map_err(|error| TermsError(error.to_string()))
    }
}

// === impl Counted ===

impl SettlementObserver for Counted {
    fn looked(&self, position: &Position, rules: &SettlementRules, at: UnixMillis) {
        // Too little to be settled with, or refunds that are more than what was earned, wait for the next payments, and are nobody's failure.
        // But for what has waited too long: that is settled whatever it is.
        let is_enough = |since: UnixMillis| {
            let is_old = rules.age_max_ms.is_some_and(|age| at >= since.plus(age));
            position.net > 0 && (is_old || position.net >= rules.amount_min.atomic())
        };
        if let Some(since) = position.oldest_at.filter(|since| is_enough(*since)) {
            self.oldest_ms.fetch_max(at.0.saturating_sub(since.0), Ordering::Relaxed);
        }
    }

    fn finished(&self) {
        let oldest = self.oldest_ms.swap(0, Ordering::Relaxed);
        self.metrics.set_unsettled(Duration::from_millis(u64::try_from(oldest).unwrap_or(0)));
    }

    fn settled(&self, _: &Settlement) {
        self.metrics.settled();
    }

    fn failed(&self, _: Option<&str>, error: &SettlementError) {
        self.metrics.settlement_failed(reason(error));
    }
}

fn reason(error: &SettlementError) -> SettlementFailure {
    match error {
        SettlementError::Ledger(LedgerError::Stale) => SettlementFailure::Conflict,
        // Its destination is a wallet that is not there.
        SettlementError::Ledger(LedgerError::UnknownWallet) => SettlementFailure::Rail,
        SettlementError::Terms(_)
        | SettlementError::Ledger(
            LedgerError::Overloaded
            | LedgerError::Unavailable
            | LedgerError::Unknown
            | LedgerError::Away(_)
            | LedgerError::Read(_),
        ) => SettlementFailure::Unavailable,
        SettlementError::Ledger(_) => SettlementFailure::Refused,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Amount, Schedule};
    use prometheus::Registry as Prometheus;

    use super::*;

    fn earned(net: i64) -> Position {
        Position {
            provider: "acme".into(),
            payments: 1,
            gross: Amount::ZERO,
            fee: Amount::ZERO,
            refunds: Amount::ZERO,
            adjustments: Amount::ZERO,
            net,
            oldest_at: Some(UnixMillis(1_000)),
            unsure_at: None,
            settled_at: None,
            pending: Amount::ZERO,
        }
    }

    #[test]
    fn whoever_earned_too_little_to_be_settled_with_is_not_overdue() {
        let amount_min = Amount::from_atomic(100).unwrap();
        let rules = SettlementRules {
            amount_min,
            age_max_ms: Some(20_000),
            schedule: Schedule::Continuous,
            delay_ms: 0,
        };
        let metrics = Arc::new(ControlMetrics::new(&Prometheus::new()).unwrap());
        let counted = Counted { metrics, oldest_ms: AtomicI64::new(0) };
        for (net, waits_ms) in [(-1, 0), (99, 0), (100, 9_000)] {
            counted.looked(&earned(net), &rules, UnixMillis(10_000));
            assert_eq!(counted.oldest_ms.load(Ordering::Relaxed), waits_ms, "{net}");
        }
        counted.looked(&earned(99), &rules, UnixMillis(21_000));
        assert_eq!(counted.oldest_ms.load(Ordering::Relaxed), 20_000, "it is settled by its age");
    }
}
