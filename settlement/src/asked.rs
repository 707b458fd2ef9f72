//! A settlement because somebody asks for it: of all that is old enough, whatever its date and its amount.

use domain::{SettlementRules, SettlementTerms};
use ledger::{Closing, LedgerError, Settlement};

use crate::books::Books;
use crate::due::ripe_until;
use crate::worker::TRIES;

/// What it would be; none where nothing is old enough.
///
/// # Errors
/// The ledger cannot be read.
pub async fn preview(
    books: &impl Books,
    provider: &str,
    rules: &SettlementRules,
) -> Result<Option<Closing>, LedgerError> {
    let mut tries = 1;
    loop {
        let Some(position) = books.position(provider).await? else { return Ok(None) };
        let Some(tally) = books.begin_tally(provider).await? else { return Ok(None) };
        let tally = books.extend_tally(tally, ripe_until(rules, &position, books.time())).await?;
        if tally.payments() == 0 {
            return Ok(None);
        }
        match books.close_tally(&tally).await? {
            Some(closing) => return Ok(Some(closing)),
            // Somebody else settled meanwhile.
            None if tries < TRIES => tries += 1,
            None => return Err(LedgerError::Stale),
        }
    }
}

/// Makes it; none where nothing is old enough, or refunds leave nothing.
///
/// # Errors
/// As [`ledger::Ledger::settle`].
pub async fn settle(
    books: &impl Books,
    provider: &str,
    terms: &SettlementTerms,
) -> Result<Option<Settlement>, LedgerError> {
    let mut tries = 1;
    loop {
        let closing = preview(books, provider, &terms.rules).await?;
        let Some(closing) = closing.filter(|closing| closing.net().is_some()) else { return Ok(None) };
        match books.settle(closing, terms.destination.clone()).await {
            Err(LedgerError::Stale) if tries < TRIES => tries += 1,
            other => return other.map(Some),
        }
    }
}
