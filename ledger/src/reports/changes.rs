//! What was committed after a batch, for whoever follows the books: each row once, in whole batches.
//!
//! Batches are numbered in commit order and are written whole. A reader that keeps the last number it has seen misses nothing
//! and sees nothing twice.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{Amount, UnixMillis, WalletId};
use sqlx::FromRow;

use crate::account::{Refunded, Transfer};
use crate::books::differences::{DifferenceColumns, differences};
use crate::books::rows::{amount, fixed, hex_list};
use crate::books::session::{Session, on_either};
use crate::books::settlements::{PayoutColumns, SettlementColumns, payouts, settlements};
use crate::books::transfers::{RefundColumns, TransferColumns, refunds, transfers};
use crate::difference::Difference;
use crate::intent::OnChain;
use crate::outgoing::Stepped;
use crate::reports::{outgoing, suspended, verdicts};
use crate::resolution::Resolution;
use crate::settlement::{Payout, Settlement};
use crate::verdict::Verdict;

/// How far the books are: everything up to here is committed and can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last batch.
    pub batch: i64,
    /// The number of the last payment.
    pub number: i64,
}

/// What was committed beside payments in the batches above [`Changes::after`] and up to [`Changes::upto`]. Each row has its
/// batch, and they are in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Not included.
    pub after: i64,
    /// Included: where the next reading begins.
    pub upto: i64,
    /// Given back.
    pub refunds: Vec<RefundChange>,
    /// Fundings, withdrawals, and payouts into wallets.
    pub transfers: Vec<(i64, Transfer)>,
    /// Made.
    pub settlements: Vec<(i64, Settlement)>,
    /// Made; those of the rail `ledger` were paid in the same batch, and are among [`Self::paid`] too.
    pub payouts: Vec<(i64, Payout)>,
    /// Paid.
    pub paid: Vec<(i64, Payout)>,
    /// What chains show otherwise than the books said.
    pub differences: Vec<(i64, Difference)>,
    /// What persons decided of money in suspense.
    pub resolutions: Vec<(i64, Resolution)>,
    /// Steps of transfers out of our treasury.
    pub outgoing: Vec<Stepped>,
    /// What persons said became of payments of which nobody knew.
    pub verdicts: Vec<(i64, Verdict)>,
    /// Who asked for it ([`crate::Ledger::asked_by`]), by the bytes of its name: a refund's, a transfer's (also of the one that
    /// paid a payout), a settlement's, a decision's, a step's; of a verdict its payment's. What a rule moved is not in it.
    pub movers: HashMap<[u8; 16], String>,
}

/// A refund, and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundChange {
    /// Of the commit.
    pub batch: i64,
    /// Who had been paid.
    pub provider: Arc<str>,
    /// Where the money went.
    pub wallet: WalletId,
    /// Where it was to come from, if from a public network.
    pub on_chain: Option<OnChain>,
    /// How much, and why.
    pub refunded: Refunded,
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
    /// When the last one was captured.
    pub at: UnixMillis,
}

#[derive(Debug, FromRow)]
struct RangeColumns {
    provider: String,
    first: i64,
    last: i64,
    count: i64,
    gross: i64,
    fee: i64,
    at: i64,
}

/// `$1` above, `$2` up to. What was deposited is no sale: it is told of as a funding.
const CAPTURED: &str = "
select a.provider, p.first, p.last, p.count, p.gross, p.fee, p.at
from (select provider, min(seq) as first, max(seq) as last, count(*) as count, cast(sum(gross) as bigint) as gross,
        cast(sum(fee) as bigint) as fee, max(captured_at) as at
      from payment where seq > $1 and seq <= $2 group by provider) p
  join account a on a.id = p.provider where a.provider <> '@deposits' order by p.last";

/// `$1` and `$2` numbers of payments, `$3` and `$4` batches: above and up to.
const TOUCHED: &str = "
select a.wallet from account a where a.id in (
  select wallet from payment where seq > $1 and seq <= $2
  union select p.wallet from refund r join payment p on p.seq = r.payment where r.batch > $3 and r.batch <= $4
  union select wallet from transfer where wallet is not null and batch > $3 and batch <= $4)";

/// The last batch in which anything but payments moved. Each of them stands at the end of an index.
const MOVED: &str = "
select max(batch) from (
  select max(batch) as batch from refund union all select max(batch) from transfer
  union all select max(batch) from settlement union all select max(batch) from payout
  union all select max(paid_batch) from payout where paid_batch is not null
  union all select max(batch) from difference union all select max(batch) from outgoing_step
  union all select max(batch) from resolution union all select max(batch) from verdict) as last";

const BALANCES: &str = "
select a.wallet, b.credits - b.debits, m.batch
from account a join balance b on b.account = a.id join marker m on m.id = 1
where a.wallet in (select unhex(value) from json_each($1))";

/// How far the books are.
pub(crate) async fn head(session: &mut Session<'_>) -> Result<Head, sqlx::Error> {
    let (batch, number): (i64, i64) =
        on_either!(session, c => sqlx::query_as("select batch, seq from marker").fetch_one(c))?;
    Ok(Head { batch, number })
}

