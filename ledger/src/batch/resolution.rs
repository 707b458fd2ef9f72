//! Rows of `resolution`, and what has to be known to write one.

use std::sync::Arc;

use domain::{Address, B256, WalletId};

use super::AccountId;
use crate::resolution::Resolution;

/// A row of `resolution`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolutionRow {
    pub(crate) number: i64,
    pub(crate) resolution: Resolution,
    /// What suspense is moved against.
    pub(crate) account: AccountId,
    pub(crate) provider: AccountId,
    pub(crate) idempotency_key: String,
}

/// What is in suspense of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenSuspended {
    pub(crate) network: Arc<str>,
    /// The token, as it is written there.
    pub(crate) written: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) provider_account: AccountId,
    /// Whether it was made out to the provider's own address.
    pub(crate) direct: bool,
    /// The token's account, its wallet, and its address.
    pub(crate) account: AccountId,
    pub(crate) wallet: WalletId,
    pub(crate) token: Option<Address>,
    pub(crate) payer: Option<Address>,
    /// The transaction that was shown last.
    pub(crate) shown: B256,
    /// Atomic units; below zero where the chain shows less.
    pub(crate) units: i64,
    /// Whether somebody has what it would be: the provider, by the payment itself or by a late one, or whoever had it before a loss was borne.
    pub(crate) is_had: bool,
    /// How many resolutions it has.
    pub(crate) resolutions: i64,
}
