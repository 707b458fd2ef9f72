//! Lists and reports of the ledger, for the management API, the settlement worker and whoever follows the books.
//!
//! All of it is read beside the writer, from committed rows: nothing here keeps a request waiting. Next: [`crate::reports`].

use std::sync::Arc;

use domain::{Amount, PaymentId, PayoutId, SettlementId, TransferId, UnixMillis, WalletId};

use super::{Ledger, amount};
use crate::account::{PaymentRecord, Refunded, Transfer, WalletBalance};
use crate::error::LedgerError;
use crate::reports::changes::{self, CapturedRange, Changes, Head};
use crate::reports::closing::{self, Tally};
use crate::reports::lists::{self, ListedWallet, PayoutFilter};
use crate::reports::payments::{self, PaymentFilter};
use crate::reports::position::{self, Position};
use crate::reports::usage::{self, Consumer, Revenue, RevenueBy};
use crate::reports::{Listed, Page, Timeline, within};
use crate::settlement::{Closing, Payout, Settlement};

/// Runs one report on a connection of its own: `report!(self, session => lists::payout(session, id))`.
macro_rules! report {
    ($ledger:expr, $session:ident => $report:expr) => {{
        let mut connection = $ledger.shared.reads.report().await?;
        let $session = &mut connection.session();
        within($report).await
    }};
}

// === impl Ledger ===

