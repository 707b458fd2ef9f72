//! What chains show otherwise than the books say: who writes it down, and what it comes to.

use domain::PaymentId;

use super::Ledger;
use crate::command::Work;
use crate::difference::{Difference, Shown};
use crate::error::LedgerError;
use crate::reports::suspended::SuspendedFilter;
use crate::reports::{self, Listed, Page, within};
use crate::resolution::{Resolution, Resolving, Suspended};

// === impl Ledger ===

impl Ledger {
    /// Writes down what a chain shows for good of a payment that is closed: settled, written off, or voided not long ago. The value goes
    /// into suspense, or comes out of it. None where the books say the same, with all differences so far: nothing is written twice.
    ///
    /// # Errors
    /// [`LedgerError::UnknownPayment`] where it is no closed payment on a public network, [`LedgerError::Amount`],
    /// [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn differ(&self, payment: PaymentId, shown: Shown) -> Result<Option<Difference>, LedgerError> {
        let late = self.shared.new_payment()?;
        self.work(|reply, permit| Work::Differ { payment, shown, late, reply, _permit: permit }).await
    }

    /// Decides of what is in suspense of a payment: one commit moves it, books or sends it, and says why.
    ///
    /// # Errors
    /// [`LedgerError::UnknownDifference`], [`LedgerError::NotInSuspense`], [`LedgerError::OperatorOnly`], [`LedgerError::NoPayer`];
    /// [`LedgerError::OnChain`] where it came to the provider's own address and cannot be sent back by us, [`LedgerError::Deposit`] where a
    /// deposit is to be the provider's; [`LedgerError::NoOutlet`],
    /// [`LedgerError::RefundLimit`], [`LedgerError::Conflict`] where the idempotency key was used for something else, [`LedgerError::Amount`],
    /// [`LedgerError::UnknownProvider`], [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn resolve(&self, resolving: Resolving) -> Result<Resolution, LedgerError> {
        let (id, late) = (self.shared.new_transfer()?, self.shared.new_payment()?);
        let (resolving, who) = (Box::new(resolving), self.who.clone());
        self.work(|reply, permit| Work::Resolve { resolving, id, late, who, reply, _permit: permit }).await
    }

    /// Payments of which a chain showed something else than the books said.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn suspended_list(
        &self,
        filter: &SuspendedFilter,
        page: Page<PaymentId>,
    ) -> Result<Listed<Suspended, PaymentId>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::suspended::list(&mut connection.session(), filter, &page)).await
    }

    /// One of them, and what was decided of it.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn suspended(
        &self,
        payment: PaymentId,
    ) -> Result<Option<(Suspended, Vec<Resolution>)>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let found = within(reports::suspended::one(&mut connection.session(), payment)).await?;
        let Some(found) = found else { return Ok(None) };
        let decided = within(reports::suspended::resolutions_of(&mut connection.session(), payment)).await?;
        Ok(Some((found, decided)))
    }

    /// What is in suspense, in atomic units: above zero where chains show more than the books could give to anybody, below it where
    /// they show less.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn suspense(&self) -> Result<i64, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        reports::intents::suspense(&mut connection.session()).await.map_err(crate::reads::read_error)
    }
}
