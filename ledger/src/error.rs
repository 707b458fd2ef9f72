//! One error enum at each door of the ledger.

use std::path::PathBuf;

use domain::{Amount, PaymentId, PolicyViolation};
use thiserror::Error;

/// Why the ledger did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it (case C16).
    #[error("{path} belongs to the running process {owner}; stop it first, two writers would lose money")]
    Owned {
        /// The lock file.
        path: PathBuf,
        /// The owner's process id, as it wrote it.
        owner: String,
    },
    /// Another process has it, in PostgreSQL (case C16).
    #[error(
        "the ledger belongs to {owner} (epoch {epoch}), which renews its lease; stop it first, two writers would lose money"
    )]
    Leased {
        /// The owner, as it named itself.
        owner: String,
        /// Of its lease.
        epoch: i64,
    },
    /// The wallet network is fixed at first start: signed payments are bound to it.
    #[error(
        "the ledger was made for {kept}, the configuration says {asked}; the wallet network cannot be changed"
    )]
    Network {
        /// What the ledger keeps.
        kept: String,
        /// What was asked for.
        asked: String,
    },
    /// The file is not what was written to it (case C10).
    #[error(
        "{path} is damaged ({found}); nothing is served from it. Keep a copy of the data directory, then put the last \
         backup in its place (docs/operations.md, restore)"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What the database says of itself.
        found: String,
    },
    /// The schema is one that this version does not know (case C13).
    #[error(
        "{place} was written by a newer faregate (schema {version}); start that version again, or restore the backup that \
         was made before the upgrade"
    )]
    Newer {
        /// The file, or the schema.
        place: String,
        /// The schema that is not known.
        version: i64,
    },
    /// A file or directory could not be made or locked.
    #[error("cannot open {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No randomness, no thread, no runtime.
    #[error("cannot start the ledger: {0}")]
    System(String),
    /// The database refused.
    #[error("cannot open the ledger's database: {0}")]
    Database(String),
}

/// Why a hold was not given. Nothing was forwarded, and but for [`HoldError::Unknown`] nothing was held.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HoldError {
    /// No such wallet in the ledger.
    #[error("the wallet does not exist")]
    UnknownWallet,
    /// The wallet has less than the call may cost.
    #[error("the call costs up to {price}, the wallet has {available} available")]
    InsufficientFunds {
        /// The balance less what running requests hold.
        available: Amount,
        /// The most the call may cost.
        price: Amount,
    },
    /// A day's or month's limit would be exceeded.
    #[error(transparent)]
    SpendingLimit(PolicyViolation),
    /// The same payment or request is still running.
    #[error("this payment is in progress")]
    InProgress,
    /// The same payment was sent to a public network, and nobody knows yet what became of it there.
    #[error("it is not known yet whether this payment was settled")]
    SettlementUnknown(PaymentId),
    /// Its payer would have too much open on its network.
    #[error("with this call its payer has more than {most} that is not settled yet")]
    UnsettledPayments {
        /// The most that it may have.
        most: Amount,
    },
    /// The same payment or identifier was used for another request.
    #[error("this payment was used for another request")]
    Reused,
    /// Too many holds and queued operations: come again.
    #[error("the ledger's queue is full")]
    Overloaded,
    /// The store does not commit: come again.
    #[error("the ledger cannot commit at the moment")]
    Unavailable,
    /// Ledger time is too far ahead of the wall clock to judge signed payments.
    #[error("ledger time is ahead of the clock")]
    ClockAhead,
    /// The ledger stopped before it was known whether the hold's own row stands; if it does, it will be charged.
    #[error("the ledger stopped before it was known whether the hold stands")]
    Unknown(PaymentId),
}

/// Why a capture failed. Nothing was charged, and the hold is gone, but for [`CaptureError::Spent`] and [`CaptureError::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// The batch could not be committed, a full disk for instance.
    #[error("the payment could not be committed")]
    Failed,
    /// The last wall refused: the payment was captured before, or funds or limits were missing after all.
    #[error("the payment was refused at its commit")]
    Refused,
    /// The transaction paid for another payment, on a network on which one pays once. Nobody knows what became of this one: its hold is left
    /// unknown.
    #[error("the transaction has paid for another payment; one pays once")]
    Spent,
    /// The ledger stopped before the outcome was known, or the hold is on disk and its capture is still tried; the books
    /// will tell.
    #[error("the outcome is not known yet")]
    Unknown,
}

/// Why nobody can say yet that nothing is charged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VoidError {
    /// The hold's row could not be deleted so far. It is tried again; if the process ends before, the hold is charged.
    #[error("the hold could not be voided yet")]
    Unknown,
}

