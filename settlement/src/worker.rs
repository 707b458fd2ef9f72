//! [`Worker`]: settles with whoever is due, one provider after the other, again and again.
//!
//! Every step only reads, but for the last, which the ledger commits whole or not at all. Whatever ends the worker, wherever:
//! the next one begins with what the books say, and goes on. Next: [`crate::due`] for when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, SettlementTerms, UnixMillis};
use ledger::{LedgerError, Settlement, Tally};
use thiserror::Error;
use tokio::sync::watch;

use crate::books::Books;
use crate::due::{Due, due};
use crate::observer::SettlementObserver;
use crate::terms::{TermsError, TermsSource};
use crate::ticks::Ticks;

/// How often a provider is tried in one round, where somebody else settles with it at the same time.
pub(crate) const TRIES: u32 = 3;

/// Why a provider was not settled with in this round.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettlementError {
    /// Nobody was.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The ledger refused, or could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Made, in order.
    pub settled: Vec<Settlement>,
    /// Providers that could not be settled with, and why; tried again in the next round.
    pub failed: Vec<(Arc<str>, SettlementError)>,
}

/// The settlement worker. It may be dropped at any point.
pub struct Worker<B> {
    books: B,
    terms: Arc<dyn TermsSource>,
    observer: Arc<dyn SettlementObserver>,
    /// Sums that were read and did not suffice yet: the next round reads what came since.
    tallies: HashMap<Arc<str>, Kept>,
}

/// A tally of all that was captured before `until`.
struct Kept {
    tally: Tally,
    until: UnixMillis,
}

// === impl Worker ===

impl<B: Books> Worker<B> {
    /// A worker that knows nothing yet.
    pub fn new(books: B, terms: Arc<dyn TermsSource>, observer: Arc<dyn SettlementObserver>) -> Self {
        Self { books, terms, observer, tallies: HashMap::new() }
    }

    /// Works until `stop` says so, a round every `interval`.
    pub async fn run(mut self, interval: Duration, stop: watch::Receiver<bool>) {
        let mut ticks = Ticks::new(interval, stop);
        while ticks.next().await {
            self.round().await;
        }
    }

    /// Looks at every provider once.
    pub async fn round(&mut self) -> Round {
        let mut round = Round::default();
        let all = match self.terms.terms().await {
            Ok(all) => all,
            Err(error) => {
                self.fail(None, &error.into());
                return round;
            }
        };
        self.tallies.retain(|name, _| all.iter().any(|(other, _)| other == name));
        for (name, terms) in all {
            match self.provider(&name, &terms).await {
                Ok(settled) => round.settled.extend(settled),
                Err(error) => {
                    self.fail(Some(&name), &error);
                    round.failed.push((name, error));
                }
            }
        }
        self.observer.finished();
        round
    }

    fn fail(&self, provider: Option<&str>, error: &SettlementError) {
        tracing::warn!(provider, %error, "no settlement was made; it is tried again");
        self.observer.failed(provider, error);
    }

    async fn provider(
        &mut self,
        name: &Arc<str>,
        terms: &SettlementTerms,
    ) -> Result<Option<Settlement>, SettlementError> {
        let mut tries = 1;
        loop {
            match self.attempt(name, terms).await {
                Err(SettlementError::Ledger(LedgerError::Stale)) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    /// One settlement, if it is due. Stale: somebody else made one in the meantime.
    async fn attempt(
        &mut self,
        name: &Arc<str>,
        terms: &SettlementTerms,
    ) -> Result<Option<Settlement>, SettlementError> {
        let kept = self.tallies.remove(name);
        let Some(position) = self.books.position(name).await? else { return Ok(None) };
        let now = self.books.time();
        self.observer.looked(&position, &terms.rules, now);
        let Due::Yes { until, at_least } = due(&terms.rules, &position, now) else {
            // What it has is still true, as long as nothing was settled.
            self.tallies.extend(kept.map(|kept| (Arc::clone(name), kept)));
            return Ok(None);
        };
        let tally = match kept.filter(|kept| kept.until <= until) {
            Some(kept) => Some(kept.tally),
            None => self.books.begin_tally(name).await?,
        };
        let Some(tally) = tally else { return Ok(None) };
        let tally = self.books.extend_tally(tally, until).await?;
        let Some(closing) = self.books.close_tally(&tally).await? else {
            return if tally.payments() == 0 { Ok(None) } else { Err(LedgerError::Stale.into()) };
        };
        if closing.net().is_none_or(|net| net < at_least.max(ONE)) {
            self.tallies.insert(Arc::clone(name), Kept { tally, until });
            return Ok(None);
        }
        // Its sums took a while: who was suspended meanwhile keeps what it earned, and nothing goes where it is not to go any more.
        let Some(SettlementTerms { destination, .. }) = self.terms.terms_of(name).await? else {
            return Ok(None);
        };
        let settlement = self.books.settle(closing, destination).await?;
        tracing::info!(
            settlement = %settlement.id,
            provider = %name,
            payments = settlement.payments,
            net = %settlement.net,
            "settled"
        );
        self.observer.settled(&settlement);
        Ok(Some(settlement))
    }
}

/// Less is nothing.
const ONE: Amount = match Amount::from_atomic(1) {
    Some(one) => one,
    None => Amount::ZERO,
};
