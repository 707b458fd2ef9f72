//! Rows as the books' tables have them, and what they mean.

use std::sync::Arc;

use domain::{
    AgentId, Amount, B256, Fingerprint, IdempotencyKey, PaymentId, ReplayKey, UnixMillis, WalletId,
};
use sqlx::FromRow;

use super::intents::on_chain;
use super::windows::read_charged;
use crate::account::{PaymentRecord, PaymentState};
use crate::batch::{AccountId, GivenBack, PaymentRow};
use crate::intent::Collection;
use crate::receipt::StoredResponse;

/// Payments with what was given back of them; ends before its condition.
macro_rules! payments {
    () => {
        "
select p.seq, p.id, p.agent, w.wallet, w.id as wallet_account, o.provider, o.id as provider_account, p.fee_account,
  p.route, p.gross, p.fee, p.revision, p.call, p.replay_key, p.digest, p.fingerprint, p.idempotency, p.held_at,
  p.captured_at, p.windows, p.free, i.network, i.token, i.custody, i.payer, i.hash, i.closed, i.closed_at,
  case when p.wallet = 0 then (select t.token from account t where t.id = coalesce(
    (select d.account from difference d where d.late = p.id),
    (select d.account from resolution s join difference d on d.payment = s.payment and d.number = 1 where s.booked = p.id)))
  end as late_in,
  (select cast(sum(r.amount) as bigint) from refund r where r.payment = p.seq) as refunded,
  (select cast(sum(r.fee) as bigint) from refund r where r.payment = p.seq) as refunded_fee,
  (select count(*) from refund r where r.payment = p.seq) as refunds,
  (select count(*) from refund r where r.payment = p.seq and r.reason = 'written_off') as losses
from payment p join account w on w.id = p.wallet join account o on o.id = p.provider
  left join intent i on i.payment = p.id
"
    };
}
pub(crate) use payments;

/// The payments of these names.
pub(crate) const PAYMENT: &str =
    concat!(payments!(), "where p.id in (select unhex(value) from json_each($1))");

/// A row that does not fit what the schema promises.
#[derive(Debug)]
pub(crate) struct Damaged(pub(crate) &'static str);

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
    windows: Option<String>,
    free: i64,
    network: Option<String>,
    token: Option<Vec<u8>>,
    custody: Option<String>,
    payer: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    closed: Option<String>,
    closed_at: Option<i64>,
    late_in: Option<String>,
    refunded: Option<i64>,
    refunded_fee: Option<i64>,
    refunds: i64,
    losses: i64,
}

#[derive(Debug, FromRow)]
pub(crate) struct ResponseColumns {
    status: i64,
    headers: String,
    body: Vec<u8>,
}

// === impl PaymentColumns ===

impl PaymentColumns {
    /// Whether it is still to come from a public network, or may still be undone there.
    pub(crate) const fn is_open(&self) -> bool {
        self.network.is_some() && self.closed.is_none()
    }

    /// The row, and what was given back of it.
    pub(crate) fn read(self) -> Result<(PaymentRow, Option<GivenBack>), Damaged> {
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
            windows: read_charged(self.windows.as_deref())?,
            free: self.free == 1,
            on_chain: on_chain(
                self.network,
                self.token.as_deref(),
                self.custody.as_deref(),
                self.payer.as_deref(),
                self.hash.as_deref(),
            )?
            .map(Arc::new),
            late_in: self.late_in.as_deref().map(named_token).transpose()?,
        };
        let (fee, parts) = (self.refunded_fee.unwrap_or(0), self.refunds);
        let back = self.refunded.map(|amount| GivenBack { amount, fee, parts });
        Ok((row, back))
    }

    /// What became of its value on a public network.
    fn collection(&self) -> Result<Option<Collection>, Damaged> {
        let at = UnixMillis(self.closed_at.unwrap_or_default());
        match (&self.network, self.closed.as_deref()) {
            (None, _) => Ok(None),
            (Some(_), None) => Ok(Some(Collection::Due)),
            (Some(_), Some("settled")) => Ok(Some(Collection::Moved(at))),
            (Some(_), Some("written_off")) => Ok(Some(Collection::WrittenOff(at))),
            (Some(_), Some(_)) => Err(Damaged("end of an intent")),
        }
    }

    /// As it is shown.
    pub(crate) fn record(self) -> Result<PaymentRecord, Damaged> {
        let (collection, is_lost) = (self.collection()?, self.losses > 0);
        let (row, back) = self.read()?;
        let record = row.record(back)?;
        let state = if is_lost { PaymentState::WrittenOff } else { record.state };
        Ok(PaymentRecord { state, collection, ..record })
    }
}

// === impl PaymentRow ===

impl PaymentRow {
    /// As it is shown, without what only its intent and the reasons of its refunds tell.
    pub(crate) fn record(&self, back: Option<GivenBack>) -> Result<PaymentRecord, Damaged> {
        let state = match back {
            None => PaymentState::Captured,
            Some(back) if back.amount < self.gross.atomic() => PaymentState::PartlyRefunded,
            Some(_) => PaymentState::Refunded,
        };
        let back = back.unwrap_or_default();
        Ok(PaymentRecord {
            receipt: self.receipt(),
            wallet: self.wallet,
            revision: self.revision,
            held_at: self.held_at,
            free: self.free,
            number: self.seq,
            state,
            collection: None,
            refunded: amount(back.amount)?,
            refunded_fee: amount(back.fee)?,
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

/// A token's account: its network, and the token as it is written there.
fn named_token(account: &str) -> Result<(Arc<str>, Arc<str>), Damaged> {
    let (network, token) = account.rsplit_once('/').ok_or(Damaged("token"))?;
    Ok((Arc::from(network), Arc::from(token)))
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

/// Texts as JSON.
pub(crate) fn text_list(texts: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(texts).map_err(|error| sqlx::Error::Encode(error.into()))
}
