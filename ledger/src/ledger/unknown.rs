//! Payments on public networks by which value may still move: who asks for them, and who says what the chain shows.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{Custody, PaymentId, TransactionId, TransferId, UnixMillis};
use tokio::sync::oneshot;

use super::Ledger;
use crate::account::{RefundReason, Refunded};
use crate::batch::End;
use crate::command::{Command, Work};
use crate::error::{CaptureError, LedgerError, VoidError};
use crate::hold::Holding;
use crate::intent::{BookedIntent, Close, Debtor, Due, DuePlace, Intent, OpenIntent};
use crate::reports;
use crate::share::{Alike, Moved};

// === impl Ledger ===

impl Ledger {
    /// Holds of which nobody knows whether their value moved: what was left by [`crate::Hold::leave_unknown`], and all that a crash
    /// left, the earliest to expire first.
    #[must_use]
    pub fn unknown(&self) -> Vec<OpenIntent> {
        let mut unknown = self.shared.parked.list(open);
        unknown.sort_by_key(|open| (open.intent.valid_before, open.payment));
        unknown
    }

    /// One of them.
    #[must_use]
    pub fn open_unknown(&self, payment: PaymentId) -> Option<OpenIntent> {
        self.shared.parked.look(&payment, open)
    }

    /// Closes one of them by what the chain shows: captured, or never charged. Its delivery is owed then: the same request may
    /// come once more, free; a deposit has funded its wallet. Where somebody asks ([`Self::asked_by`]) it is theirs to say, and the commit
    /// says so ([`crate::Verdict`]).
    ///
    /// # Errors
    /// [`LedgerError::UnknownPayment`] where it is none of them; [`LedgerError::TransactionSpent`] where the transaction paid for another
    /// payment: it is one of them still; [`LedgerError::Unavailable`] where it could not be written: it is one of them still, or will be at
    /// the next start; [`LedgerError::Unknown`] where it is tried until it stands.
    pub async fn close(&self, payment: PaymentId, evidence: Close) -> Result<(), LedgerError> {
        let mut holding = self.shared.parked.take(&payment).ok_or(LedgerError::UnknownPayment)?;
        let is_deposit = holding.is_deposit();
        holding.said_by = self.who.clone();
        match evidence {
            Close::Void => return holding.void().await.map_err(|VoidError::Unknown| LedgerError::Unknown),
            Close::Moved(moved) => {
                holding.move_by(End::Settled, moved);
                holding.used = None;
                holding.owed = None;
            }
            Close::MovedPart(moved, amount) => {
                holding.move_by(End::Settled, moved);
                holding.used = Some(amount);
            }
        }
        match holding.capture().await {
            // What funds a wallet is delivered with that.
            Ok(receipt) if is_deposit => {
                receipt.delivered();
                Ok(())
            }
            Ok(receipt) => {
                drop(receipt);
                Ok(())
            }
            Err(CaptureError::Spent) => Err(LedgerError::TransactionSpent),
            Err(CaptureError::Failed | CaptureError::Refused) => Err(LedgerError::Unavailable),
            Err(CaptureError::Unknown) => Err(LedgerError::Unknown),
        }
    }

