//! [`Outgoing`]: a transfer out of our treasury on a public network: a payout of the rail `chain`, or a payment that is given back.
//!
//! It is written in the commit that books what it is for, and it outlives the process. Whoever sends says what became of it, step by
//! step ([`Step`]); that one is sent once, whatever crashes, is the sender's to see to. A refund of a payment is sent only once that
//! payment's own value has moved for good; where it never does, nothing goes back ([`OutgoingState::Void`]).
//! Nothing here asks a chain. Next: `decide::outgoing` for the steps, the crate `settlement` for who sends.

use std::sync::Arc;

use domain::{Amount, B256, ChainAccount, OutgoingId, PaymentId, PayoutId, TransferId, UnixMillis};

use crate::intent::Token;

/// A transfer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its name.
    pub id: OutgoingId,
    /// Whose money it is, or was.
    pub provider: Arc<str>,
    /// The payment that it gives back; a payout where neither this nor the next one is.
    pub refund_of: Option<PaymentId>,
    /// The payment of which it gives back what was in suspense.
    pub suspense_of: Option<PaymentId>,
    /// Where it goes.
    pub to: ChainAccount,
    /// Atomic units of its token.
    pub amount: Amount,
    /// What became of it.
    pub state: OutgoingState,
    /// The transaction that moved it: for good where it is paid, else in a block that may still be undone.
    pub transaction: Option<B256>,
    /// Why it failed.
    pub reason: Option<String>,
    /// How often a person had it tried again.
    pub tries: u32,
    /// Ledger time of the commit that booked what it is for.
    pub at: UnixMillis,
    /// Ledger time of its last step.
    pub changed_at: UnixMillis,
}

/// What became of a transfer of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutgoingState {
    /// It is to be sent.
    Due,
    /// It was handed to whoever sends.
    Sent,
    /// It moved for good.
    Paid,
    /// It did not move; a person decides what is next.
    Failed,
    /// Nothing is to be sent any more: the payment itself never came, or a person paid it in another way.
    Void,
}

/// The next step of a transfer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is handed to whoever sends: written down before.
    Send,
    /// A block shows it, which may still be undone.
    Show(B256),
    /// It moved for good.
    Pay(B256),
    /// It did not move, and never will by what was sent.
    Fail(String),
    /// A person has it tried again.
    Retry,
    /// It left in another way than by whoever sends, in this transaction, and never will by them.
    Left(B256),
}

/// A step that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Of the commit.
    pub batch: i64,
    /// Its name, for whoever asked for it. Where it paid a payout, the transfer's name stands for both.
    pub name: [u8; 16],
    /// The transfer, as it was then.
    pub outgoing: Outgoing,
}

/// That money can leave our treasury on a network: its settler is the treasury's own key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlet {
    /// The most that people may give back there in a day, UTC; none: as much as they like. What is given back by a rule has no limit.
    pub refunds_per_day: Option<Amount>,
}

// === impl Outgoing ===

impl Outgoing {
    /// The payout that it is.
    #[must_use]
    pub fn payout(&self) -> Option<PayoutId> {
        let is_payout = self.refund_of.is_none() && self.suspense_of.is_none();
        is_payout.then(|| PayoutId::from_bytes(*self.id.as_bytes()))
    }

    /// The account of its token, as the books name it.
    pub(crate) fn token(&self) -> Token {
        Token::new(&self.to.network, self.to.token)
    }

    /// Of a refund.
    #[must_use]
    pub const fn of_refund(refund: TransferId) -> OutgoingId {
        OutgoingId::from_bytes(*refund.as_bytes())
    }

    /// Of a payout.
    #[must_use]
    pub const fn of_payout(payout: PayoutId) -> OutgoingId {
        OutgoingId::from_bytes(*payout.as_bytes())
    }
}

// === impl OutgoingState ===

impl OutgoingState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Due, Self::Sent, Self::Paid, Self::Failed, Self::Void];

    /// The word in the API and in the books.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Void => "void",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}
