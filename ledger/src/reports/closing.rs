//! What a settlement is made of: the sums of a provider's payments that are old enough, and of the refunds since.
//!
//! Payments are read in pieces, so that no view of the books is kept open for long; they cannot change. What can still
//! grow, refunds, is read last, in one statement that also says until which batch it looked.

use std::sync::Arc;

use domain::{Amount, UnixMillis};
use sqlx::FromRow;

use super::seek;
use crate::books::rows::amount;
use crate::books::session::{Session, on_either};
use crate::settlement::Closing;

/// Payments read at once.
const PIECE: i64 = 50_000;

/// `$1` the provider's account, `$2` above this number, `$3` up to this one, `$4` how many.
const SUMS: &str = "
select count(*) as payments, cast(coalesce(sum(gross), 0) as bigint) as gross, cast(coalesce(sum(fee), 0) as bigint) as fee,
  max(seq) as cut, min(batch) as batch
from (select seq, gross, fee, batch from payment where provider = $1 and seq > $2 and seq <= $3 order by seq limit $4) piece";

/// `$1` the provider's account, `$2` the cut, `$3` the batch of its first member.
const REFUNDS: &str = "
with last as (
  select coalesce(max(cut), 0) as cut, coalesce(max(through), 0) as through from settlement where provider = $1)
select m.batch as through, last.cut as since,
  (select cast(coalesce(sum(r.amount - r.fee), 0) as bigint) from refund r
   where r.provider = $1 and r.batch >= $3 and r.payment > last.cut and r.payment <= $2) as refunds,
  (select cast(coalesce(sum(r.amount - r.fee), 0) as bigint) from refund r
   where r.provider = $1 and r.batch > last.through and r.payment <= last.cut) as adjustments
from last, marker m";

/// A provider's payments behind its last settlement, summed up as far as they were read. Kept by whoever settles, so that none is
/// read twice; begun anew after a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    provider: Arc<str>,
    account: i64,
    since: i64,
    /// Everything up to this number was looked at.
    upto: i64,
    cut: i64,
    batch: i64,
    payments: u64,
    gross: i64,
    fee: i64,
}

#[derive(Debug, FromRow)]
struct SumsColumns {
    payments: i64,
    gross: i64,
    fee: i64,
    cut: Option<i64>,
    batch: Option<i64>,
}

#[derive(Debug, FromRow)]
struct RefundsColumns {
    through: i64,
    since: i64,
    refunds: i64,
    adjustments: i64,
}

// === impl Tally ===

impl Tally {
    /// Whose.
    #[must_use]
    pub fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// How many payments it has.
    #[must_use]
    pub const fn payments(&self) -> u64 {
        self.payments
    }

    /// What they took.
    #[must_use]
    pub fn gross(&self) -> Amount {
        Amount::from_atomic(self.gross).unwrap_or_default()
    }

    fn add(&mut self, piece: &SumsColumns, cut: i64) {
        if self.payments == 0 {
            self.batch = piece.batch.unwrap_or_default();
        }
        self.payments = self.payments.saturating_add(u64::try_from(piece.payments).unwrap_or(0));
        self.gross = self.gross.saturating_add(piece.gross);
        self.fee = self.fee.saturating_add(piece.fee);
        self.cut = cut;
        self.upto = cut;
    }
}

/// An empty tally behind the provider's last settlement; none where there is no such provider.
pub(crate) async fn begin(session: &mut Session<'_>, provider: &str) -> Result<Option<Tally>, sqlx::Error> {
    let text = "
select a.id, (select coalesce(max(cut), 0) from settlement s where s.provider = a.id)
from account a where a.kind = 'provider' and a.provider = $1";
    let found: Option<(i64, i64)> =
        on_either!(session, c => sqlx::query_as(text).bind(provider).fetch_optional(c))?;
    Ok(found.map(|(account, since)| Tally {
        provider: Arc::from(provider),
        account,
        since,
        upto: since,
        cut: since,
        batch: 0,
        payments: 0,
        gross: 0,
        fee: 0,
    }))
}

/// Adds the payments that were captured before `until` and are not in it yet.
pub(crate) async fn extend(
    session: &mut Session<'_>,
    mut tally: Tally,
    until: UnixMillis,
) -> Result<Tally, sqlx::Error> {
    let last = seek::first_at(session, until).await? - 1;
    while tally.upto < last {
        let Tally { account, upto, .. } = tally;
        let piece: SumsColumns = on_either!(session, c => {
            sqlx::query_as(SUMS).bind(account).bind(upto).bind(last).bind(PIECE).fetch_one(c)
        })?;
        match piece.cut {
            Some(cut) => tally.add(&piece, cut),
            None => tally.upto = last,
        }
    }
    Ok(tally)
}

/// What a settlement of these payments would be; none where there are none, or where one was made since the tally was begun.
pub(crate) async fn close(session: &mut Session<'_>, tally: &Tally) -> Result<Option<Closing>, sqlx::Error> {
    let Tally { account, cut, batch, .. } = *tally;
    let back: RefundsColumns = on_either!(session, c => {
        sqlx::query_as(REFUNDS).bind(account).bind(cut).bind(batch).fetch_one(c)
    })?;
    if back.since != tally.since || tally.payments == 0 {
        return Ok(None);
    }
    Ok(Some(Closing {
        provider: Arc::clone(&tally.provider),
        since: tally.since,
        cut,
        through: back.through,
        payments: tally.payments,
        gross: amount(tally.gross)?,
        fee: amount(tally.fee)?,
        refunds: amount(back.refunds)?,
        adjustments: amount(back.adjustments)?,
    }))
}
