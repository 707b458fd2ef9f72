//! Rows of refunds, and of money that moves and is no payment.

use domain::{Amount, PayoutId, TransferId, UnixMillis, WalletId};

use super::AccountId;
use crate::account::{Refunded, Transfer, TransferKind};

/// A row of `refund`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefundRow {
    pub(crate) seq: i64,
    pub(crate) provider: AccountId,
    pub(crate) refunded: Refunded,
    pub(crate) idempotency_key: Option<String>,
}

/// A row of `transfer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferRow {
    pub(crate) id: TransferId,
    pub(crate) kind: TransferKind,
    pub(crate) debit: AccountId,
    pub(crate) credit: AccountId,
    pub(crate) amount: Amount,
    /// Whose balance it moves, if a wallet's, and its account.
    pub(crate) wallet: Option<(WalletId, AccountId)>,
    /// What it pays.
    pub(crate) payout: Option<PayoutId>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) external_reference: String,
    pub(crate) at: UnixMillis,
}

// === impl TransferRow ===

impl TransferRow {
    /// As it concerns a wallet; none where it concerns none.
    pub(crate) fn transfer(&self) -> Option<Transfer> {
        let (wallet, _) = self.wallet?;
        Some(Transfer {
            id: self.id,
            kind: self.kind,
            wallet,
            amount: self.amount,
            external_reference: self.external_reference.clone(),
            at: self.at,
        })
    }
}
