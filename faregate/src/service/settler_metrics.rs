//! [`SettlerMetrics`]: whether our own transactions can be sent on public networks, for Prometheus.

use prometheus::{IntGaugeVec, Registry, register_int_gauge_vec_with_registry};
use settlement::evm::Unable;

#[derive(Debug)]
pub(super) struct SettlerMetrics {
    able: IntGaugeVec,
    unable: IntGaugeVec,
}

// === impl SettlerMetrics ===

impl SettlerMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// One of the names is taken.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            able: register_int_gauge_vec_with_registry!(
                "faregate_chain_settler_able",
                "Whether our own transactions can be sent on a public network, by whichever process has the key's turn.",
                &["network"],
                registry
            )?,
            unable: register_int_gauge_vec_with_registry!(
                "faregate_chain_settler_unable",
                "Why this process can send no transaction on a public network (1), by reason.",
                &["network", "reason"],
                registry
            )?,
        })
    }

    /// As it is now.
    pub(super) fn set(&self, network: &str, is_able: bool, unable: Option<Unable>) {
        self.able.with_label_values(&[network]).set(i64::from(is_able));
        for reason in Unable::ALL {
            let gauge = self.unable.with_label_values(&[network, reason.name()]);
            gauge.set(i64::from(unable == Some(reason)));
        }
    }
}
