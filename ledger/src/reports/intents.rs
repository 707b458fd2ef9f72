//! Intents by which value may still move.

use std::collections::HashSet;

use domain::{PaymentId, TransactionId, UnixMillis};
use sqlx::FromRow;

use super::reader::Reader;
use crate::books::differences::{came_again, moved};
use crate::books::intents::{IntentColumns, intents, party};
use crate::books::rows::{Damaged, amount, fixed, hex_list};
use crate::books::session::{Session, on_either};
use crate::database::Database;
use crate::error::LedgerError;
use crate::intent::{Booked, BookedIntent, Debtor, Due, DuePlace};
use crate::reads::read_error;

/// Those of captured payments on the network `$1`: what is still held is the writer's. Behind the time `$2` and the payment `$3`, up to the
/// time `$4`.
const DUE: &str = concat!(
    intents!(),
    "where i.network = $1 and i.closed is null and (i.valid_before, i.payment) > ($2, $3) and i.valid_before <= $4
       and exists (select 1 from payment p where p.id = i.payment)
     order by i.valid_before, i.payment limit $5"
);

/// Those of the payments `$1`.
const OPEN: &str = "
select payment from intent where closed is null and payment in (select unhex(value) from json_each($1))";

/// Where they are, and how many.
const OPEN_ON: &str =
    "select network, count(*) from intent where closed is null group by network order by network";

/// All of them from a payment on, whatever became of them, each with its last difference, and how many
/// before it have a share of the same transaction. Identifiers are in the order of time. One that
/// was voided and came again is the later one's. Of those that were voided and have one nonce it is the one with a difference, where one
/// has: that nonce moves once, and until then each looks for it from its own block on.
const BOOKED: &str = concat!(
    "
with listed as (
  select i.payment, i.network, i.token, i.payer, i.pay_to, i.custody, i.settle,
    coalesce((select p.gross from payment p where p.id = i.payment), i.amount) as amount, i.valid_before, i.since_block,
    i.payload, i.requirements, i.deposit, i.held_at, i.hash,
    case when i.closed is null and exists (select 1 from payment p where p.id = i.payment) then 'due' else i.closed end as closed
  from intent i where i.payment > $1
  union all
  select v.payment, v.network, v.token, v.payer, v.pay_to, v.custody, v.settle, v.amount, v.valid_before, v.since_block,
    v.payload, v.requirements, null, v.held_at, null, 'void'
  from voided v where v.payment > $1
    and not ",
    came_again!(),
    "
    and not exists (select 1 from voided o join difference d on d.payment = o.payment
      where substr(o.replay_key, 9) = substr(v.replay_key, 9) and o.payment <> v.payment
        and (o.payment > v.payment or not exists (select 1 from difference l where l.payment = v.payment)))
  order by payment limit $2)
select i.*, d.way, d.hash as shown, d.amount as stands, (select count(*) from intent s join intent o on o.network = s.network and o.hash = s.hash
    where s.payment = i.payment and s.one_of is not null and o.one_of is not null and o.token = s.token and o.payer = s.payer
      and o.pay_to = s.pay_to and o.moved = s.moved and o.payment < s.payment) as earlier
from listed i left join difference d on d.payment = i.payment
  and d.number = (select max(l.number) from difference l where l.payment = i.payment)
order by i.payment"
);

/// `$1` payments, `$2` Unix seconds.
const PREPAID: &str = "
select payment from intent
where payment in (select unhex(value) from json_each($1)) and settle = 'before' and valid_before <= $2 order by payment";

/// Who did not pay since `$1`, `$2` of them.
const DEBTORS: &str = "
select network, payer, max(closed_at) from intent where closed = 'written_off' and closed_at >= $1
group by network, payer order by 3 desc limit $2";

/// The payment that the transaction of these names (`$2`) of the network `$1` settled, where that is a non-EVM one.
const SETTLED_BY: &str = "
select payment from intent
where network = $1 and hash in (select unhex(value) from json_each($2)) and substr(network, 1, 7) <> 'eip155:' and hash is not null and spent_before is null";

/// An intent, and what the books say of it.
#[derive(Debug, FromRow)]
struct BookedColumns {
    #[sqlx(flatten)]
    intent: IntentColumns,
    closed: Option<String>,
    way: Option<String>,
    shown: Option<Vec<u8>>,
    stands: Option<i64>,
    earlier: i64,
}

pub(crate) async fn booked(
    session: &mut Session<'_>,
    after: PaymentId,
    limit: u32,
) -> Result<Vec<BookedIntent>, sqlx::Error> {
    let rows: Vec<BookedColumns> = on_either!(session, c => {
        sqlx::query_as(BOOKED).bind(after.as_bytes().as_slice()).bind(i64::from(limit)).fetch_all(c)
    })?;
    let read = |columns: BookedColumns| {
        let last = columns.way.as_deref().zip(columns.shown.as_deref());
        let open = columns.intent.read()?;
        let outcome = match (columns.closed.as_deref(), open.seen) {
            (None, _) => Booked::Held,
            (Some("due"), _) => Booked::Due,
            (Some("settled"), Some(transaction)) => Booked::Settled(transaction),
            (Some("written_off"), _) => Booked::WrittenOff,
            (Some("void"), _) => Booked::Void,
            _ => return Err(Damaged("closed").into()),
        };
        let settled = open.seen.filter(|_| matches!(outcome, Booked::Settled(_)));
        let booked = settled.and_then(|transaction| transaction.evm());
        let moved = moved(booked.as_ref().map(|hash| hash.as_slice()), last)?;
        let earlier = u64::try_from(columns.earlier).map_err(|_| Damaged("earlier"))?;
        let stands = columns.stands.map(amount).transpose()?.unwrap_or(open.amount);
        Ok(BookedIntent { open, outcome, moved, stands, earlier })
    };
    rows.into_iter().map(read).collect()
}

