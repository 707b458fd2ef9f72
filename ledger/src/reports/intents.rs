//! Intents by which value may still move.

use domain::{Address, PaymentId, UnixMillis};
use sqlx::{ConnectOptions, Connection, FromRow};

use crate::books::intents::{IntentColumns, intents};
use crate::books::rows::{Damaged, fixed};
use crate::books::session::{Session, on_either};
use crate::commit::postgres::connect;
use crate::commit::sqlite::{FILE, reader_options};
use crate::database::Database;
use crate::error::LedgerError;
use crate::intent::{Booked, BookedIntent, Debtor, OpenIntent};
use crate::reads::read_error;

/// Those of captured payments: what is still held is the writer's.
const DUE: &str = concat!(
    intents!(),
    "where i.closed is null and exists (select 1 from payment p where p.id = i.payment)
     order by i.valid_before, i.payment limit $1"
);

/// All of them from a payment on, whatever became of them. Identifiers are in the order of time.
const BOOKED: &str = concat!(
    intents!(
        "case when i.closed is null and exists (select 1 from payment p where p.id = i.payment) then 'due' else i.closed end as closed"
    ),
    "where i.payment > $1 order by i.payment limit $2"
);

/// Who did not pay since `$1`, `$2` of them.
const DEBTORS: &str = "
select payer, max(closed_at) from intent where closed = 'written_off' and closed_at >= $1
group by payer order by 2 desc limit $2";

/// An intent, and what the books say of it.
#[derive(Debug, FromRow)]
struct BookedColumns {
    #[sqlx(flatten)]
    intent: IntentColumns,
    closed: Option<String>,
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
        let open = columns.intent.read()?;
        let outcome = match (columns.closed.as_deref(), open.seen) {
            (None, _) => Booked::Held,
            (Some("due"), _) => Booked::Due,
            (Some("settled"), Some(transaction)) => Booked::Settled(transaction),
            (Some("written_off"), _) => Booked::WrittenOff,
            _ => return Err(Damaged("closed").into()),
        };
        Ok(BookedIntent { open, outcome })
    };
    rows.into_iter().map(read).collect()
}

pub(crate) async fn due(session: &mut Session<'_>, limit: u32) -> Result<Vec<OpenIntent>, sqlx::Error> {
    let rows: Vec<IntentColumns> =
        on_either!(session, c => sqlx::query_as(DUE).bind(i64::from(limit)).fetch_all(c))?;
    rows.into_iter().map(|columns| Ok(columns.read()?)).collect()
}

pub(crate) async fn debtors(
    session: &mut Session<'_>,
    since: UnixMillis,
    limit: u32,
) -> Result<Vec<Debtor>, sqlx::Error> {
    let rows: Vec<(Vec<u8>, i64)> =
        on_either!(session, c => sqlx::query_as(DEBTORS).bind(since.0).bind(i64::from(limit)).fetch_all(c))?;
    let read =
        |(payer, at): (Vec<u8>, i64)| Ok(Debtor { payer: Address::new(fixed(&payer)?), at: UnixMillis(at) });
    rows.into_iter().map(read).collect()
}

/// The same as [`crate::Ledger::booked`] for the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn booked_of(
    database: &Database,
    after: PaymentId,
    limit: u32,
) -> Result<Vec<BookedIntent>, LedgerError> {
    let found = match database {
        Database::Sqlite { directory } => {
            let mut connection = reader_options(&directory.join(FILE)).connect().await.map_err(read_error)?;
            let found = booked(&mut Session::Sqlite(&mut connection), after, limit).await;
            let _ = connection.close().await;
            found
        }
        Database::Postgres { url } => {
            let mut connection = connect::reader(url.expose()).await.map_err(read_error)?;
            let found = booked(&mut Session::Postgres(&mut connection), after, limit).await;
            let _ = connection.close().await;
            found
        }
    };
    found.map_err(read_error)
}
