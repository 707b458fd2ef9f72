//! Rows as the books' tables have them, and what they mean.

use std::sync::Arc;

use domain::{
    AgentId, Amount, B256, Fingerprint, IdempotencyKey, PaymentId, ReplayKey, TransferId, UnixMillis,
    WalletId,
};
use sqlx::FromRow;

use crate::account::{PaymentRecord, RefundReason, Refunded, Transfer};
use crate::batch::{AccountId, PaymentRow};
use crate::receipt::StoredResponse;

/// One payment with its refund; ends before its condition.
pub(crate) const PAYMENT: &str = "
select p.seq, p.id, p.agent, w.wallet, w.id as wallet_account, o.provider, o.id as provider_account, p.fee_account,
  p.route, p.gross, p.fee, p.revision, p.call, p.replay_key, p.digest, p.fingerprint, p.idempotency, p.held_at,
  p.captured_at, r.id as refund, r.reason, r.at as refunded_at
from payment p join account w on w.id = p.wallet join account o on o.id = p.provider
  left join refund r on r.payment = p.seq
where p.id in (select unhex(value) from json_each($1))";

/// The transfers under these idempotency keys.
pub(crate) const TRANSFER: &str = "
select t.id, a.wallet, t.amount, t.idempotency_key, t.external_reference, t.at
from transfer t join account a on a.id = t.credit
where t.idempotency_key in (select value from json_each($1))";

/// A row that does not fit what the schema promises.
#[derive(Debug)]
pub(crate) struct Damaged(pub(super) &'static str);

#[derive(Debug, FromRow)]
pub(crate) struct PaymentColumns {
    seq: i64,
    id: Vec<u8>,
    agent: Vec<u8>,
    wallet: Vec<u8>,
    wallet_account: i64,
    provider: String,
    provider_account: i64,
    fee_account: i64,
    route: String,
    gross: i64,
    fee: i64,
    revision: i64,
    call: i64,
    replay_key: Option<Vec<u8>>,
    digest: Option<Vec<u8>>,
    fingerprint: Vec<u8>,
    idempotency: Option<Vec<u8>>,
    held_at: i64,
    captured_at: i64,
    refund: Option<Vec<u8>>,
    reason: Option<String>,
    refunded_at: Option<i64>,
}

#[derive(Debug, FromRow)]
pub(crate) struct TransferColumns {
    id: Vec<u8>,
    wallet: Vec<u8>,
    amount: i64,
    pub(crate) idempotency_key: String,
    external_reference: String,
    at: i64,
}

#[derive(Debug, FromRow)]
pub(crate) struct ResponseColumns {
    status: i64,
    headers: String,
    body: Vec<u8>,
}

// === impl PaymentColumns ===

impl PaymentColumns {
    /// The row, and its refund.
    pub(crate) fn read(self) -> Result<(PaymentRow, Option<Refunded>), Damaged> {
        let row = PaymentRow {
            seq: self.seq,
            id: PaymentId::from_bytes(fixed(&self.id)?),
            agent: AgentId::from_bytes(fixed(&self.agent)?),
            wallet: WalletId::from_bytes(fixed(&self.wallet)?),
            wallet_account: AccountId(self.wallet_account),
            provider: Arc::from(self.provider),
            provider_account: AccountId(self.provider_account),
            fee_account: AccountId(self.fee_account),
            route: Arc::from(self.route),
            gross: amount(self.gross)?,
            fee: amount(self.fee)?,
            revision: u32::try_from(self.revision).map_err(|_| Damaged("revision"))?,
            call: u64::try_from(self.call).map_err(|_| Damaged("call"))?,
            replay: self.replay_key.as_deref().map(fixed).transpose()?.map(ReplayKey::from_bytes),
            digest: self.digest.as_deref().map(fixed).transpose()?.map(B256::new),
            fingerprint: Fingerprint::from_bytes(fixed(&self.fingerprint)?),
            idempotency: self.idempotency.as_deref().map(fixed).transpose()?.map(IdempotencyKey::from_bytes),
            held_at: UnixMillis(self.held_at),
            captured_at: UnixMillis(self.captured_at),
        };
        let Some(id) = self.refund else { return Ok((row, None)) };
        let refunded = Refunded {
            id: TransferId::from_bytes(fixed(&id)?),
            payment: row.id,
            amount: row.gross,
            fee: row.fee,
            reason: self.reason.as_deref().and_then(RefundReason::parse).ok_or(Damaged("reason"))?,
            at: UnixMillis(self.refunded_at.unwrap_or_default()),
        };
        Ok((row, Some(refunded)))
    }

    pub(crate) fn record(self) -> Result<PaymentRecord, Damaged> {
        let (row, refunded) = self.read()?;
        Ok(PaymentRecord {
            receipt: row.receipt(),
            wallet: row.wallet,
            revision: row.revision,
            held_at: row.held_at,
            refunded,
        })
    }
}

// === impl TransferColumns ===

impl TransferColumns {
    pub(crate) fn read(self) -> Result<Transfer, Damaged> {
        Ok(Transfer {
            id: TransferId::from_bytes(fixed(&self.id)?),
            wallet: WalletId::from_bytes(fixed(&self.wallet)?),
            amount: amount(self.amount)?,
            external_reference: self.external_reference,
            at: UnixMillis(self.at),
        })
    }
}

// === impl ResponseColumns ===

impl ResponseColumns {
    pub(crate) fn read(self) -> Result<StoredResponse, Damaged> {
        let pairs: Vec<(String, String)> =
            serde_json::from_str(&self.headers).map_err(|_| Damaged("headers"))?;
        let pair = |(name, value): (String, String)| Ok((name, unhex(&value)?));
        Ok(StoredResponse {
            status: u16::try_from(self.status).map_err(|_| Damaged("status"))?,
            headers: pairs.into_iter().map(pair).collect::<Result<_, Damaged>>()?,
            body: self.body.into(),
        })
    }
}

// === impl Damaged ===

impl From<Damaged> for sqlx::Error {
    fn from(damaged: Damaged) -> Self {
        Self::Decode(format!("the books hold a damaged {}", damaged.0).into())
    }
}

/// A blob of the length that the schema's CHECK promises.
pub(crate) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Damaged> {
    bytes.try_into().map_err(|_| Damaged("identifier"))
}

pub(crate) fn amount(units: i64) -> Result<Amount, Damaged> {
    Amount::from_atomic(units).ok_or(Damaged("amount"))
}

/// A JSON array of hex strings: how lists of keys go into a query.
pub(crate) fn hex_list<'a>(keys: impl Iterator<Item = &'a [u8]>) -> String {
    let quoted: Vec<String> = keys.map(|key| format!("\"{}\"", hex(key))).collect();
    format!("[{}]", quoted.join(","))
}

/// A response's header fields as they are kept: `[["name","value in hex"],..]`.
pub(crate) fn headers(stored: &StoredResponse) -> String {
    let pairs: Vec<_> = stored.headers.iter().map(|(name, value)| (name, hex(value))).collect();
    // Pairs of strings always serialize.
    serde_json::to_string(&pairs).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Damaged> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(Damaged("header"));
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).map_err(|_| Damaged("header")),
        _ => Err(Damaged("header")),
    };
    text.as_bytes().chunks(2).map(byte).collect()
}
