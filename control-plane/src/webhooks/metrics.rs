//! [`WebhookMetrics`]: what is counted of deliveries. No receiver has a series of its own: tenants name as many as they like.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Counters and gauges of all receivers together.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    /// Attempts by outcome: `delivered`, `failed` (to be tried again) or `dead` (the last one failed).
    pub(super) attempts: IntCounterVec,
    /// Deliveries that wait: rows to be tried again, and events not tried yet.
    pub(super) backlog: IntGauge,
    /// Deliveries that were given up and are still listed.
    pub(super) dead: IntGauge,
    /// How long the oldest of the backlog is late, in seconds.
    pub(super) oldest_seconds: IntGauge,
}

// === impl WebhookMetrics ===

impl WebhookMetrics {
    /// Makes them and hands them to `registry`.
    ///
    /// # Errors
    /// One of the names is taken there.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let attempts = Opts::new(
            "faregate_webhook_attempts_total",
            "Deliveries of webhooks that were tried, by outcome (delivered, failed, dead).",
        );
        let metrics = Self {
            attempts: IntCounterVec::new(attempts, &["outcome"])?,
            backlog: IntGauge::new("faregate_webhook_backlog", "Deliveries of webhooks that wait.")?,
            dead: IntGauge::new("faregate_webhook_dead", "Deliveries of webhooks that were given up.")?,
            oldest_seconds: IntGauge::new(
                "faregate_webhook_oldest_pending_seconds",
                "How late the oldest delivery is that waits, in seconds.",
            )?,
        };
        // A series that is not there yet would hide a first failure.
        for outcome in ["delivered", "failed", "dead"] {
            metrics.attempts.with_label_values(&[outcome]);
        }
        registry.register(Box::new(metrics.attempts.clone()))?;
        for gauge in [&metrics.backlog, &metrics.dead, &metrics.oldest_seconds] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(metrics)
    }
}
