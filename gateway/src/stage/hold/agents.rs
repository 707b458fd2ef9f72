//! Whose key it is, or for whom an address signs. Who is remembered is told at once.
//!
//! Keys and signatures that are well formed cost nothing to make, and each new one costs a read that others wait for: where many turn out to
//! be nobody's, whoever calls from there waits before the next read.

use std::sync::Arc;
use std::time::Duration;

use domain::Address;
use registry::agent_key::AgentKey;
use registry::{Access, DirectoryError};

use super::Holder;
use crate::answer::refusal::{Refusal, Unpaid};
use crate::metrics::Metrics;
use crate::rate::{Consumer, STRANGERS, Strangers};
use crate::stage::rate::seconds;

/// A read that may be needed to tell who somebody is.
struct Reading<'a> {
    nobodies: &'a Strangers,
    client: Consumer,
    /// Whether it was counted, or else for how long it has to wait; none where nothing was to be read.
    begun: Option<Result<(), Duration>>,
}

// === impl Holder ===

impl Holder<'_> {
    /// Who holds this key.
    pub(super) async fn holder(&self, key: &AgentKey) -> Result<Option<Arc<Access>>, Refusal> {
        let mut reading = Reading::new(self.nobodies, self.client);
        let found = self.directory.by_key_if(key, || reading.begin()).await;
        reading.end(found, self.metrics)
    }

    /// For whom this address signs.
    pub(super) async fn signer(&self, address: Address) -> Result<Arc<Access>, Refusal> {
        let mut reading = Reading::new(self.nobodies, self.client);
        let found = self.directory.by_signer_if(address, || reading.begin()).await;
        let access = reading.end(found, self.metrics)?;
        access.ok_or(Refusal::PaymentRequired(Unpaid::UnknownSigner { address, on_chain: false }))
    }
}

// === impl Reading ===

impl<'a> Reading<'a> {
    const fn new(nobodies: &'a Strangers, client: Consumer) -> Self {
        Self { nobodies, client, begun: None }
    }

    /// Counts it. Whether it may be made.
    fn begin(&mut self) -> bool {
        self.begun.insert(self.nobodies.count(self.client)).is_ok()
    }

    /// What was found, if it was looked for. Who is somebody is not counted, and nobody is for a read that failed.
    fn end<T>(
        self,
        found: Option<Result<Option<T>, DirectoryError>>,
        metrics: &Metrics,
    ) -> Result<Option<T>, Refusal> {
        if let Some(Err(wait)) = self.begun {
            metrics.rate_limited(STRANGERS);
            return Err(Refusal::TooManyPayers { retry_after: seconds(wait).max(1) });
        }
        let found = found.unwrap_or(Ok(None));
        if self.begun.is_some() && !matches!(found, Ok(None)) {
            self.nobodies.take_back(self.client);
        }
        found.map_err(|_| Refusal::LedgerUnavailable)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn whoever_calls_with_many_that_are_nobody_s_waits_before_the_next_read_and_nobody_else_does() {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let nobodies = Strangers::of(NonZeroU32::MIN, NonZeroU32::new(3).unwrap());
        let [flood, honest] = ["192.0.2.1", "192.0.2.2"].map(|address| Consumer::at(address.parse().ok()));
        let read = |client, found: Option<()>| {
            let mut reading = Reading::new(&nobodies, client);
            let found = reading.begin().then_some(Ok(found));
            reading.end(found, &metrics)
        };
        for _ in 0..10 {
            assert!(read(flood, Some(())).is_ok(), "those who are somebody are not counted");
        }
        for _ in 0..3 {
            assert!(matches!(read(flood, None), Ok(None)));
        }
        let refused = read(flood, Some(()));
        assert!(matches!(refused, Err(Refusal::TooManyPayers { retry_after: 1 })), "{refused:?}");
        let remembered = Reading::new(&nobodies, flood).end(Some(Ok(Some(()))), &metrics);
        assert!(remembered.is_ok(), "nothing is read for it");
        assert!(read(honest, None).is_ok());
    }
}
