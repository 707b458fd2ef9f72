//! What the process looks after by itself: that its books balance, and what its database can lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ledger::Ledger;
use registry::Registry;
use serde_json::{Value, json};

use crate::metrics::ControlMetrics;

/// How often PostgreSQL is asked about its standbys.
const STANDBY_INTERVAL: Duration = Duration::from_secs(10);

/// Audits the books every `interval`, for ever; never where it is zero. An audit reads all of them beside the commits.
pub async fn audit_every(interval: Duration, ledger: Ledger, metrics: Arc<ControlMetrics>) {
    if interval.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(interval).await;
        match ledger.audit().await {
            Ok(report) => {
                let broken: Vec<_> = report.findings.iter().filter(|finding| finding.offending > 0).collect();
                for finding in &broken {
                    tracing::error!(
                        invariant = finding.invariant,
                        offending = finding.offending,
                        "the books do not balance: {}",
                        finding.meaning
                    );
                }
                metrics.audited(broken.len(), ledger.time());
            }
            Err(error) => {
                tracing::warn!(%error, "the books could not be audited");
                metrics.audit_failed();
            }
        }
    }
}

/// What is known of the database: what `/readyz` names. Asked beside the calls, so that a database that is away holds none up.
#[derive(Debug)]
pub struct DatabaseWatch {
    standby: AtomicU8,
    /// A primary without a synchronous standby is not ready.
    requires_standby: bool,
}

/// Whether PostgreSQL waits for a standby before it acknowledges a commit (`synchronous_standby_names`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standby {
    /// SQLite: there is no other copy.
    None,
    /// Not asked yet, or not answered.
    Unknown,
    /// A failover may lose what was acknowledged.
    Missing,
    /// It waits.
    Set,
}

// === impl Standby ===

impl Standby {
    const ALL: [Self; 4] = [Self::None, Self::Unknown, Self::Missing, Self::Set];
}

// === impl DatabaseWatch ===

impl DatabaseWatch {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new(requires_standby: bool) -> Self {
        Self { standby: AtomicU8::new(Standby::Unknown as u8), requires_standby }
    }

    /// Asks once.
    pub async fn look(&self, registry: &Registry) {
        let standby = match registry.synchronous_standby().await {
            Ok(None) => Standby::None,
            Ok(Some(true)) => Standby::Set,
            Ok(Some(false)) => Standby::Missing,
            // That the database is away is told by the ledger.
            Err(_) => return,
        };
        let before = self.standby.swap(standby as u8, Ordering::Relaxed);
        if standby == Standby::Missing && before != standby as u8 {
            tracing::warn!(
                "synchronous_standby_names is not set: a failover to a standby may lose acknowledged payments"
            );
        }
    }

    /// Asks again and again, for ever.
    pub async fn follow(self: Arc<Self>, registry: Registry) {
        loop {
            tokio::time::sleep(STANDBY_INTERVAL).await;
            self.look(&registry).await;
        }
    }

    /// For people: which database, and what it can lose.
    pub(crate) fn note(&self) -> Value {
        match self.standby() {
            Standby::None => json!({ "kind": "sqlite" }),
            Standby::Unknown => json!({ "kind": "postgresql", "synchronous_standby": null }),
            Standby::Missing => json!({
                "kind": "postgresql",
                "synchronous_standby": false,
                "note": "synchronous_standby_names is not set: a failover to a standby may lose acknowledged payments",
            }),
            Standby::Set => json!({ "kind": "postgresql", "synchronous_standby": true }),
        }
    }

    /// The check, where the operator wants one: `ok`, or what is wrong. On SQLite the configuration cannot ask for it.
    pub(crate) fn check(&self) -> Option<&'static str> {
        self.requires_standby.then(|| match self.standby() {
            Standby::Unknown => "it is not known yet whether synchronous_standby_names is set",
            Standby::Missing => "synchronous_standby_names is not set",
            Standby::None | Standby::Set => "ok",
        })
    }

    fn standby(&self) -> Standby {
        let stored = usize::from(self.standby.load(Ordering::Relaxed));
        Standby::ALL.get(stored).copied().unwrap_or(Standby::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(requires_standby: bool, standby: Standby) -> DatabaseWatch {
        let watch = DatabaseWatch::new(requires_standby);
        watch.standby.store(standby as u8, Ordering::Relaxed);
        watch
    }

    #[test]
    fn a_missing_standby_is_a_note_and_only_where_it_is_required_a_failure() {
        let missing = known(false, Standby::Missing);
        assert_eq!(missing.check(), None);
        assert_eq!(missing.note()["synchronous_standby"], false);
        assert!(missing.note()["note"].as_str().unwrap().contains("may lose"));
        assert_ne!(known(true, Standby::Missing).check(), Some("ok"));
        assert_ne!(known(true, Standby::Unknown).check(), Some("ok"), "red from the start");
        assert_eq!(known(true, Standby::Set).check(), Some("ok"));
        assert_eq!(known(false, Standby::None).note(), json!({ "kind": "sqlite" }));
        for standby in Standby::ALL {
            assert_eq!(known(false, standby).standby(), standby);
        }
    }
}
