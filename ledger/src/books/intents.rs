//! Columns of `intent` and what they mean.

use std::sync::Arc;

use domain::{Address, B256, Payee, PaymentId, Settle, UnixMillis, WalletId};
use sqlx::FromRow;

use super::rows::{Damaged, amount, fixed};
use crate::intent::{Intent, OnChain, OpenIntent};

/// An intent as it stands.
#[derive(Debug, FromRow)]
pub(crate) struct IntentColumns {
    pub(crate) payment: Vec<u8>,
    network: String,
    token: Vec<u8>,
    payer: Vec<u8>,
    pay_to: Vec<u8>,
    custody: String,
    settle: String,
    amount: i64,
    valid_before: i64,
    since_block: i64,
    payload: String,
    requirements: String,
    deposit: Option<Vec<u8>>,
    held_at: i64,
    hash: Option<Vec<u8>>,
}

/// Intents; ends before its condition. What was captured of one may be less than what was signed for.
macro_rules! intents {
    () => {
        "
select i.payment, i.network, i.token, i.payer, i.pay_to, i.custody, i.settle,
  coalesce((select p.gross from payment p where p.id = i.payment), i.amount) as amount, i.valid_before, i.since_block,
  i.payload, i.requirements, i.deposit, i.held_at, i.hash
from intent i
"
    };
}
pub(crate) use intents;

// === impl IntentColumns ===

impl IntentColumns {
    pub(crate) fn read(self) -> Result<OpenIntent, Damaged> {
        let pay_to = Address::new(fixed(&self.pay_to)?);
        let payee = match &*self.custody {
            "direct" => Payee::Direct(pay_to),
            "treasury" => Payee::Treasury,
            _ => return Err(Damaged("custody")),
        };
        let words = [Settle::After, Settle::Before, Settle::Deferred];
        let settle = words.into_iter().find(|word| word.name() == self.settle).ok_or(Damaged("settle"))?;
        let unsigned = |number: i64| u64::try_from(number).map_err(|_| Damaged("number"));
        let intent = Intent {
            network: Arc::from(self.network),
            token: Address::new(fixed(&self.token)?),
            payer: Address::new(fixed(&self.payer)?),
            pay_to,
            payee,
            deposit: self.deposit.as_deref().map(fixed).transpose()?.map(WalletId::from_bytes),
            settle,
            valid_before: unsigned(self.valid_before)?,
            since_block: unsigned(self.since_block)?,
            payload: Arc::from(self.payload),
            requirements: Arc::from(self.requirements),
        };
        Ok(OpenIntent {
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            amount: amount(self.amount)?,
            held_at: UnixMillis(self.held_at),
            seen: self.hash.as_deref().map(fixed).transpose()?.map(B256::new),
            intent: Arc::new(intent),
        })
    }
}

/// What a payment's row shows of its intent: network, token, custody, payer and transaction.
pub(crate) fn on_chain(
    (network, token): (Option<String>, Option<&[u8]>),
    custody: Option<&str>,
    payer: Option<&[u8]>,
    transaction: Option<&[u8]>,
) -> Result<Option<OnChain>, Damaged> {
    let (Some(network), Some(token), Some(payer)) = (network, token, payer) else { return Ok(None) };
    let transaction = transaction.map(fixed).transpose()?.map(B256::new);
    let (network, token) = (Arc::from(network), Address::new(fixed(token)?));
    let (payer, direct) = (Address::new(fixed(payer)?), custody == Some("direct"));
    Ok(Some(OnChain { network, token, payer, transaction, direct }))
}
