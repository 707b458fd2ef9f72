//! What chains show otherwise than the books say: who writes it down, and what it comes to.

use domain::PaymentId;

use super::Ledger;
use crate::command::Work;
use crate::difference::{Difference, Shown};
use crate::error::LedgerError;
use crate::reports;

// === impl Ledger ===

impl Ledger {
    /// Writes down what a chain shows for good of a payment that is closed: settled, written off, or voided not long ago. The value goes
    /// into suspense, or comes out of it. None where the books say the same, with all differences so far: nothing is written twice.
    ///
    /// # Errors
    /// [`LedgerError::UnknownPayment`] where it is no closed payment on a public network, [`LedgerError::Amount`],
    /// [`LedgerError::Overloaded`], [`LedgerError::Unavailable`].
    pub async fn differ(&self, payment: PaymentId, shown: Shown) -> Result<Option<Difference>, LedgerError> {
        let late = self.shared.new_payment()?;
        self.work(|reply, permit| Work::Differ { payment, shown, late, reply, _permit: permit }).await
    }

    /// What is in suspense, in atomic units: above zero where chains show more than the books could give to anybody, below it where
    /// they show less.
    ///
    /// # Errors
    /// [`LedgerError::Read`].
    pub async fn suspense(&self) -> Result<i64, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        reports::intents::suspense(&mut connection.session()).await.map_err(crate::reads::read_error)
    }
}
