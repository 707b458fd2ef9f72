//! What the ledger answers about wallets, payments and transfers. Plain values; nothing here decides anything.

use domain::{AgentId, Amount, PaymentId, TransferId, UnixMillis, WalletId};

use crate::receipt::ReceiptRecord;

/// Money that comes in from outside: debits the external account, credits a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Whose balance grows.
    pub wallet: WalletId,
    /// By how much; never zero.
    pub amount: Amount,
    /// The caller's word for this one funding; a second one with the same word is the first one.
    pub idempotency_key: String,
    /// What the money is outside: a bank's or a processor's reference.
    pub external_reference: String,
}

/// A committed movement of money that is not a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// The wallet that was credited.
    pub wallet: WalletId,
    /// By how much.
    pub amount: Amount,
    /// What the money is outside.
    pub external_reference: String,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}

/// Why a captured payment was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundReason {
    /// The upstream broke the body off while the client was reading.
    BrokenOff,
    /// The upstream failed after the capture in another way.
    UpstreamFailed,
    /// A person decided so.
    Operator,
}

/// A committed refund: the whole payment, its fee included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// The refund's own name.
    pub id: TransferId,
    /// The payment that was given back.
    pub payment: PaymentId,
    /// What the wallet got back.
    pub amount: Amount,
    /// The part of it that the fee account gave.
    pub fee: Amount,
    /// Why.
    pub reason: RefundReason,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}

/// A wallet's money. `available` is `balance` less what running requests hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletBalance {
    /// Committed.
    pub balance: Amount,
    /// Held by running requests.
    pub held: Amount,
    /// What a new request may hold.
    pub available: Amount,
}

/// An agent's spending in the two calendar windows that are open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose.
    pub agent: AgentId,
    /// Since midnight UTC.
    pub today: WindowSpent,
    /// Since the first of the month, UTC.
    pub month: WindowSpent,
}

/// What was spent in one window, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpent {
    /// Captured, refunds taken off.
    pub spent: Amount,
    /// Held by running requests.
    pub held: Amount,
    /// When counting begins afresh.
    pub ends_at: UnixMillis,
}

/// A captured payment as it stands in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRecord {
    /// What the payer was told.
    pub receipt: ReceiptRecord,
    /// The wallet that paid.
    pub wallet: WalletId,
    /// The revision of the route's price.
    pub revision: u32,
    /// Ledger time of the hold: the windows it was charged to are those of this moment.
    pub held_at: UnixMillis,
    /// Set when it was given back.
    pub refunded: Option<Refunded>,
}

// === impl RefundReason ===

impl RefundReason {
    /// The word in the API, in metrics and in the books.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BrokenOff => "broken_off",
            Self::UpstreamFailed => "upstream_failed",
            Self::Operator => "operator",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::BrokenOff, Self::UpstreamFailed, Self::Operator]
            .into_iter()
            .find(|reason| reason.name() == text)
    }
}
