//! Rows of refunds and transfers as the tables have them, and what they mean.

use std::sync::Arc;

use domain::{PaymentId, PayoutId, TransferId, UnixMillis, WalletId};
use sqlx::FromRow;

use super::intents::on_chain;
use super::rows::{Damaged, amount, fixed};
use crate::account::{RefundReason, Refunded, TransferKind};
use crate::batch::{AccountId, TransferRow};
use crate::reports::changes::RefundChange;

/// Transfers; ends before its condition.
macro_rules! transfers {
    () => {
        "
select t.id, t.kind, t.debit, t.credit, t.amount, a.wallet, t.wallet as wallet_account, t.payout, t.idempotency_key,
  t.external_reference, t.at, t.batch
from transfer t left join account a on a.id = t.wallet
"
    };
}
pub(crate) use transfers;

/// Refunds; ends before its condition.
macro_rules! refunds {
    () => {
        "
select r.id, p.id as payment, r.amount, r.fee, r.remains, r.reason, r.idempotency_key, r.at, r.batch, o.provider, w.wallet,
  i.network, i.token, i.custody, i.payer, i.hash
from refund r join payment p on p.seq = r.payment join account o on o.id = p.provider join account w on w.id = p.wallet
  left join intent i on i.payment = p.id
"
    };
}
pub(crate) use refunds;

/// The transfers under these idempotency keys.
pub(crate) const TRANSFER: &str =
    concat!(transfers!(), "where t.idempotency_key in (select value from json_each($1))");

/// The refunds under these idempotency keys.
pub(crate) const REFUND: &str =
    concat!(refunds!(), "where r.idempotency_key in (select value from json_each($1))");

#[derive(Debug, FromRow)]
pub(crate) struct TransferColumns {
    id: Vec<u8>,
    kind: String,
    debit: i64,
    credit: i64,
    amount: i64,
    wallet: Option<Vec<u8>>,
    wallet_account: Option<i64>,
    payout: Option<Vec<u8>>,
    pub(crate) idempotency_key: Option<String>,
    external_reference: String,
    at: i64,
    pub(crate) batch: i64,
}

#[derive(Debug, FromRow)]
pub(crate) struct RefundColumns {
    id: Vec<u8>,
    payment: Vec<u8>,
    amount: i64,
    fee: i64,
    remains: i64,
    reason: String,
    pub(crate) idempotency_key: Option<String>,
    at: i64,
    batch: i64,
    provider: String,
    wallet: Vec<u8>,
    network: Option<String>,
    token: Option<Vec<u8>>,
    custody: Option<String>,
    payer: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
}

// === impl TransferColumns ===

impl TransferColumns {
    pub(crate) fn read(self) -> Result<TransferRow, Damaged> {
        let wallet = self.wallet.as_deref().map(fixed).transpose()?.map(WalletId::from_bytes);
        Ok(TransferRow {
            id: TransferId::from_bytes(fixed(&self.id)?),
            kind: TransferKind::parse(&self.kind).ok_or(Damaged("kind"))?,
            debit: AccountId(self.debit),
            credit: AccountId(self.credit),
            amount: amount(self.amount)?,
            wallet: wallet.zip(self.wallet_account.map(AccountId)),
            payout: self.payout.as_deref().map(fixed).transpose()?.map(PayoutId::from_bytes),
            idempotency_key: self.idempotency_key,
            external_reference: self.external_reference,
            at: UnixMillis(self.at),
        })
    }
}

// === impl RefundColumns ===

impl RefundColumns {
    /// With whom it concerns.
    pub(crate) fn change(mut self) -> Result<RefundChange, Damaged> {
        let provider = Arc::from(self.provider.as_str());
        let wallet = WalletId::from_bytes(fixed(&self.wallet)?);
        let (network, token) = (self.network.take(), self.token.as_deref());
        let (custody, payer) = (self.custody.as_deref(), self.payer.as_deref());
        let on_chain = on_chain(network, token, custody, payer, self.hash.as_deref())?;
        Ok(RefundChange { batch: self.batch, provider, wallet, on_chain, refunded: self.read()? })
    }

    pub(crate) fn read(self) -> Result<Refunded, Damaged> {
        Ok(Refunded {
            id: TransferId::from_bytes(fixed(&self.id)?),
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            amount: amount(self.amount)?,
            fee: amount(self.fee)?,
            remains: amount(self.remains)?,
            reason: RefundReason::parse(&self.reason).ok_or(Damaged("reason"))?,
            at: UnixMillis(self.at),
        })
    }
}