    /// Which payment was settled in this transaction, on a network that is not read here: there one transaction pays once.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn settled_by(
        &self,
        network: &str,
        transaction: TransactionId,
    ) -> Result<Option<PaymentId>, LedgerError> {
        let mut connection = self.shared.reads.connection().await?;
        let settled = reports::intents::settled_by(&mut connection.session(), network, transaction).await;
        settled.map_err(crate::reads::read_error)
    }

    /// Captured payments on a network (CAIP-2) that are still to be settled, or whose settlement may still be undone, the earliest to
    /// expire first; without those that cannot be read.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn due(&self, network: &str, limit: u32) -> Result<Vec<OpenIntent>, LedgerError> {
        let due = self.due_between(network, (DuePlace::FIRST, i64::MAX), limit).await?;
        Ok(due.into_iter().filter_map(|due| due.open).collect())
    }

    /// The same, all of them, behind a place, and of times up to that Unix second. Each network for itself: one that stands still is in no
    /// other's way.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn due_between(
        &self,
        network: &str,
        between: (DuePlace, i64),
        limit: u32,
    ) -> Result<Vec<Due>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let due = reports::intents::due(&mut connection.session(), network, between, limit).await;
        due.map_err(crate::reads::read_error)
    }

    /// Those of these payments by which value may still move: held, unknown, or due.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn still_open(&self, payments: &[PaymentId]) -> Result<HashSet<PaymentId>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let open = reports::intents::still_open(&mut connection.session(), payments).await;
        open.map_err(crate::reads::read_error)
    }

    /// The networks (CAIP-2) on which value may still move, each with the number of such payments.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn open_on(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let open = reports::intents::open_on(&mut connection.session()).await;
        open.map_err(crate::reads::read_error)
    }

    /// What the books say of payments on public networks, from one on that comes after `after`, in the order of time; those that were
    /// voided have left nothing.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn booked(&self, after: PaymentId, limit: u32) -> Result<Vec<BookedIntent>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let booked = reports::intents::booked(&mut connection.session(), after, limit).await;
        booked.map_err(crate::reads::read_error)
    }

    /// How many other payments the books have for what moved this one, where it does not say which ones it paid for; what chains show
    /// otherwise counts in.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn paid_by(&self, alike: &Alike, payment: PaymentId) -> Result<u64, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let paid = reports::shares::paid_by(&mut connection.session(), alike, payment).await;
        paid.map_err(crate::reads::read_error)
    }

    /// Writes down that the value of a captured payment moved for good, in this transaction.
    ///
    /// # Errors
    /// [`LedgerError::TransactionSpent`] where that paid for as many others as it can; [`LedgerError::Unavailable`], also where it is not due; [`LedgerError::Unknown`]; [`LedgerError::Overloaded`].
    pub async fn settled(&self, payment: PaymentId, moved: impl Into<Moved>) -> Result<(), LedgerError> {
        let moved = Box::new(moved.into());
        self.work(|reply, permit| Work::CloseIntent { payment, moved, reply, _permit: permit }).await
    }

    /// Writes down that the value of a captured payment can never move any more: it is given back in the books, because nobody
    /// paid it.
    ///
    /// # Errors
    /// [`LedgerError::NotOpen`], [`LedgerError::Deposit`], [`LedgerError::UnknownPayment`],
    /// [`LedgerError::RefundedBefore`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`], [`LedgerError::Overloaded`].
    pub async fn write_off(&self, payment: PaymentId) -> Result<Refunded, LedgerError> {
        let permit = self.shared.permit().ok_or(LedgerError::Overloaded)?;
        let id: TransferId = self.shared.new_transfer()?;
        let (reply, answer) = oneshot::channel();
        let work = Work::Refund {
            payment,
            id,
            amount: None,
            reason: RefundReason::WrittenOff,
            key: None,
            who: None,
            reply: Some(reply),
            _permit: Some(permit),
        };
        self.shared.send(Command::Operation(work)).map_err(|_| LedgerError::Unavailable)?;
        answer.await.unwrap_or(Err(LedgerError::Unknown))
    }

    /// Payers on public networks that were served since `since` for what could never be collected, the last ones first.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn debtors(&self, since: UnixMillis, limit: u32) -> Result<Vec<Debtor>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let debtors = reports::intents::debtors(&mut connection.session(), since, limit).await;
        debtors.map_err(crate::reads::read_error)
    }

    /// Opens what a payment on a public network moves between.
    pub(super) async fn open_chain(&self, intent: &Intent, provider: &str) -> Result<(), LedgerError> {
        let token = intent.account();
        let (has_token, has_direct) = {
            let memory = self.shared.memory.lock();
            (memory.facts.wallets.peek(&token.wallet).is_some(), memory.facts.direct.contains_key(provider))
        };
        if !has_token {
            self.work(|reply, permit| Work::OpenToken { token, reply, _permit: permit }).await?;
        }
        match intent.custody {
            Custody::Treasury => self.open_provider(provider).await,
            Custody::Direct if has_direct => Ok(()),
            Custody::Direct => {
                let name = Arc::from(provider);
                self.work(|reply, permit| Work::OpenDirect { name, reply, _permit: permit }).await
            }
        }
    }
}

/// As it stands: whoever was asked to settle it was asked for what was used.
fn open(holding: &Holding) -> Option<OpenIntent> {
    let intent = Arc::clone(holding.request.intent.as_ref()?);
    let (payment, most) = (holding.request.payment, holding.cost.maximum);
    let amount = holding.used.map_or(most, |used| used.min(most));
    Some(OpenIntent { payment, amount, held_at: holding.held.at, seen: None, intent })
}
