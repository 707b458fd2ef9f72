//! Transfers out of our treasury, as they are sent and listed.

use std::sync::Arc;

use domain::{B256, OutgoingId, PaymentId, UnixMillis};
use sqlx::AssertSqlSafe;

use super::lists::{of_provider, ordered};
use super::reader::Reader;
use super::{Listed, Page};
use crate::books::outgoing::{LEFT, OUTGOING, OutgoingColumns, outgoing};
use crate::books::rows::hex_list;
use crate::books::session::{Session, on_either};
use crate::database::Database;
use crate::error::LedgerError;
use crate::outgoing::{Outgoing, OutgoingState, Stepped};
use crate::reads::read_error;

/// Which are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingFilter {
    /// Of this provider.
    pub provider: Option<Arc<str>>,
    /// In this state.
    pub state: Option<OutgoingState>,
}

/// `$1` the network, `$2` the state, `$3` the one before, `$4` how many.
const OPEN: &str = concat!(
    outgoing!(),
    "where o.network = $1 and o.state in ('due', 'sent') and o.state = $2 and o.id > $3 and (o.payment is null
       or exists (select 1 from intent i where i.payment = p.id and i.closed = 'settled'))
     order by o.id limit $4"
);

/// `$1` a time and `$2` a name, above which they are, `$3` how many.
const PAID: &str = concat!(
    outgoing!(),
    "where o.state = 'paid' and (o.changed_at, o.id) > ($1, $2) order by o.changed_at, o.id limit $3"
);

pub(crate) async fn open(
    session: &mut Session<'_>,
    network: &str,
    state: OutgoingState,
    after: Option<OutgoingId>,
    limit: u32,
) -> Result<Vec<Outgoing>, sqlx::Error> {
    let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let rows: Vec<OutgoingColumns> = on_either!(session, c => {
        sqlx::query_as(OPEN).bind(network).bind(state.name()).bind(after).bind(i64::from(limit)).fetch_all(c)
    })?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

pub(crate) async fn paid(
    session: &mut Session<'_>,
    (at, id): (UnixMillis, OutgoingId),
    limit: u32,
) -> Result<Vec<Outgoing>, sqlx::Error> {
    let id = id.as_bytes().to_vec();
    let rows: Vec<OutgoingColumns> = on_either!(session, c => {
        sqlx::query_as(PAID).bind(at.0).bind(id).bind(i64::from(limit)).fetch_all(c)
    })?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

/// The same as [`crate::Ledger::outgoing_paid`] for the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn outgoing_paid_of(
    database: &Database,
    after: (UnixMillis, OutgoingId),
    limit: u32,
) -> Result<Vec<Outgoing>, LedgerError> {
    let mut reader = Reader::open(database).await?;
    let found = paid(&mut reader.session(), after, limit).await;
    reader.close().await;
    found.map_err(read_error)
}

pub(crate) async fn one(session: &mut Session<'_>, id: OutgoingId) -> Result<Option<Outgoing>, sqlx::Error> {
    let keys = hex_list([id.as_bytes().as_slice()].into_iter());
    let row: Option<OutgoingColumns> =
        on_either!(session, c => sqlx::query_as(OUTGOING).bind(keys).fetch_optional(c))?;
    row.map(|row| Ok(row.read()?)).transpose()
}

/// Whether another one than this left by a transaction, or may have.
pub(crate) async fn another_by(
    session: &mut Session<'_>,
    transaction: B256,
    than: OutgoingId,
) -> Result<bool, sqlx::Error> {
    let keys = hex_list([transaction.as_slice()].into_iter());
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        on_either!(session, c => sqlx::query_as(LEFT).bind(keys).fetch_all(c))?;
    Ok(rows.iter().any(|(id, _)| id.as_slice() != than.as_bytes()))
}

pub(crate) async fn of_payment(
    session: &mut Session<'_>,
    payment: PaymentId,
) -> Result<Vec<Outgoing>, sqlx::Error> {
    const TEXT: &str = concat!(outgoing!(), "where p.id = $1 order by o.id");
    let key = payment.as_bytes().to_vec();
    let rows: Vec<OutgoingColumns> = on_either!(session, c => sqlx::query_as(TEXT).bind(key).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &OutgoingFilter,
    page: &Page<OutgoingId>,
) -> Result<Listed<Outgoing, OutgoingId>, sqlx::Error> {
    let Some(mut condition) = of_provider(session, "o", filter.provider.as_deref()).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    if let Some(state) = filter.state {
        condition.push_str(&format!(" and o.state = '{}'", state.name()));
    }
    let text = ordered(outgoing!(), &condition, "o.id", page);
    let after = page.after.map(|id| id.as_bytes().to_vec());
    let rows: Vec<OutgoingColumns> = on_either!(session, c => {
        let query = sqlx::query_as(AssertSqlSafe(text)).persistent(false).bind(page.asked());
        match after {
            Some(after) => query.bind(after).fetch_all(c),
            None => query.fetch_all(c),
        }
    })?;
    let items = rows.into_iter().map(|row| Ok(row.read()?)).collect::<Result<_, sqlx::Error>>()?;
    Ok(page.listed(items, |outgoing: &Outgoing| outgoing.id))
}

/// The steps in batches above the first and up to the second.
pub(crate) async fn steps(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<Stepped>, sqlx::Error> {
    const TEXT: &str = concat!(
        outgoing!(steps),
        "where s.batch > $1 and s.batch <= $2 order by s.batch, s.outgoing, s.number"
    );
    let rows: Vec<OutgoingColumns> =
        on_either!(session, c => sqlx::query_as(TEXT).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.stepped()?)).collect()
}
