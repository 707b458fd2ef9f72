//! Money and nothing else: accounts, holds, payments, refunds, transfers, settlements, replay keys; group commit; SQL.
//!
//! A request holds funds in memory ([`Ledger::hold`]), is forwarded, and hands its [`Hold`] to the writer
//! ([`Hold::capture`]), which commits many captures in one transaction and answers after the commit. The one that
//! decides is a pure function (`decide`), the one that writes is a `CommitStore`.
//! Nothing of HTTP or x402 stands here. Next: `hold` for the life of a payment, [`ledger`] for the handle,
//! `writer` for the group commit.

mod account;
mod audit;
pub mod backup;
mod batch;
mod books;
mod bounded;
mod calls;
mod change;
mod command;
mod commit;
mod database;
mod decide;
mod deliveries;
mod deposit;
mod difference;
mod elsewhere;
mod error;
mod facts;
mod health;
mod hold;
mod holds;
mod intent;
pub mod ledger;
mod memory;
mod observer;
mod outgoing;
mod owner;
mod parked;
mod reads;
mod receipt;
mod reports;
mod resolution;
pub mod settlement;
mod share;
mod shared;
mod verdict;
mod withdrawal;
mod writer;

pub use account::{
    Funding, PaymentRecord, PaymentState, RefundReason, RefundRequest, Refunded, Spent, Transfer,
    TransferKind, WalletBalance, WindowSpent, Withdrawal,
};
pub use audit::{AuditReport, Finding, audit_database, audit_file};
pub use calls::{CallCount, CallsOf};
pub use database::{Coordination, Database};
pub use deliveries::DeliveryState;
pub use deposit::{DEPOSITS, Deposit};
pub use difference::{Difference, Differs, Shown};
pub use error::{CaptureError, HoldError, LedgerError, OpenError, VoidError};
pub use health::Health;
pub use hold::{Capturing, Held, Hold, HoldRequest, Voiding};
pub use intent::{
    Booked, BookedIntent, Close, Collection, Debtor, Due, DuePlace, Intent, OnChain, OpenIntent,
};
pub use ledger::{Ledger, Settings, Trial};
pub use observer::{BatchReport, Collision, CommitFailure, Observer, Unobserved};
pub use outgoing::{Outgoing, OutgoingState, Outlet, Step, Stepped};
pub use receipt::{Prior, Receipt, ReceiptRecord, Redelivery, StoredResponse};
pub use reports::changes::{CapturedRange, Changes, Head, RefundChange};
pub use reports::closing::Tally;
pub use reports::intents::{booked_of, open_on_of};
pub use reports::lists::{ListedWallet, PayoutFilter};
pub use reports::outgoing::{OutgoingFilter, outgoing_paid_of};
pub use reports::payments::PaymentFilter;
pub use reports::position::{Position, owed_of};
pub use reports::shares::paid_by_of;
pub use reports::suspended::SuspendedFilter;
pub use reports::usage::{Consumer, Revenue, RevenueBy};
pub use reports::{Listed, Order, PAGE_MAX, Page, Timeline};
pub use resolution::{Owed, Resolution, Resolving, Suspended};
pub use settlement::{Closing, Paid, Payout, PayoutPayment, Sending, Settlement};
pub use share::{Alike, Moved, Share};
pub use verdict::Verdict;
pub use writer::Writer;

#[cfg(test)]
mod tests;