/// Why an operation or a read failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// No such wallet.
    #[error("the wallet does not exist")]
    UnknownWallet,
    /// No such payment.
    #[error("the payment does not exist")]
    UnknownPayment,
    /// No such payout.
    #[error("the payout does not exist")]
    UnknownPayout,
    /// Nothing was ever paid to a provider of this name.
    #[error("the provider has no account")]
    UnknownProvider,
    /// All of it was given back before.
    #[error("the payment was refunded before")]
    RefundedBefore,
    /// More is asked for than is left of the payment.
    #[error("the refund is more than what is left of the payment")]
    RefundExceeds,
    /// A smaller part than may be given back, or one more of them: after 32 the rest goes as a whole.
    #[error(
        "the next part of this refund is at least {least}, of the {left} that are left of the payment: a part is a hundredth of the payment or more, and after 32 parts the rest goes as a whole"
    )]
    RefundPart {
        /// The least that may be given back now.
        least: Amount,
        /// All that is left.
        left: Amount,
    },
    /// The provider has not earned so much since it was settled with: only the operator gives back what was paid out.
    #[error(
        "the provider was settled with for it and has not earned as much since: the operator may give it back, with the reason `operator`"
    )]
    Earnings,
    /// The payment was made to its provider's own address on a public network: only the provider gives it back, there.
    #[error("the payment was made on a public network, and is given back there, by its recipient")]
    OnChain,
    /// It is a deposit: what it brought is its wallet's.
    #[error(
        "it is a deposit: what it brought is its wallet's, and is taken out with `faregate wallet withdraw`"
    )]
    Deposit,
    /// It was booked out of suspense, as a person decided.
    #[error(
        "it was booked out of suspense, as somebody decided: what is given back now is between provider and payer"
    )]
    OutOfSuspense,
    /// Nothing of the payment is still to come from a public network.
    #[error("nothing of it is still to come from a public network: there is nothing to write off")]
    NotOpen,
    /// Nothing can be sent from our treasury on the network: its settler is not the treasury's own key.
    #[error(
        "nothing can be sent from the treasury on that network: its settler must be the treasury's own key"
    )]
    NoOutlet,
    /// People gave back as much on the network today as `refunds_per_day_max` allows.
    #[error("as much was given back on that network today as `refunds_per_day_max` allows")]
    RefundLimit,
    /// No such transfer out of our treasury.
    #[error("the outgoing transfer does not exist")]
    UnknownOutgoing,
    /// Of the payment no chain ever showed anything else than the books said.
    #[error("of that payment no difference was written")]
    UnknownDifference,
    /// Less is in suspense of the payment than that.
    #[error("less than that is in suspense of that payment: `faregate difference show` says how much")]
    NotInSuspense,
    /// It is missing, or the provider has earned it already: it is the operator's, whoever asks.
    #[error("what is missing, or was earned already, can only be the operator's: `--to operator`")]
    OperatorOnly,
    /// The signature of the payment is no longer there, and with it who paid.
    #[error("nobody knows any more who paid")]
    NoPayer,
    /// A transfer out of our treasury is not where it could go on so: tried again is only what failed.
    #[error("the outgoing transfer is not in a state for that")]
    Step,
    /// The payout is on its way on a public network: nobody pays it in another way meanwhile.
    #[error("the payout is on its way on its network")]
    OnItsWay,
    /// Another transfer left by that transaction: each has one of its own.
    #[error("another outgoing transfer left by that transaction")]
    TransactionUsed,
    /// The transaction paid for another payment, on a network on which one pays once.
    #[error("the transaction has paid for another payment; one pays once")]
    TransactionSpent,
    /// The wallet has less than that, beside what running requests hold.
    #[error("the wallet does not have as much available")]
    Funds,
    /// The payout was paid before.
    #[error("the payout was paid before")]
    PaidBefore,
    /// Somebody settled with the provider since the sums were read: read them again.
    #[error("the provider was settled with in the meantime")]
    Stale,
    /// The idempotency key was used with other content.
    #[error("the idempotency key was used for something else")]
    Conflict,
    /// Nothing to move, or more than the books can hold.
    #[error("the amount is zero or too large")]
    Amount,
    /// Too much is queued: come again.
    #[error("the ledger's queue is full")]
    Overloaded,
    /// The store does not commit at the moment. Nothing happened.
    #[error("the ledger cannot commit at the moment")]
    Unavailable,
    /// The ledger stopped before it was known whether it stands, or tries until it does: the same request again, later, tell.
    #[error("it is not known yet whether this stands")]
    Unknown,
    /// The database cannot be read at the moment: come again.
    #[error("the ledger's database cannot be reached: {0}")]
    Away(String),
    /// A read failed.
    #[error("the ledger could not be read: {0}")]
    Read(String),
}
