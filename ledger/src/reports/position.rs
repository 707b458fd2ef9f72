//! What a provider earned and was not settled with, without reading its payments: accounts and settlements know it all.
//!
//! The provider's account was credited with each payment less its fee, the fee account with the fee; what was settled or given
//! back was debited. What is not in a settlement yet is the rest.

use std::sync::Arc;

use domain::{Amount, UnixMillis};
use sqlx::FromRow;

use super::reader::Reader;
use crate::books::rows::amount;
use crate::books::session::{Session, on_either};
use crate::database::Database;
use crate::error::LedgerError;
use crate::reads::read_error;

/// `$1` the provider's name.
const POSITION: &str = "
with whose as (
  select a.id, b.debits, b.credits, fb.credits as fees,
    (select db.credits - db.debits from account d join balance db on db.account = d.id
     where d.provider = a.provider and d.kind = 'payable') as pending
  from account a join balance b on b.account = a.id
    join account f on f.provider = a.provider and f.kind = 'fee' join balance fb on fb.account = f.id
  where a.kind = 'provider' and a.provider = $1),
done as (
  select cast(coalesce(sum(s.payments), 0) as bigint) as payments, cast(coalesce(sum(s.gross), 0) as bigint) as gross,
    cast(coalesce(sum(s.fee), 0) as bigint) as fee, cast(coalesce(sum(s.net), 0) as bigint) as net,
    cast(coalesce(sum(s.refunds + s.adjustments), 0) as bigint) as back, coalesce(max(s.cut), 0) as cut,
    coalesce(max(s.through), 0) as through, max(s.at) as at
  from whose w left join settlement s on s.provider = w.id)
select w.debits, w.credits, w.fees, coalesce(w.pending, 0) as pending, d.payments, d.gross, d.fee, d.net, d.back, d.at,
  (select cast(coalesce(sum(u.payments), 0) as bigint) from usage_day u where u.provider = w.id) as captured,
  (select p.captured_at from payment p where p.provider = w.id and p.seq > d.cut order by p.seq limit 1) as oldest_at,
  (select min(p.captured_at) from intent i join payment p on p.id = i.payment
   where i.closed is null and i.custody = 'treasury' and p.provider = w.id) as unsure_at,
  (select cast(coalesce(sum(r.amount - r.fee), 0) as bigint) from refund r
   where r.provider = w.id and r.batch > d.through and r.payment <= d.cut) as adjustments
from whose w, done d";

/// Who earned more than was settled with them.
const OWED: &str = "
select a.provider, b.credits - b.debits from account a join balance b on b.account = a.id
where a.kind = 'provider' and b.credits > b.debits";

/// What a provider earned and was not settled with yet, payments of this moment included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose.
    pub provider: Arc<str>,
    /// How many payments.
    pub payments: u64,
    /// What they took.
    pub gross: Amount,
    /// The platform's part of it.
    pub fee: Amount,
    /// Given back of them, less the fee that returned.
    pub refunds: Amount,
    /// Given back of payments that are settled, since the last settlement counted, less the fee that returned.
    pub adjustments: Amount,
    /// Gross less fee, refunds and adjustments, in atomic units; below zero where more was given back than was earned.
    pub net: i64,
    /// When the oldest of the payments was captured.
    pub oldest_at: Option<UnixMillis>,
    /// When the oldest payment was captured that came to the treasury on a public network and does not count there yet: it may
    /// still be undone, or never be collected.
    pub unsure_at: Option<UnixMillis>,
    /// When the last settlement was made.
    pub settled_at: Option<UnixMillis>,
    /// Settled, and still to be paid out.
    pub pending: Amount,
}

#[derive(Debug, FromRow)]
struct PositionColumns {
    debits: i64,
    credits: i64,
    fees: i64,
    pending: i64,
    payments: i64,
    gross: i64,
    fee: i64,
    net: i64,
    back: i64,
    at: Option<i64>,
    captured: i64,
    oldest_at: Option<i64>,
    unsure_at: Option<i64>,
    adjustments: i64,
}

/// Each provider that is to be settled with some time, by name, and with how much: see [`Position::net`].
pub(crate) async fn owed(session: &mut Session<'_>) -> Result<Vec<(Arc<str>, Amount)>, sqlx::Error> {
    let rows: Vec<(String, i64)> = on_either!(session, c => sqlx::query_as(OWED).fetch_all(c))?;
    let owed = rows.into_iter().map(|(provider, net)| Ok((Arc::from(provider), amount(net)?)));
    let mut owed: Vec<(Arc<str>, Amount)> = owed.collect::<Result<_, sqlx::Error>>()?;
    // Not as the database sorts text, which is its operator's choice: pages go on after a name.
    owed.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(owed)
}

/// The same as [`crate::Ledger::owed`] for the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn owed_of(database: &Database) -> Result<Vec<(Arc<str>, Amount)>, LedgerError> {
    let mut reader = Reader::open(database).await?;
    let found = owed(&mut reader.session()).await;
    reader.close().await;
    found.map_err(read_error)
}

/// None where nothing was ever paid to such a provider.
pub(crate) async fn read(session: &mut Session<'_>, provider: &str) -> Result<Option<Position>, sqlx::Error> {
    let found: Option<PositionColumns> =
        on_either!(session, c => sqlx::query_as(POSITION).bind(provider).fetch_optional(c))?;
    let Some(row) = found else { return Ok(None) };
    let back = row.debits - row.net - row.back;
    Ok(Some(Position {
        provider: Arc::from(provider),
        payments: u64::try_from(row.captured - row.payments).unwrap_or(0),
        gross: amount(row.credits + row.fees - row.gross)?,
        fee: amount(row.fees - row.fee)?,
        refunds: amount(back - row.adjustments)?,
        adjustments: amount(row.adjustments)?,
        net: row.credits - (row.gross - row.fee) - back,
        oldest_at: row.oldest_at.map(UnixMillis),
        unsure_at: row.unsure_at.map(UnixMillis),
        settled_at: row.at.map(UnixMillis),
        pending: amount(row.pending)?,
    }))
}
