//! Moves value for captured payments: when a provider is settled with, and that it happens once.
//!
//! A [`Worker`] looks at each provider now and then, decides by its terms (`due`), reads the sums beside the ledger's writer
//! and asks the ledger for the settlement. It keeps nothing that a crash could lose: the books say where the last settlement
//! ended, and the ledger refuses one that begins anywhere else. No request ever waits for any of it.
//! On public networks value moves by a facilitator or by ourselves, and is believed when the chain shows it: [`rail`].
//! What leaves our treasury there, for providers and for payers who get their money back, goes out by [`outgoing`].
//! Some of it comes in for wallets: [`deposits`].
//! Next: `worker` for the steps, `due` for the decision, `ledger::settlement` for what a settlement is.

pub mod asked;
mod books;
pub mod chain;
pub mod comparison;
pub mod deposits;
mod due;
pub mod duty;
pub mod evm;
pub mod facilitator;
pub mod foreign;
mod observer;
pub mod outgoing;
pub mod rail;
pub mod reconciler;
pub mod returns;
mod signed;
mod terms;
mod ticks;
mod worker;

pub use books::Books;
pub use deposits::Deposits;
pub use due::{Due, due};
pub use foreign::{Foreign, Unread};
pub use observer::SettlementObserver;
pub use rail::{Rail, RailError, Settling};
pub use reconciler::Reconciler;
pub use signed::{Signed, SignedError};
pub use terms::{TermsError, TermsSource};
pub use worker::{Round, SettlementError, Worker};

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
