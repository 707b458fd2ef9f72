//! [`Newer`]: a payment for a quote of a catalog that another process has put in force and this one does not know yet. That
//! catalog is loaded before the payment is judged again.
//!
//! Asked only about requests that are being refused anyway, and answered by their quotes alone: the version in a quote is
//! ours or nobody's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderMap;
use protocol::payload::PaymentPayload;
use protocol::quote::QuoteKey;
use registry::Registry;
use tokio::sync::Mutex;

use crate::payment::credential::Credential;
use crate::snapshot::Snapshot;

/// After a look that did not find what a quote named: how long nobody looks, however many such quotes come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a version that was found is waited for.
const SERVED_MAX: Duration = Duration::from_secs(1);

/// Loads what quotes name.
pub(crate) struct Newer {
    registry: Registry,
    quotes: QuoteKey,
    current: Arc<ArcSwap<Snapshot>>,
    payment_header_bytes_max: usize,
    /// One look at a time; when the last one was in vain.
    missed: Mutex<Option<Instant>>,
}

// === impl Newer ===

impl Newer {
    pub(crate) fn new(
        registry: Registry,
        secret: [u8; 32],
        current: Arc<ArcSwap<Snapshot>>,
        payment_header_bytes_max: usize,
    ) -> Self {
        let quotes = QuoteKey::new(secret);
        Self { registry, quotes, current, payment_header_bytes_max, missed: Mutex::new(None) }
    }

    /// Whether the quote that a request pays for is of a version after `judged`, and that version serves now.
    pub(crate) async fn serves(&self, headers: &HeaderMap, judged: u64) -> bool {
        match self.quoted(headers) {
            Some(version) if version > judged => self.load(version).await,
            _ => false,
        }
    }

    fn quoted(&self, headers: &HeaderMap) -> Option<u64> {
        let Ok(Credential::Payment(header)) = Credential::find(headers) else { return None };
        if header.len() > self.payment_header_bytes_max {
            return None;
        }
        let payload = PaymentPayload::parse(header.as_bytes()).ok()?;
        self.quotes.version(payload.quote()?)
    }

    /// One look for all who wait; who comes after it finds the version.
    async fn load(&self, version: u64) -> bool {
        let mut missed = self.missed.lock().await;
        if self.known() >= version {
            return true;
        }
        if missed.is_some_and(|missed| missed.elapsed() < LOOK_EVERY) {
            return false;
        }
        match self.registry.refresh().await {
            Ok(found) if found >= version => {
                let _ = tokio::time::timeout(SERVED_MAX, self.registry.served(version)).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, catalog.version = version, "a newer catalog cannot be loaded")
            }
        }
        let found = self.known() >= version;
        *missed = (!found).then(Instant::now);
        found
    }

    fn known(&self) -> u64 {
        self.current.load().catalog().version()
    }
}

#[cfg(test)]
mod tests;