/// See [`crate::Ledger::due_between`].
pub(crate) async fn due(
    session: &mut Session<'_>,
    network: &str,
    (behind, until): (DuePlace, i64),
    limit: u32,
) -> Result<Vec<Due>, sqlx::Error> {
    let network = network.to_owned();
    let payment = behind.payment.map(|payment| payment.as_bytes().to_vec()).unwrap_or_default();
    let rows: Vec<IntentColumns> = on_either!(session, c => {
        let query = sqlx::query_as(DUE).bind(network).bind(behind.seconds).bind(payment);
        query.bind(until).bind(i64::from(limit)).fetch_all(c)
    })?;
    rows.into_iter().map(|columns| Ok(columns.due()?)).collect()
}

/// See [`crate::Ledger::still_open`].
pub(crate) async fn still_open(
    session: &mut Session<'_>,
    payments: &[PaymentId],
) -> Result<HashSet<PaymentId>, sqlx::Error> {
    let keys = hex_list(payments.iter().map(|payment| payment.as_bytes().as_slice()));
    let rows: Vec<Vec<u8>> = on_either!(session, c => sqlx::query_scalar(OPEN).bind(keys).fetch_all(c))?;
    rows.iter().map(|payment| Ok(PaymentId::from_bytes(fixed(payment)?))).collect()
}

/// See [`crate::Ledger::open_on`].
pub(crate) async fn open_on(session: &mut Session<'_>) -> Result<Vec<(String, i64)>, sqlx::Error> {
    on_either!(session, c => sqlx::query_as(OPEN_ON).fetch_all(c))
}

/// The same as [`crate::Ledger::open_on`] for the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn open_on_of(database: &Database) -> Result<Vec<(String, i64)>, LedgerError> {
    let mut reader = Reader::open(database).await?;
    let found = open_on(&mut reader.session()).await;
    reader.close().await;
    found.map_err(read_error)
}

/// Those of these payments whose value moved first, and whose time was over then.
pub(crate) async fn prepaid(
    session: &mut Session<'_>,
    payments: &[PaymentId],
    over: Option<UnixMillis>,
) -> Result<Vec<PaymentId>, sqlx::Error> {
    let keys = hex_list(payments.iter().map(|payment| payment.as_bytes().as_slice()));
    let seconds = over.map_or(i64::MAX, UnixMillis::seconds);
    let rows: Vec<Vec<u8>> =
        on_either!(session, c => sqlx::query_scalar(PREPAID).bind(keys).bind(seconds).fetch_all(c))?;
    rows.iter().map(|payment| Ok(PaymentId::from_bytes(fixed(payment)?))).collect()
}

/// See [`crate::Ledger::settled_by`].
pub(crate) async fn settled_by(
    session: &mut Session<'_>,
    network: &str,
    transaction: TransactionId,
) -> Result<Option<PaymentId>, sqlx::Error> {
    let names = transaction.spellings();
    let (network, names) = (network.to_owned(), hex_list(names.iter().map(Vec::as_slice)));
    let found: Option<Vec<u8>> = on_either!(session, c => {
        sqlx::query_scalar(SETTLED_BY).bind(network).bind(names).fetch_optional(c)
    })?;
    Ok(found.as_deref().map(fixed).transpose()?.map(PaymentId::from_bytes))
}

/// See [`crate::Ledger::suspense`].
pub(crate) async fn suspense(session: &mut Session<'_>) -> Result<i64, sqlx::Error> {
    let text = "select credits - debits from balance where account = 0";
    on_either!(session, c => sqlx::query_scalar(text).fetch_one(c))
}

pub(crate) async fn debtors(
    session: &mut Session<'_>,
    since: UnixMillis,
    limit: u32,
) -> Result<Vec<Debtor>, sqlx::Error> {
    let rows: Vec<(String, Vec<u8>, i64)> =
        on_either!(session, c => sqlx::query_as(DEBTORS).bind(since.0).bind(i64::from(limit)).fetch_all(c))?;
    let read = |(network, payer, at): (String, Vec<u8>, i64)| {
        Ok(Debtor { payer: party(&network, &payer)?, at: UnixMillis(at) })
    };
    rows.into_iter().map(read).collect()
}

/// The same as [`crate::Ledger::booked`] for the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn booked_of(
    database: &Database,
    after: PaymentId,
    limit: u32,
) -> Result<Vec<BookedIntent>, LedgerError> {
    let mut reader = Reader::open(database).await?;
    let found = booked(&mut reader.session(), after, limit).await;
    reader.close().await;
    found.map_err(read_error)
}
