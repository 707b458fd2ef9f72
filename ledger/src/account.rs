//! What the ledger answers about wallets, payments and transfers. Plain values; nothing here decides anything.

use domain::{AgentId, Amount, PaymentId, TransferId, UnixMillis, WalletId};

use crate::intent::Collection;
use crate::receipt::ReceiptRecord;

/// Money that comes in from outside: debits the external account, credits a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Whose balance grows.
    pub wallet: WalletId,
    /// By how much; never zero.
    pub amount: Amount,
    /// The caller's idempotency key: a second funding with the same key and content is the first one.
    pub idempotency_key: String,
    /// What the money is outside: a bank's or a processor's reference.
    pub external_reference: String,
}

/// Money that goes out: debits a wallet, credits the external account. What running requests hold stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Whose balance shrinks.
    pub wallet: WalletId,
    /// By how much; never zero.
    pub amount: Amount,
    /// The caller's idempotency key; fundings and withdrawals share one set of keys.
    pub idempotency_key: String,
    /// What the money is outside: a bank's or a processor's reference.
    pub external_reference: String,
}

/// Which way a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferKind {
    /// From outside into a wallet.
    Funding,
    /// From a wallet to the outside.
    Withdrawal,
    /// From what a provider is owed into a wallet, or to the outside.
    Payout,
}

/// A committed movement of a wallet's money that is not a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// Which way it went: a withdrawal took from the wallet, all else gave.
    pub kind: TransferKind,
    /// The wallet.
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
    /// The payer asked the provider for it.
    Requested,
    /// It was to come from a public network, and never can: nobody paid.
    WrittenOff,
}

/// What a person wants to give back of a captured payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// Of which.
    pub payment: PaymentId,
    /// How much; none is all that is left.
    pub amount: Option<Amount>,
    /// Why.
    pub reason: RefundReason,
    /// The caller's idempotency key: a second refund with the same key and content is the first one.
    pub idempotency_key: String,
}

/// A committed refund of a payment or a part of it. The fee returns in proportion: after all refunds so far, rounded down.
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
    /// What is left of the payment afterwards; nothing: it was given back whole.
    pub remains: Amount,
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
    /// It was one of the day's free calls.
    pub free: bool,
    /// Its place in the order of all captures, from 1 on, without gaps.
    pub number: i64,
    /// Whether it was given back.
    pub state: PaymentState,
    /// What became of its value, where that was on a public network.
    pub collection: Option<Collection>,
    /// How much of it was given back so far.
    pub refunded: Amount,
    /// The part of that which the fee account gave.
    pub refunded_fee: Amount,
}

/// What became of a captured payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// Charged, and nothing given back.
    Captured,
    /// Some of it was given back.
    PartlyRefunded,
    /// All of it was.
    Refunded,
    /// It was served for, and what was left of it can never be collected from its public network.
    WrittenOff,
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
            Self::Requested => "requested",
            Self::WrittenOff => "written_off",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::BrokenOff, Self::UpstreamFailed, Self::Operator, Self::Requested, Self::WrittenOff]
            .into_iter()
            .find(|reason| reason.name() == text)
    }
}

// === impl Refunded ===

impl Refunded {
    /// Whether nothing of the payment is left.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.remains.is_zero()
    }
}

// === impl TransferKind ===

impl TransferKind {
    /// The word in the API and in the books.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Funding => "funding",
            Self::Withdrawal => "withdrawal",
            Self::Payout => "payout",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Funding, Self::Withdrawal, Self::Payout].into_iter().find(|kind| kind.name() == text)
    }
}

// === impl PaymentState ===

impl PaymentState {
    /// Whether nobody has paid for it after all: all of it was given back, or never will come.
    #[must_use]
    pub const fn is_undone(self) -> bool {
        matches!(self, Self::Refunded | Self::WrittenOff)
    }

    /// The word in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::PartlyRefunded => "partly_refunded",
            Self::Refunded => "refunded",
            Self::WrittenOff => "written_off",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Captured, Self::PartlyRefunded, Self::Refunded, Self::WrittenOff]
            .into_iter()
            .find(|state| state.name() == text)
    }
}