impl Ledger {
    /// Captured payments that fit a filter; the cursor is [`PaymentRecord::number`]. A page may be short, or empty, with more
    /// behind it: what no index has is looked for in so many rows at a time.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn payments(
        &self,
        filter: &PaymentFilter,
        page: Page<i64>,
    ) -> Result<Listed<PaymentRecord, i64>, LedgerError> {
        report!(self, session => payments::list(session, filter, &page))
    }

    /// How the database would look for a page of payments.
    #[cfg(test)]
    pub(crate) async fn payments_plan(
        &self,
        filter: &PaymentFilter,
        page: Page<i64>,
    ) -> Result<Vec<String>, LedgerError> {
        report!(self, session => payments::plan(session, filter, &page))
    }

    /// All that is known of a captured payment; `None` where nothing was captured under this name.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn timeline(&self, id: PaymentId) -> Result<Option<Timeline>, LedgerError> {
        let Some(payment) = self.payment(id).await? else { return Ok(None) };
        let refunds = self.refunds_of(id).await?;
        let (provider, number) = (&payment.receipt.provider, payment.number);
        let is_direct = payment.receipt.on_chain.as_ref().is_some_and(|on_chain| on_chain.direct);
        let settlement = match is_direct {
            true => None,
            false => report!(self, session => lists::settlement_of(session, provider, number))?,
        };
        let payout = match &settlement {
            Some(settlement) => self.payout(settlement.payout).await?,
            None => None,
        };
        let delivery = self.shared.memory.lock().deliveries.state(&id);
        Ok(Some(Timeline { payment, delivery, refunds, settlement, payout }))
    }

    /// What was given back of a payment, in order.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn refunds_of(&self, payment: PaymentId) -> Result<Vec<Refunded>, LedgerError> {
        report!(self, session => lists::refunds_of(session, payment))
    }

    /// What moved in and out of a wallet beside payments and refunds.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn transfers(
        &self,
        wallet: WalletId,
        page: Page<TransferId>,
    ) -> Result<Listed<Transfer, TransferId>, LedgerError> {
        report!(self, session => lists::transfers_of(session, wallet, &page))
    }

    /// All wallets, in the order in which they were made; the cursor is [`ListedWallet::number`].
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn wallets(&self, page: Page<i64>) -> Result<Listed<ListedWallet, i64>, LedgerError> {
        report!(self, session => lists::wallets(session, &page))
    }

    /// Balances of many wallets at once, in their order; `None` for one that does not exist.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn balances(&self, wallets: &[WalletId]) -> Result<Vec<Option<WalletBalance>>, LedgerError> {
        let read = report!(self, session => lists::balances(session, wallets))?;
        let held = self.shared_holds(wallets).await?;
        let memory = self.shared.memory.lock();
        let known = |wallet: &WalletId| {
            // Memory is never behind what was read.
            let read = read.get(wallet).map(|balance| (*balance, 0));
            let (balance, held) = match &held {
                None => memory.wallet(wallet).or(read)?,
                Some(held) => (read?.0, held.get(wallet).copied().unwrap_or(0)),
            };
            let available = amount(balance - held);
            Some(WalletBalance { balance: amount(balance), held: amount(held), available })
        };
        Ok(wallets.iter().map(known).collect())
    }

    /// What a provider earned and was not settled with, at this moment; `None` where it has no account. Costs the same however
    /// many payments there are.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn position(&self, provider: &str) -> Result<Option<Position>, LedgerError> {
        report!(self, session => position::read(session, provider))
    }

    /// Each provider that earned more than was settled with it, by name, and how much: also those that sell nothing any more.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn owed(&self) -> Result<Vec<(Arc<str>, Amount)>, LedgerError> {
        report!(self, session => position::owed(session))
    }

    /// An empty tally of what is behind a provider's last settlement; `None` where it has no account.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn begin_tally(&self, provider: &str) -> Result<Option<Tally>, LedgerError> {
        report!(self, session => closing::begin(session, provider))
    }

    /// Adds the payments that were captured before `until` to a tally. Where it fails, the tally is to be begun anew.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn extend_tally(&self, tally: Tally, until: UnixMillis) -> Result<Tally, LedgerError> {
        report!(self, session => closing::extend(session, tally, until))
    }

    /// What a settlement of a tally would be, with the refunds of this moment; `None` where it is empty, or where the
    /// provider was settled with since it was begun. [`Self::settle`] makes it one.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn close_tally(&self, tally: &Tally) -> Result<Option<Closing>, LedgerError> {
        report!(self, session => closing::close(session, tally))
    }

    /// Settlements of one provider, or of all.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn settlements(
        &self,
        provider: Option<&str>,
        page: Page<SettlementId>,
    ) -> Result<Listed<Settlement, SettlementId>, LedgerError> {
        report!(self, session => lists::settlements(session, provider, &page))
    }

    /// One settlement. Its members are [`Self::payments`] with [`PaymentFilter::settlement`].
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, LedgerError> {
        report!(self, session => lists::settlement(session, id))
    }

    /// Payouts that fit a filter.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn payouts(
        &self,
        filter: &PayoutFilter,
        page: Page<PayoutId>,
    ) -> Result<Listed<Payout, PayoutId>, LedgerError> {
        report!(self, session => lists::payouts(session, filter, &page))
    }

    /// One payout.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn payout(&self, id: PayoutId) -> Result<Option<Payout>, LedgerError> {
        report!(self, session => lists::payout(session, id))
    }

    /// A provider's revenue from the day of `from` until the day of `until`, both included, UTC: at most `most` rows. By day and
    /// route there may be a million.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn revenue(
        &self,
        provider: &str,
        (from, until): (UnixMillis, UnixMillis),
        by: RevenueBy,
        most: usize,
    ) -> Result<Vec<Revenue>, LedgerError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        report!(self, session => usage::revenue(session, provider, (from, until), by, most))
    }

    /// The agents that spent the most with a provider in the calendar month that `at` lies in, UTC.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn consumers(
        &self,
        provider: &str,
        at: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Consumer>, LedgerError> {
        report!(self, session => usage::consumers(session, provider, at, i64::from(limit)))
    }

    /// How far the books are: the last batch, and the last payment of it.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn head(&self) -> Result<Head, LedgerError> {
        report!(self, session => changes::head(session))
    }

    /// Payments with numbers above the first and up to the second, summed up by provider.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn captured_between(
        &self,
        (after, upto): (i64, i64),
    ) -> Result<Vec<CapturedRange>, LedgerError> {
        report!(self, session => changes::captured(session, (after, upto)))
    }

    /// What was committed beside payments in batches above the first and up to the second: whole batches, with at most
    /// `limit` rows of each kind, but at least one batch. Begin with 0, go on with [`Changes::upto`].
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn changes(&self, (after, upto): (i64, i64), limit: u32) -> Result<Changes, LedgerError> {
        report!(self, session => changes::between(session, (after, upto), i64::from(limit)))
    }

    /// Wallets whose balance changed after one place of the books and up to another.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn touched(&self, after: Head, upto: Head) -> Result<Vec<WalletId>, LedgerError> {
        report!(self, session => changes::touched(session, after, upto))
    }

    /// Committed balances of those of these wallets that exist, and the batch after which they were so: from the rows,
    /// whatever memory holds.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn committed_balances(
        &self,
        wallets: &[WalletId],
    ) -> Result<Vec<(WalletId, Amount, i64)>, LedgerError> {
        report!(self, session => changes::balances(session, wallets))
    }
}
