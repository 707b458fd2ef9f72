//! [`Held`]: a hold of either rail, for whoever only wants to end it.

use domain::{Amount, PaymentId};
use ledger::{Hold, HoldError, Receipt, Voiding};

use crate::answer::refusal::Refusal;
use crate::rail::signed_hold::SignedHold;
use crate::stage::capture::{uncaptured, unpaid};

/// A hold, whatever it is paid with.
pub(crate) enum Held {
    /// From a wallet.
    Wallet(Hold),
    /// On a public network.
    Signed(Box<SignedHold>),
}

// === impl Held ===

impl Held {
    pub(crate) fn payment(&self) -> PaymentId {
        match self {
            Self::Wallet(hold) => hold.payment(),
            Self::Signed(signed) => signed.payment(),
        }
    }

    /// So much is taken of it, where that is less than all.
    pub(crate) fn charging(self, amount: Amount) -> Self {
        match self {
            Self::Wallet(hold) => Self::Wallet(hold.charging(amount)),
            Self::Signed(signed) => Self::Signed(Box::new(signed.charging(amount))),
        }
    }

    /// Its answer goes out from now on, see [`Hold::keep`].
    pub(crate) async fn keep(self, owed: Amount) -> Result<Self, HoldError> {
        match self {
            Self::Wallet(hold) => hold.keep(owed).await.map(Self::Wallet),
            Self::Signed(signed) => Ok(Self::Signed(Box::new(signed.keep(owed).await?))),
        }
    }

    /// Takes the money.
    ///
    /// # Errors
    /// What is said where it was not taken, or nobody knows.
    pub(crate) async fn capture(self) -> Result<Receipt, Refusal> {
        let payment = self.payment();
        match self {
            Self::Wallet(hold) => hold.capture().await.map_err(|error| uncaptured(&error, payment)),
            Self::Signed(signed) => signed.pay().await.map_err(|not_paid| unpaid(not_paid, payment)),
        }
    }

    /// The same for one whose answer went out, where nobody waits to be told.
    pub(crate) fn leave_captured(self) {
        match self {
            Self::Wallet(hold) => drop(hold.capture()),
            Self::Signed(signed) => signed.leave_due(),
        }
    }

    /// Whether so much is nothing that could be moved for it.
    pub(crate) fn is_unused(&self, amount: Amount) -> bool {
        amount.is_zero() && matches!(self, Self::Signed(_))
    }

    pub(crate) fn void(self) -> Voiding {
        match self {
            Self::Wallet(hold) => hold.void(),
            Self::Signed(signed) => signed.void(),
        }
    }
}
