//! Columns of `resolution`, of what is in suspense, and what they mean.

use std::sync::Arc;

use domain::{Address, B256, PaymentId, TransferId, UnixMillis, WalletId};
use sqlx::FromRow;

use super::differences::{DifferenceColumns, token};
use super::rows::{Damaged, amount, fixed};
use crate::batch::{AccountId, GivenSuspended};
use crate::resolution::{Owed, Resolution, Suspended};

/// Resolutions; ends before its condition.
macro_rules! resolutions {
    () => {
        "
select r.id, r.payment, d.network, t.token as account, o.provider, r.owed, r.amount, r.sign, r.booked, r.reason, r.at, r.batch,
  r.idempotency_key
from resolution r join account o on o.id = r.provider join difference d on d.payment = r.payment and d.number = 1
  join account t on t.id = d.account
"
    };
}
pub(crate) use resolutions;

/// What is in suspense of the payment of a difference `d`, in atomic units.
macro_rules! in_suspense {
    () => {
        "(select cast(coalesce(sum(case when l.way = 'arrived' and l.late is null then l.amount
            when l.way = 'missing' then -l.amount else 0 end), 0) as bigint) from difference l where l.payment = d.payment)
       - (select cast(coalesce(sum(r.sign * r.amount), 0) as bigint) from resolution r where r.payment = d.payment)"
    };
}

/// Who signed the payment of a difference `d`.
macro_rules! payer {
    () => {
        "coalesce((select i.payer from intent i where i.payment = d.payment), (select v.payer from voided v where v.payment = d.payment))"
    };
}

/// Payments with differences, each with its last one (`d`); ends before what more is asked of them.
macro_rules! suspended {
    () => {
        concat!(
            "
select d.payment, d.way, d.booked, d.network, t.token as account, o.provider, d.amount, d.hash, d.late, d.at, d.batch, ",
            payer!(),
            " as payer, ",
            in_suspense!(),
            " as units
from difference d join account o on o.id = d.provider join account t on t.id = d.account "
        )
    };
}
pub(crate) use {in_suspense, payer, suspended};

/// Those under these idempotency keys.
pub(crate) const RESOLVED: &str =
    concat!(resolutions!(), "where r.idempotency_key in (select value from json_each($1))");

/// What is in suspense of these payments.
pub(crate) const SUSPENDED: &str = concat!(
    "
select d.payment, d.network, o.provider, d.provider as provider_account, o.kind, d.account, a.token as name, a.wallet, d.hash, ",
    payer!(),
    " as payer,
  coalesce((select i.token from intent i where i.payment = d.payment), (select v.token from voided v where v.payment = d.payment)) as token, ",
    in_suspense!(),
    " as units, (select count(*) from resolution r where r.payment = d.payment) as resolutions,
  d.booked = 'settled' or exists (select 1 from difference l where l.payment = d.payment and l.late is not null)
    or exists (select 1 from resolution r where r.payment = d.payment and r.sign < 0) as had
from difference d join account a on a.id = d.account join account o on o.id = d.provider
where d.payment in (select unhex(value) from json_each($1))
  and d.number = (select max(l.number) from difference l where l.payment = d.payment)"
);

#[derive(Debug, FromRow)]
pub(crate) struct ResolutionColumns {
    id: Vec<u8>,
    payment: Vec<u8>,
    network: String,
    account: String,
    provider: String,
    owed: String,
    amount: i64,
    sign: i64,
    booked: Option<Vec<u8>>,
    reason: String,
    at: i64,
    pub(crate) batch: i64,
    pub(crate) idempotency_key: String,
}

#[derive(Debug, FromRow)]
pub(crate) struct SuspendedColumns {
    #[sqlx(flatten)]
    last: DifferenceColumns,
    payer: Option<Vec<u8>>,
    units: i64,
}

#[derive(Debug, FromRow)]
pub(crate) struct GivenColumns {
    payment: Vec<u8>,
    network: String,
    provider: String,
    provider_account: i64,
    kind: String,
    account: i64,
    name: String,
    wallet: Vec<u8>,
    hash: Vec<u8>,
    payer: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
    units: i64,
    resolutions: i64,
    had: bool,
}

// === impl ResolutionColumns ===

impl ResolutionColumns {
    pub(crate) fn read(self) -> Result<Resolution, Damaged> {
        Ok(Resolution {
            id: TransferId::from_bytes(fixed(&self.id)?),
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            token: token(&self.account, &self.network)?,
            network: Arc::from(self.network),
            provider: Arc::from(self.provider),
            owed: Owed::parse(&self.owed).ok_or(Damaged("owed"))?,
            amount: amount(self.amount)?,
            is_loss: self.sign < 0,
            booked: self.booked.as_deref().map(fixed).transpose()?.map(PaymentId::from_bytes),
            reason: self.reason,
            at: UnixMillis(self.at),
        })
    }
}

// === impl SuspendedColumns ===

impl SuspendedColumns {
    pub(crate) fn read(self) -> Result<Suspended, Damaged> {
        Ok(Suspended { last: self.last.read()?, payer: address(self.payer.as_deref())?, units: self.units })
    }
}

// === impl GivenColumns ===

impl GivenColumns {
    pub(crate) fn read(self) -> Result<(PaymentId, GivenSuspended), Damaged> {
        let given = GivenSuspended {
            written: token(&self.name, &self.network)?,
            network: Arc::from(self.network),
            provider: Arc::from(self.provider),
            provider_account: AccountId(self.provider_account),
            direct: self.kind == "direct",
            account: AccountId(self.account),
            wallet: WalletId::from_bytes(fixed(&self.wallet)?),
            token: address(self.token.as_deref())?,
            payer: address(self.payer.as_deref())?,
            shown: B256::new(fixed(&self.hash)?),
            units: self.units,
            is_had: self.had,
            resolutions: self.resolutions,
        };
        Ok((PaymentId::from_bytes(fixed(&self.payment)?), given))
    }
}

fn address(bytes: Option<&[u8]>) -> Result<Option<Address>, Damaged> {
    Ok(bytes.map(fixed).transpose()?.map(Address::new))
}
