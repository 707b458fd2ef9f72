//! Columns of `difference`, closed payments on public networks, and what they mean.

use std::sync::Arc;

use domain::{B256, PaymentId, UnixMillis, WalletId};
use sqlx::FromRow;

use super::rows::{Damaged, amount, fixed};
use crate::batch::{AccountId, GivenClosed};
use crate::difference::{Difference, Differs};

/// Differences; ends before its condition.
macro_rules! differences {
    () => {
        "
select d.payment, d.way, d.booked, d.network, t.token as account, o.provider, d.amount, d.hash, d.late, d.at, d.batch
from difference d join account o on o.id = d.provider join account t on t.id = d.account
"
    };
}
pub(crate) use differences;

/// Whether what moves by the nonce of a voided payment `v` is another one's: that one is held, or was captured, under the same nonce and
/// perhaps another expiry. One that was written off has it where it is of the same amount.
macro_rules! came_again {
    () => {
        "(exists (select 1 from payment p where p.replay_key = v.replay_key)
     or exists (select 1 from hold h where substr(h.replay_key, 9) = substr(v.replay_key, 9))
     or exists (select 1 from intent i join payment p on p.id = i.payment
          where i.payer = v.payer and i.network = v.network and substr(p.replay_key, 9) = substr(v.replay_key, 9)
            and (i.closed is null or i.closed <> 'written_off' or i.amount = v.amount)))"
    };
}
pub(crate) use came_again;

/// Closed payments of these names, each with its last difference.
pub(crate) const CLOSED: &str = concat!(
    "
with asked as (select unhex(value) as payment from json_each($1)),
closed as (
  select i.payment, i.network, p.gross as amount, i.closed, i.hash, p.wallet as account, p.provider,
      (select cast(coalesce(sum(r.amount), 0) as bigint) from refund r where r.payment = p.seq and r.reason = 'written_off') as lost,
      false as twin
    from asked q join intent i on i.payment = q.payment join payment p on p.id = i.payment where i.closed is not null
  union all
  select v.payment, v.network, v.amount, 'void', null, v.account, v.provider, 0,
      exists (select 1 from voided t join difference d on d.payment = t.payment
              where substr(t.replay_key, 9) = substr(v.replay_key, 9) and t.payment <> v.payment) or ",
    came_again!(),
    "
    from asked q join voided v on v.payment = q.payment)
select c.payment, c.network, c.amount, c.closed, c.hash, c.lost, c.twin, c.account, a.token as name, a.wallet, c.provider as provider_account, o.provider,
  coalesce(d.number, 0) as number, d.way, d.hash as shown, d.amount as stands,
  (select count(*) from difference l where l.payment = c.payment and l.late is not null) as late
from closed c join account a on a.id = c.account join account o on o.id = c.provider
  left join difference d on d.payment = c.payment
    and d.number = (select max(l.number) from difference l where l.payment = c.payment)"
);

#[derive(Debug, FromRow)]
pub(crate) struct DifferenceColumns {
    payment: Vec<u8>,
    way: String,
    booked: String,
    network: String,
    /// As the books name the token's.
    account: String,
    provider: String,
    amount: i64,
    hash: Vec<u8>,
    late: Option<Vec<u8>>,
    at: i64,
    pub(crate) batch: i64,
}

#[derive(Debug, FromRow)]
pub(crate) struct ClosedColumns {
    payment: Vec<u8>,
    network: String,
    amount: i64,
    closed: String,
    hash: Option<Vec<u8>>,
    lost: i64,
    twin: bool,
    account: i64,
    name: String,
    wallet: Vec<u8>,
    provider_account: i64,
    provider: String,
    number: i64,
    way: Option<String>,
    shown: Option<Vec<u8>>,
    stands: Option<i64>,
    late: i64,
}

// === impl DifferenceColumns ===

impl DifferenceColumns {
    pub(crate) fn read(self) -> Result<Difference, Damaged> {
        Ok(Difference {
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            token: token(&self.account, &self.network)?,
            network: Arc::from(self.network),
            provider: Arc::from(self.provider),
            amount: amount(self.amount)?,
            booked: booked(&self.booked)?,
            differs: Differs::parse(&self.way, B256::new(fixed(&self.hash)?)).ok_or(Damaged("way"))?,
            late: self.late.as_deref().map(fixed).transpose()?.map(PaymentId::from_bytes),
            at: UnixMillis(self.at),
        })
    }
}

// === impl ClosedColumns ===

impl ClosedColumns {
    pub(crate) fn read(self) -> Result<(PaymentId, GivenClosed), Damaged> {
        let given = GivenClosed {
            token: token(&self.name, &self.network)?,
            network: Arc::from(self.network),
            provider: Arc::from(self.provider),
            provider_account: AccountId(self.provider_account),
            account: AccountId(self.account),
            wallet: WalletId::from_bytes(fixed(&self.wallet)?),
            amount: amount(self.amount)?,
            booked: booked(&self.closed)?,
            moved: moved(self.hash.as_deref(), self.way.as_deref().zip(self.shown.as_deref()))?,
            stands: amount(self.stands.unwrap_or(self.amount))?,
            differences: self.number,
            is_late: self.late > 0,
            lost: amount(self.lost)?,
            is_anothers: self.twin,
        };
        Ok((PaymentId::from_bytes(fixed(&self.payment)?), given))
    }
}

/// A token as it is written on its network, by how the books name its account.
pub(crate) fn token(account: &str, network: &str) -> Result<Arc<str>, Damaged> {
    let written = account.strip_prefix(network).and_then(|rest| rest.strip_prefix('/'));
    written.map(Arc::from).ok_or(Damaged("token"))
}

/// In which transaction it moved, as the books have it: by their row, and by the last difference where there is one.
pub(crate) fn moved(booked: Option<&[u8]>, last: Option<(&str, &[u8])>) -> Result<Option<B256>, Damaged> {
    match last {
        Some((way, hash)) => {
            let differs = Differs::parse(way, B256::new(fixed(hash)?)).ok_or(Damaged("way"))?;
            Ok(differs.moved())
        }
        None => Ok(booked.map(fixed).transpose()?.map(B256::new)),
    }
}

/// One of the words of the schema's CHECK.
fn booked(word: &str) -> Result<&'static str, Damaged> {
    ["settled", "written_off", "void"].into_iter().find(|known| *known == word).ok_or(Damaged("booked"))
}
