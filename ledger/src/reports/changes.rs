//! What was committed after a batch, for whoever follows the books: each row once, in whole batches.
//!
//! Batches are numbered in commit order and are written whole. A reader that keeps the last number it has seen misses nothing
//! and sees nothing twice.

use std::sync::Arc;

use domain::Amount;
use sqlx::FromRow;

use super::seek;
use crate::account::{Refunded, Transfer};
use crate::books::rows::amount;
use crate::books::session::{Session, on_either};
use crate::books::settlements::{PayoutColumns, SettlementColumns, payouts, settlements};
use crate::books::transfers::{RefundColumns, TransferColumns, refunds, transfers};
use crate::settlement::{Payout, Settlement};

/// What was committed in the batches above [`Changes::after`] and up to [`Changes::upto`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Not included.
    pub after: i64,
    /// Included: where the next reading begins.
    pub upto: i64,
    /// Whether there may be more behind.
    pub more: bool,
    /// Captured payments, a range of numbers for each provider.
    pub captured: Vec<CapturedRange>,
    /// Each with its batch, in order; so are all below.
    pub refunds: Vec<(i64, Refunded)>,
    /// Fundings, withdrawals, and payouts into wallets.
    pub transfers: Vec<(i64, Transfer)>,
    /// Made.
    pub settlements: Vec<(i64, Settlement)>,
    /// Made; those of the rail `ledger` were paid in the same batch, and are among [`Self::paid`] too.
    pub payouts: Vec<(i64, Payout)>,
    /// Paid.
    pub paid: Vec<(i64, Payout)>,
}

/// Payments of one provider: all of its numbers from `first` to `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedRange {
    /// To whom.
    pub provider: Arc<str>,
    /// The number of the first.
    pub first: i64,
    /// The number of the last.
    pub last: i64,
    /// How many.
    pub count: u64,
    /// What they took.
    pub gross: Amount,
    /// The platform's part of it.
    pub fee: Amount,
    /// The batch of the last.
    pub batch: i64,
}

#[derive(Debug, FromRow)]
struct RangeColumns {
    provider: String,
    first: i64,
    last: i64,
    count: i64,
    gross: i64,
    fee: i64,
    batch: i64,
}

/// `$1` the first number, `$2` behind the last one.
const CAPTURED: &str = "
select a.provider, min(p.seq) as first, max(p.seq) as last, count(*) as count, cast(sum(p.gross) as bigint) as gross,
  cast(sum(p.fee) as bigint) as fee, max(p.batch) as batch
from payment p join account a on a.id = p.provider where p.seq >= $1 and p.seq < $2 group by a.provider order by last";

/// The number of the last committed batch.
pub(crate) async fn last_batch(session: &mut Session<'_>) -> Result<i64, sqlx::Error> {
    on_either!(session, c => sqlx::query_scalar("select batch from marker").fetch_one(c))
}

/// At most so many payments, and so many rows of each other kind; at least one batch.
pub(crate) async fn after(session: &mut Session<'_>, after: i64, limit: i64) -> Result<Changes, sqlx::Error> {
    let last = last_batch(session).await?.max(after);
    let first = seek::first_behind(session, after).await?;
    let upto = upto(session, (after, last), first, limit).await?;
    let behind = seek::first_behind(session, upto).await?;
    let ranges: Vec<RangeColumns> =
        on_either!(session, c => sqlx::query_as(CAPTURED).bind(first).bind(behind).fetch_all(c))?;
    let captured = ranges.into_iter().map(RangeColumns::read).collect::<Result<_, sqlx::Error>>()?;
    Ok(Changes {
        after,
        upto,
        more: upto < last,
        captured,
        refunds: refunds(session, (after, upto)).await?,
        transfers: transfers(session, (after, upto)).await?,
        settlements: settlements(session, (after, upto)).await?,
        payouts: payouts(session, (after, upto)).await?,
        paid: paid(session, (after, upto)).await?,
    })
}

/// The last batch that fits: each kind says before which one its limit is reached.
async fn upto(
    session: &mut Session<'_>,
    (after, last): (i64, i64),
    first: i64,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    let mut upto = last;
    let text = "select batch from payment where seq = $1";
    let past: Option<i64> = on_either!(session, c => {
        sqlx::query_scalar(text).bind(first.saturating_add(limit)).fetch_optional(c)
    })?;
    upto = upto.min(past.map_or(last, |batch| batch - 1));
    for text in [
        "select batch from refund where batch > $1 order by batch limit 1 offset $2",
        "select batch from transfer where batch > $1 order by batch limit 1 offset $2",
        "select batch from settlement where batch > $1 order by batch limit 1 offset $2",
        "select paid_batch from payout where paid_batch > $1 order by paid_batch limit 1 offset $2",
    ] {
        let past: Option<i64> =
            on_either!(session, c => sqlx::query_scalar(text).bind(after).bind(limit).fetch_optional(c))?;
        upto = upto.min(past.map_or(last, |batch| batch - 1));
    }
    // One batch is small: it is taken whole.
    Ok(upto.max((after + 1).min(last)))
}

async fn refunds(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Refunded)>, sqlx::Error> {
    let text = concat!(refunds!(), "where r.batch > $1 and r.batch <= $2 order by r.batch, r.id");
    let rows: Vec<RefundColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.batch, row.read()?))).collect()
}

async fn transfers(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Transfer)>, sqlx::Error> {
    let text = concat!(
        transfers!(),
        "where t.wallet is not null and t.batch > $1 and t.batch <= $2 order by t.batch, t.id"
    );
    let rows: Vec<TransferColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    let read = |row: TransferColumns| {
        let (batch, row) = (row.batch, row.read()?);
        Ok(row.transfer().map(|transfer| (batch, transfer)))
    };
    rows.into_iter().map(read).filter_map(Result::transpose).collect()
}

async fn settlements(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Settlement)>, sqlx::Error> {
    let text = concat!(settlements!(), "where s.batch > $1 and s.batch <= $2 order by s.batch, s.id");
    let rows: Vec<SettlementColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.batch, row.read()?))).collect()
}

async fn payouts(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Payout)>, sqlx::Error> {
    let text = concat!(payouts!(), "where o.batch > $1 and o.batch <= $2 order by o.batch, o.id");
    let rows: Vec<PayoutColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.batch, row.read()?))).collect()
}

async fn paid(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Payout)>, sqlx::Error> {
    let text =
        concat!(payouts!(), "where o.paid_batch > $1 and o.paid_batch <= $2 order by o.paid_batch, o.id");
    let rows: Vec<PayoutColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.paid_batch.unwrap_or(row.batch), row.read()?))).collect()
}

// === impl RangeColumns ===

impl RangeColumns {
    fn read(self) -> Result<CapturedRange, sqlx::Error> {
        Ok(CapturedRange {
            provider: Arc::from(self.provider),
            first: self.first,
            last: self.last,
            count: u64::try_from(self.count).unwrap_or(0),
            gross: amount(self.gross)?,
            fee: amount(self.fee)?,
            batch: self.batch,
        })
    }
}
