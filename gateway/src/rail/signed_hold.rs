//! [`SignedHold`]: a request that is held for by a payment on a public network. Value moves before it is captured.
//!
//! From the moment that a settlement is asked for, its outcome is written down whoever still waits for it: it runs in a task of its
//! own. Where nobody knows the outcome the hold stays, and nobody is asked to pay again. Next: `settlement::rail`.

use std::sync::Arc;
use std::time::Instant;

use domain::{Amount, B256, PaymentId, Settle};
use ledger::{CaptureError, Hold, HoldError, Moved, Receipt, Voiding};
use settlement::{Foreign, Settling, Signed, Unread};
use thiserror::Error;

use crate::rail::PublicRail;
use crate::rail::exposure::Exposed;

/// A hold with its intent, and all that it takes to settle it.
pub(crate) struct SignedHold {
    pub(crate) hold: Hold,
    pub(crate) value: Value,
    /// When its upstream must have answered: what is left then is what it takes to settle it.
    pub(crate) answer_by: Instant,
    pub(crate) settle: Settle,
    /// What is taken of it.
    pub(crate) amount: Amount,
    /// Its answer went out before that was known: it is settled behind it.
    pub(crate) is_kept: bool,
    pub(crate) exposed: Exposed,
}

/// What moves its value.
pub(crate) enum Value {
    /// Whoever settles on an EVM network; the chain has the last word.
    Chain { signed: Box<Signed>, rail: Arc<dyn PublicRail> },
    /// The facilitator of another network, whose word is all there is.
    Foreign { unread: Unread, foreign: Foreign, valid_before: u64 },
}

/// Why there is no receipt.
#[derive(Debug, Error)]
pub(crate) enum NotPaid {
    /// Nothing moved: the payment is not worth it. A code.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing moved: its upstream took so long that it could not be settled any more.
    #[error("its upstream's answer is overdue")]
    Overdue,
    /// Nothing moved: nobody could settle it.
    #[error("nobody could settle it")]
    Unavailable,
    /// It may have moved, or still may.
    #[error("unknown")]
    Unknown,
    /// Nothing moved, and that is not written down yet.
    #[error("not voided yet")]
    Unvoided,
    /// The books did not take it.
    #[error("not captured")]
    Books(CaptureError),
}

// === impl SignedHold ===

impl SignedHold {
    pub(crate) fn payment(&self) -> PaymentId {
        self.hold.payment()
    }

    pub(crate) fn maximum(&self) -> Amount {
        self.hold.maximum()
    }

    /// So much is taken of it, where that is less than all.
    pub(crate) fn charging(self, amount: Amount) -> Self {
        Self { amount: self.amount.min(amount), hold: self.hold.charging(amount), ..self }
    }

    /// Its answer goes out from now on, see [`Hold::keep`], and it is settled behind it, whatever its route says. Where nothing is owed
    /// its intent is row enough: a crash leaves it to the chain, which shows that nothing moved.
    pub(crate) async fn keep(self, owed: Amount) -> Result<Self, HoldError> {
        let hold = if owed.is_zero() { self.hold } else { self.hold.keep(owed).await? };
        Ok(Self { hold, is_kept: true, ..self })
    }

    /// Whether its upstream took so long that it cannot be settled any more. One that is paid first waits for no upstream.
    pub(crate) fn is_overdue(&self) -> bool {
        self.settle != Settle::Before && Instant::now() >= self.answer_by
    }

    /// Lets it go. Its settlement was never asked for.
    pub(crate) fn void(self) -> Voiding {
        self.hold.void()
    }

    /// Takes the money, in a task of its own: now, or later where the route says so.
    ///
    /// # Errors
    /// See [`NotPaid`].
    pub(crate) async fn pay(self) -> Result<Receipt, NotPaid> {
        // A task that ended without a word left its hold, and that counts as unknown.
        tokio::spawn(self.take()).await.unwrap_or(Err(NotPaid::Unknown))
    }

    /// The same for one that is settled behind its answer, at once and where nobody waits to be told.
    pub(crate) fn leave_due(self) {
        let payment = self.payment();
        drop(self.hold.capture());
        self.exposed.leave(payment);
    }

    async fn take(self) -> Result<Receipt, NotPaid> {
        if self.amount.is_zero() {
            // Nobody is asked to move nothing.
            return Err(not_moved(self.hold, NotPaid::Refused("nothing_used".to_owned())).await);
        }
        if !self.is_kept && self.is_overdue() {
            return Err(not_moved(self.hold, NotPaid::Overdue).await);
        }
        if self.settle == Settle::Deferred || self.is_kept {
            let receipt = self.hold.capture().await.map_err(NotPaid::Books)?;
            self.exposed.leave(receipt.record().payment);
            return Ok(receipt);
        }
        let (payment, amount) = (self.hold.payment(), self.amount);
        let Self { hold, value, exposed, .. } = self;
        let (hold, settling) = match &value {
            Value::Chain { signed, rail } => (hold, rail.settle(payment, signed, amount).await),
            Value::Foreign { unread, foreign, .. } => {
                // Nothing shows later whether it was asked for: that stands on disk before it is.
                let asked = hold.ask().await.map_err(|_| NotPaid::Unvoided)?;
                (asked, foreign.settle(payment, unread).await)
            }
        };
        let capturing = match settling {
            Settling::Moved(transaction) => hold.capture_settled(value.moved(amount, transaction).await),
            Settling::Told(transaction) => hold.capture_settled(transaction),
            // It may be undone: what is due then is settled again.
            Settling::Shown(transaction) => hold.capture_seen(value.moved(amount, transaction).await),
            Settling::Refused(reason) => return Err(not_moved(hold, NotPaid::Refused(reason)).await),
            Settling::Unavailable(_) => return Err(not_moved(hold, NotPaid::Unavailable).await),
            Settling::Unknown(_) => {
                hold.leave_unknown();
                exposed.leave(payment);
                return Err(NotPaid::Unknown);
            }
        };
        let captured = capturing.await;
        if matches!(captured, Err(CaptureError::Spent)) {
            // Others have all that moved there: what became of this one, nobody knows.
            exposed.leave(payment);
        }
        captured.map_err(NotPaid::Books)
    }

    /// The first Unix second at which it is void.
    pub(crate) fn valid_before(&self) -> u64 {
        self.value.valid_before()
    }
}

async fn not_moved(hold: Hold, why: NotPaid) -> NotPaid {
    match hold.void().await {
        Ok(()) => why,
        Err(_) => NotPaid::Unvoided,
    }
}

// === impl Value ===

impl Value {
    /// What the books are told of so much of it that moved.
    async fn moved(&self, amount: Amount, transaction: B256) -> Moved {
        match self {
            Self::Chain { signed, rail } => rail.moved(signed, amount, transaction).await,
            Self::Foreign { .. } => transaction.into(),
        }
    }

    fn valid_before(&self) -> u64 {
        match self {
            Self::Chain { signed, .. } => signed.valid_before(),
            Self::Foreign { valid_before, .. } => *valid_before,
        }
    }
}

#[cfg(test)]
mod tests;
