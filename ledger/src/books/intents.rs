//! Columns of `intent` and what they mean.

use std::sync::Arc;

use domain::{Custody, Party, PaymentId, Settle, TransactionId, UnixMillis, WalletId};
use sqlx::FromRow;

use super::rows::{Damaged, amount, fixed};
use crate::intent::{Due, DuePlace, Intent, OnChain, OpenIntent};

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
    /// One that is due, whether or not the rest of it can be read.
    pub(crate) fn due(self) -> Result<Due, Damaged> {
        let payment = PaymentId::from_bytes(fixed(&self.payment)?);
        let place = DuePlace { seconds: self.valid_before, payment: Some(payment) };
        Ok(Due { payment, place, open: self.read().ok() })
    }

    pub(crate) fn read(self) -> Result<OpenIntent, Damaged> {
        let custodies = [Custody::Direct, Custody::Treasury];
        let custody =
            custodies.into_iter().find(|word| word.name() == self.custody).ok_or(Damaged("custody"))?;
        let words = [Settle::After, Settle::Before, Settle::Deferred];
        let settle = words.into_iter().find(|word| word.name() == self.settle).ok_or(Damaged("settle"))?;
        let unsigned = |number: i64| u64::try_from(number).map_err(|_| Damaged("number"));
        let intent = Intent {
            token: party(&self.network, &self.token)?,
            payer: party(&self.network, &self.payer)?,
            pay_to: party(&self.network, &self.pay_to)?,
            custody,
            deposit: self.deposit.as_deref().map(fixed).transpose()?.map(WalletId::from_bytes),
            settle,
            valid_before: unsigned(self.valid_before)?,
            since_block: unsigned(self.since_block)?,
            payload: Arc::from(self.payload),
            requirements: Arc::from(self.requirements),
            network: Arc::from(self.network),
        };
        Ok(OpenIntent {
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            amount: amount(self.amount)?,
            held_at: UnixMillis(self.held_at),
            seen: self.hash.as_deref().map(|hash| transaction(&intent.network, hash)).transpose()?,
            intent: Arc::new(intent),
        })
    }
}

/// What a payment's row shows of its intent: network, token, custody, payer and transaction.
pub(crate) fn on_chain(
    network: Option<String>,
    token: Option<&[u8]>,
    custody: Option<&str>,
    payer: Option<&[u8]>,
    moved: Option<&[u8]>,
) -> Result<Option<OnChain>, Damaged> {
    let (Some(network), Some(token), Some(payer)) = (network, token, payer) else { return Ok(None) };
    let transaction = moved.map(|moved| transaction(&network, moved)).transpose()?;
    let (token, payer) = (party(&network, token)?, party(&network, payer)?);
    let (network, direct) = (Arc::from(network), custody == Some(Custody::Direct.name()));
    Ok(Some(OnChain { network, token, payer, transaction, direct }))
}

/// An address on a network.
pub(crate) fn party(network: &str, bytes: &[u8]) -> Result<Party, Damaged> {
    Party::read(network, bytes).ok_or(Damaged("address"))
}

/// A transaction on a network.
pub(crate) fn transaction(network: &str, bytes: &[u8]) -> Result<TransactionId, Damaged> {
    TransactionId::read(network, bytes).ok_or(Damaged("transaction"))
}
