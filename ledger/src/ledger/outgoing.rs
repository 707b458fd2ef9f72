//! Transfers out of our treasury: who sends them asks for those that are due, and says step by step what became of each.

use domain::{B256, OutgoingId, PaymentId, UnixMillis};

use super::Ledger;
use crate::command::Work;
use crate::error::LedgerError;
use crate::outgoing::{Outgoing, OutgoingState, Outlet, Step};
use crate::reports::outgoing::{self as reports, OutgoingFilter};
use crate::reports::{Listed, Page, within};

// === impl Ledger ===

impl Ledger {
    /// Those of a network that are to be sent (`Due`), or were and are not over (`Sent`), in the order of their names and behind one of
    /// them. A refund is among them once the payment that it gives back has itself moved for good.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn outgoing_open(
        &self,
        network: &str,
        state: OutgoingState,
        after: Option<OutgoingId>,
        limit: u32,
    ) -> Result<Vec<Outgoing>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::open(&mut connection.session(), network, state, after, limit)).await
    }

    /// Those that left, as the books have it, in the order in which they did and behind one of them.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn outgoing_paid(
        &self,
        after: (UnixMillis, OutgoingId),
        limit: u32,
    ) -> Result<Vec<Outgoing>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::paid(&mut connection.session(), after, limit)).await
    }

    /// The next step of one. A step that was made before is no other one.
    ///
    /// # Errors
    /// [`LedgerError::UnknownOutgoing`], [`LedgerError::Step`] where it is not in a state for that, [`LedgerError::TransactionUsed`],
    /// [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn outgoing_step(&self, outgoing: &Outgoing, step: Step) -> Result<Outgoing, LedgerError> {
        let (outgoing, transfer) = (Box::new(outgoing.clone()), self.shared.new_transfer()?);
        let who = self.who.clone();
        self.work(|reply, permit| Work::Step { outgoing, step, transfer, who, reply, _permit: permit }).await
    }

    /// Whether another one than this left by a transaction, or may have: each of ours has one of its own.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn outgoing_has_left_by(
        &self,
        transaction: B256,
        than: OutgoingId,
    ) -> Result<bool, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::another_by(&mut connection.session(), transaction, than)).await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn outgoing(&self, id: OutgoingId) -> Result<Option<Outgoing>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::one(&mut connection.session(), id)).await
    }

    /// Those that fit a filter.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn outgoing_list(
        &self,
        filter: &OutgoingFilter,
        page: Page<OutgoingId>,
    ) -> Result<Listed<Outgoing, OutgoingId>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::list(&mut connection.session(), filter, &page)).await
    }

    /// What is sent, or was, of a payment that is given back, in order.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn outgoing_of(&self, payment: PaymentId) -> Result<Vec<Outgoing>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        within(reports::of_payment(&mut connection.session(), payment)).await
    }

    /// Whether money can leave our treasury on a network.
    #[must_use]
    pub fn outlet(&self, network: &str) -> Option<Outlet> {
        self.shared.settings.outlets.get(network).copied()
    }
}
