//! [`TermsSource`]: where the worker learns with whom it settles, and on which terms. The registry has them; tests have their own.

use std::sync::Arc;

use async_trait::async_trait;
use domain::SettlementTerms;
use thiserror::Error;

/// The terms could not be read: nothing is settled until they can be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the terms of settlements could not be read: {0}")]
pub struct TermsError(pub String);

/// Asked before each round, and once more before each settlement: a round may take long, and what is suspended or goes elsewhere by then is so.
#[async_trait]
pub trait TermsSource: Send + Sync + 'static {
    /// Every provider that is to be settled with, by name. Who is not named is left alone, and keeps what it earned.
    async fn terms(&self) -> Result<Vec<(Arc<str>, SettlementTerms)>, TermsError>;

    /// The same of one provider, right before it is settled with: none where it is to be left alone by now.
    async fn terms_of(&self, provider: &str) -> Result<Option<SettlementTerms>, TermsError>;
}
