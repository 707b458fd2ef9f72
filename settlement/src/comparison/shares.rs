//! Whether a transaction that does not tell payments apart has one left for a payment that the books have as not moved.

use std::collections::HashMap;

use alloy_primitives::B256;
use async_trait::async_trait;
use domain::{Amount, PaymentId};
use ledger::{Alike, Database, Ledger, LedgerError};

use super::Unread;
use crate::chain::Chain;
use crate::rail::share;
use crate::signed::Signed;

/// The books, as far as a comparison asks them.
#[async_trait]
pub trait Shares: Send + Sync {
    /// How many other payments they have for what moved this one.
    ///
    /// # Errors
    /// They cannot be read.
    async fn paid_by(&self, alike: &Alike, payment: PaymentId) -> Result<u64, LedgerError>;
}

/// What one comparison found of such payments, and is not written down yet.
pub(super) type Found = HashMap<Alike, u64>;

/// Whether it is left for this one, and counts it in `found` then.
pub(super) async fn is_left(
    books: &dyn Shares,
    chain: &Chain,
    payment: PaymentId,
    signed: &Signed,
    value: Amount,
    transaction: B256,
    found: &mut Found,
) -> Result<bool, Unread> {
    let Some(share) = share(chain, signed, value, transaction).await? else { return Ok(true) };
    let paid = books.paid_by(&share.alike, payment).await?;
    let found = found.entry(share.alike).or_default();
    let is_left = paid.saturating_add(*found) < u64::from(share.one_of);
    *found = found.saturating_add(u64::from(is_left));
    Ok(is_left)
}

#[async_trait]
impl Shares for Ledger {
    async fn paid_by(&self, alike: &Alike, payment: PaymentId) -> Result<u64, LedgerError> {
        Self::paid_by(self, alike, payment).await
    }
}

#[async_trait]
impl Shares for Database {
    async fn paid_by(&self, alike: &Alike, payment: PaymentId) -> Result<u64, LedgerError> {
        ledger::paid_by_of(self, alike, payment).await
    }
}
