//! [`Verdict`]: what a person says became of a payment on a public network of which nobody knew.
//!
//! It is written in the commit that captures or voids the payment by it ([`crate::Ledger::close`] of [`crate::Ledger::asked_by`]), so that
//! what was said and what the books have cannot part. Where a chain is read nobody is asked. Next: `writer::verdict`.

use std::sync::Arc;

use domain::{Amount, Party, PaymentId, TransactionId, UnixMillis};

/// A committed verdict. Who said it is among [`crate::Changes::movers`], under the payment's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of which payment.
    pub payment: PaymentId,
    /// CAIP-2.
    pub network: Arc<str>,
    /// Its token.
    pub token: Party,
    /// Atomic units of its token: what was captured, or what would have been.
    pub amount: Amount,
    /// The transaction that moved it; none where nothing moved.
    pub transaction: Option<TransactionId>,
    /// Ledger time of the commit.
    pub at: UnixMillis,
}
