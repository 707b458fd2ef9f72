//! Rows of settlements and payouts.

use domain::{PayoutDestination, PayoutId, SettlementId, TransferId};

use super::AccountId;
use crate::settlement::{Payout, Settlement};

/// A row of `settlement`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettlementRow {
    pub(crate) settlement: Settlement,
    /// The last batch whose refunds it counts.
    pub(crate) through: i64,
    pub(crate) provider: AccountId,
    pub(crate) payable: AccountId,
}

/// A row of `payout`. One into a wallet is paid as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayoutRow {
    pub(crate) payout: Payout,
    pub(crate) provider: AccountId,
    pub(crate) payable: AccountId,
    /// Where it goes into a wallet.
    pub(crate) wallet: Option<AccountId>,
}

/// The end of a payout of an earlier batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PaidRow {
    pub(crate) payout: PayoutId,
    pub(crate) transfer: TransferId,
}

/// What a settlement's rows are to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettlementNames {
    pub(crate) settlement: SettlementId,
    pub(crate) payout: PayoutId,
    /// Of the transfer, where the payout goes into a wallet.
    pub(crate) transfer: TransferId,
}

// === impl PayoutRow ===

impl PayoutRow {
    /// As the table keeps what is no wallet.
    pub(crate) fn destination(&self) -> Option<String> {
        match &self.payout.destination {
            PayoutDestination::Wallet(_) => None,
            PayoutDestination::Manual(text) => Some(text.clone()),
            PayoutDestination::Chain(account) => Some(account.to_string()),
        }
    }
}
