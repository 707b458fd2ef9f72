//! Rows of `difference`, and what has to be known of a payment to write one.

use std::sync::Arc;

use domain::{Amount, B256, WalletId};

use super::AccountId;
use crate::difference::Difference;

/// What chains show otherwise than the books said, until a person decides; made by a migration, with a wallet that no agent has.
pub(crate) const SUSPENSE: AccountId = AccountId(0);
pub(crate) const SUSPENSE_WALLET: WalletId = WalletId::from_bytes([0; 16]);

/// A row of `difference`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DifferenceRow {
    pub(crate) number: i64,
    pub(crate) difference: Difference,
    /// The token's.
    pub(crate) account: AccountId,
    pub(crate) provider: AccountId,
}

/// A closed payment on a public network, as the books have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenClosed {
    pub(crate) network: Arc<str>,
    /// As it is written there.
    pub(crate) token: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) provider_account: AccountId,
    /// The token's.
    pub(crate) account: AccountId,
    pub(crate) wallet: WalletId,
    pub(crate) amount: Amount,
    /// What it was closed as.
    pub(crate) booked: &'static str,
    /// In which transaction it moved, as the books have it with all differences so far.
    pub(crate) moved: Option<B256>,
    /// How much of it did, where it did.
    pub(crate) stands: Amount,
    /// How many differences it has.
    pub(crate) differences: i64,
    /// Whether one of them was booked late.
    pub(crate) is_late: bool,
    /// How much of it was written off; the rest of what was written off had been given back before.
    pub(crate) lost: Amount,
    /// Whether another payment has its nonce, or a difference of it stands under that one's name: it moves once.
    pub(crate) is_anothers: bool,
}
