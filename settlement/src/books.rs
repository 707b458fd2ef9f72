//! [`Books`]: what the worker asks of the ledger. The seam for tests, which let each step fail.

use async_trait::async_trait;
use domain::{PayoutDestination, UnixMillis};
use ledger::{Closing, Ledger, LedgerError, Position, Settlement, Tally};

/// The steps of a settlement, in order; each is what the ledger's method of that name is.
#[async_trait]
pub trait Books: Send + Sync + 'static {
    /// Ledger time.
    fn time(&self) -> UnixMillis;

    /// What a provider earned and was not settled with.
    async fn position(&self, provider: &str) -> Result<Option<Position>, LedgerError>;

    /// An empty tally behind its last settlement.
    async fn begin_tally(&self, provider: &str) -> Result<Option<Tally>, LedgerError>;

    /// Adds what was captured before `until`.
    async fn extend_tally(&self, tally: Tally, until: UnixMillis) -> Result<Tally, LedgerError>;

    /// With the refunds of this moment; none where somebody settled with the provider since.
    async fn close_tally(&self, tally: &Tally) -> Result<Option<Closing>, LedgerError>;

    /// Makes it a settlement.
    async fn settle(&self, closing: Closing, to: PayoutDestination) -> Result<Settlement, LedgerError>;
}

#[async_trait]
impl Books for Ledger {
    fn time(&self) -> UnixMillis {
        Self::time(self)
    }

    async fn position(&self, provider: &str) -> Result<Option<Position>, LedgerError> {
        Self::position(self, provider).await
    }

    async fn begin_tally(&self, provider: &str) -> Result<Option<Tally>, LedgerError> {
        Self::begin_tally(self, provider).await
    }

    async fn extend_tally(&self, tally: Tally, until: UnixMillis) -> Result<Tally, LedgerError> {
        Self::extend_tally(self, tally, until).await
    }

    async fn close_tally(&self, tally: &Tally) -> Result<Option<Closing>, LedgerError> {
        Self::close_tally(self, tally).await
    }

    async fn settle(&self, closing: Closing, to: PayoutDestination) -> Result<Settlement, LedgerError> {
        Self::settle(self, closing, to).await
    }
}