/// Payments with numbers above the first and up to the second, by provider.
pub(crate) async fn captured(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<CapturedRange>, sqlx::Error> {
    let ranges: Vec<RangeColumns> =
        on_either!(session, c => sqlx::query_as(CAPTURED).bind(after).bind(upto).fetch_all(c))?;
    ranges.into_iter().map(RangeColumns::read).collect()
}

/// Wallets whose balance changed after one place and up to another.
pub(crate) async fn touched(
    session: &mut Session<'_>,
    after: Head,
    upto: Head,
) -> Result<Vec<WalletId>, sqlx::Error> {
    let rows: Vec<Vec<u8>> = on_either!(session, c => {
        let query = sqlx::query_scalar(TOUCHED).bind(after.number).bind(upto.number);
        query.bind(after.batch).bind(upto.batch).fetch_all(c)
    })?;
    rows.iter().map(|wallet| Ok(WalletId::from_bytes(fixed(wallet)?))).collect()
}

/// What is in these wallets, and the batch after which it was.
pub(crate) async fn balances(
    session: &mut Session<'_>,
    wallets: &[WalletId],
) -> Result<Vec<(WalletId, Amount, i64)>, sqlx::Error> {
    let keys = hex_list(wallets.iter().map(|wallet| wallet.as_bytes().as_slice()));
    let rows: Vec<(Vec<u8>, i64, i64)> =
        on_either!(session, c => sqlx::query_as(BALANCES).bind(keys).fetch_all(c))?;
    let balance = |(wallet, units, batch): (Vec<u8>, i64, i64)| {
        Ok((WalletId::from_bytes(fixed(&wallet)?), amount(units)?, batch))
    };
    rows.into_iter().map(balance).collect()
}

/// Whole batches above the first and up to the second, as many as have about `limit` rows of a kind; at least one.
pub(crate) async fn between(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
    limit: i64,
) -> Result<Changes, sqlx::Error> {
    let last = head(session).await?.batch.min(upto).max(after);
    let moved: Option<i64> = on_either!(session, c => sqlx::query_scalar(MOVED).fetch_one(c))?;
    if moved.is_none_or(|batch| batch <= after) {
        // So it is nearly always, and whoever follows the books asks many times a second.
        return Ok(Changes::none((after, last)));
    }
    let stretch = (after, reached(session, (after, last), limit).await?);
    Ok(Changes {
        after,
        upto: stretch.1,
        refunds: refunds(session, stretch).await?,
        transfers: transfers(session, stretch).await?,
        settlements: settlements(session, stretch).await?,
        payouts: payouts(session, stretch).await?,
        paid: paid(session, stretch).await?,
        differences: differences(session, stretch).await?,
        resolutions: suspended::between(session, stretch).await?,
        outgoing: outgoing::steps(session, stretch).await?,
        verdicts: verdicts::between(session, stretch).await?,
        movers: movers(session, stretch).await?,
    })
}

/// The last batch that fits: each kind says before which one its limit is reached.
async fn reached(
    session: &mut Session<'_>,
    (after, last): (i64, i64),
    limit: i64,
) -> Result<i64, sqlx::Error> {
    let mut reached = last;
    for text in [
        "select batch from refund where batch > $1 order by batch limit 1 offset $2",
        "select batch from transfer where batch > $1 order by batch limit 1 offset $2",
        "select batch from settlement where batch > $1 order by batch limit 1 offset $2",
        "select batch from difference where batch > $1 order by batch limit 1 offset $2",
        "select batch from resolution where batch > $1 order by batch limit 1 offset $2",
        "select batch from outgoing_step where batch > $1 order by batch limit 1 offset $2",
        "select batch from verdict where batch > $1 order by batch limit 1 offset $2",
        "select paid_batch from payout where paid_batch > $1 order by paid_batch limit 1 offset $2",
    ] {
        let past: Option<i64> =
            on_either!(session, c => sqlx::query_scalar(text).bind(after).bind(limit).fetch_optional(c))?;
        reached = reached.min(past.map_or(last, |batch| batch - 1));
    }
    // One batch is small: it is taken whole.
    Ok(reached.max((after + 1).min(last)))
}

async fn refunds(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<RefundChange>, sqlx::Error> {
    let text = concat!(refunds!(), "where r.batch > $1 and r.batch <= $2 order by r.batch, r.id");
    let rows: Vec<RefundColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.change()?)).collect()
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

async fn differences(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Difference)>, sqlx::Error> {
    let text =
        concat!(differences!(), "where d.batch > $1 and d.batch <= $2 order by d.batch, d.payment, d.number");
    let rows: Vec<DifferenceColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.batch, row.read()?))).collect()
}

async fn movers(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<HashMap<[u8; 16], String>, sqlx::Error> {
    let text = "select moved, who from mover where batch > $1 and batch <= $2";
    let rows: Vec<(Vec<u8>, String)> =
        on_either!(session, c => sqlx::query_as(text).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|(moved, who)| Ok((fixed(&moved)?, who))).collect()
}

// === impl Changes ===

impl Changes {
    /// Nothing but payments.
    fn none((after, upto): (i64, i64)) -> Self {
        Self {
            after,
            upto,
            refunds: Vec::new(),
            transfers: Vec::new(),
            settlements: Vec::new(),
            payouts: Vec::new(),
            paid: Vec::new(),
            differences: Vec::new(),
            resolutions: Vec::new(),
            outgoing: Vec::new(),
            verdicts: Vec::new(),
            movers: HashMap::new(),
        }
    }
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
            at: UnixMillis(self.at),
        })
    }
}
