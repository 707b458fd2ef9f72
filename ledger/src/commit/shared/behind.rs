//! How a batch begins: it locks the marker and reads what the others wrote since this process's last one, in one round trip.
//!
//! The others told it with each of their batches (`change`). Where some of that is missing, or this is a new connection, all that
//! memory has is given up: the holds of others and the captured replay keys are read here, everything else when it is wanted.

use domain::UnixMillis;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::theirs;
use crate::batch::Marker;
use crate::books::session::Session;
use crate::books::start::{DIRECT, PROVIDERS, ProviderColumns, provider, replays};
use crate::change::Change;
use crate::commit::{Accounts, Others, Since};
use crate::facts::REPLAY_KEEP_SECONDS;

/// Batches of others that are taken over one by one; after more of them what is wanted is read again.
const CHANGES_MAX: i64 = 64;

/// Planned once for a connection. `behind`: `$1` the instance, `$2` the last batch that it knows, `$3` batches at most; what it
/// reads after it waited for the marker it sees as the others left it.
pub(super) const PREPARE: &str = "
prepare lock_marker as select batch, at, seq, gross from marker where id = 1 for update;
prepare behind (bigint, bigint, bigint) as
select (select max(id) + 1 from account),
  exists (select 1 from instance where id = $1 and expires_at > clock_timestamp()), told.batch, told.body
from (select 1) as always left join lateral
  (select batch, body from change where batch > $2 order by batch limit $3) as told on true";

/// What is told of a batch is kept for so many batches, and up to a second longer.
pub(super) const FORGET: &str = "delete from change where batch <= (select batch from marker) - 256";

/// What this process knows already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) instance: i64,
    /// The last batch whose changes it has; none where it has nothing.
    pub(super) seen: Option<i64>,
    /// The number of the next account when it read the providers.
    pub(super) accounts: i64,
}

/// None where this process counts as dead.
pub(super) async fn begin(
    connection: &mut PgConnection,
    known: Known,
) -> Result<Option<Others>, sqlx::Error> {
    let Known { instance, seen, accounts } = known;
    let after = seen.unwrap_or(i64::MAX);
    // Numbers only. The wait for the disk comes after the commit, see there.
    let sql = format!(
        "begin; set local synchronous_commit to off; execute lock_marker; execute behind ({instance}, {after}, {CHANGES_MAX})"
    );
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
    let [locked, told @ ..] = rows.as_slice() else { return Err(sqlx::Error::RowNotFound) };
    let marker = marker(locked)?;
    let first = told.first().ok_or(sqlx::Error::RowNotFound)?;
    if !first.try_get::<bool, _>(1)? {
        return Ok(None);
    }
    let next: i64 = first.try_get(0)?;
    let accounts = if next == accounts { None } else { Some(read_accounts(connection, next).await?) };
    let since = match seen.map(|seen| changes(told, seen, marker.batch)).transpose()?.flatten() {
        Some(changes) => Since::Changes(changes),
        None => unknown(connection, instance, marker.at).await?,
    };
    Ok(Some(Others { marker, accounts, since }))
}

fn marker(row: &PgRow) -> Result<Marker, sqlx::Error> {
    let number = |column| row.try_get::<i64, usize>(column);
    Ok(Marker { batch: number(0)?, at: UnixMillis(number(1)?), seq: number(2)?, gross: number(3)? })
}

/// What the batches after `seen` and up to `last` changed; none where one of them is missing.
fn changes(told: &[PgRow], seen: i64, last: i64) -> Result<Option<Vec<Change>>, sqlx::Error> {
    let mut changes = Vec::with_capacity(told.len());
    let mut expected = seen;
    for row in told {
        let (Some(batch), Some(body)) =
            (row.try_get::<Option<i64>, _>(2)?, row.try_get::<Option<Vec<u8>>, _>(3)?)
        else {
            break;
        };
        expected += 1;
        let Some(change) = Change::from_bytes(&body).filter(|_| batch == expected) else { return Ok(None) };
        changes.push(change);
    }
    Ok((expected == last).then_some(changes))
}

async fn read_accounts(connection: &mut PgConnection, next: i64) -> Result<Accounts, sqlx::Error> {
    let providers: Vec<ProviderColumns> = sqlx::query_as(PROVIDERS).fetch_all(&mut *connection).await?;
    let direct: Vec<ProviderColumns> = sqlx::query_as(DIRECT).fetch_all(&mut *connection).await?;
    let [providers, direct] =
        [providers, direct].map(|rows| rows.into_iter().map(provider).collect::<Vec<_>>());
    Ok(Accounts { next, providers, direct })
}

async fn unknown(connection: &mut PgConnection, instance: i64, at: UnixMillis) -> Result<Since, sqlx::Error> {
    let horizon = u64::try_from(at.seconds()).unwrap_or(0).saturating_sub(REPLAY_KEEP_SECONDS);
    let replays = replays(&mut Session::Postgres(connection), horizon).await?;
    let holds = theirs::read(connection, instance).await?;
    Ok(Since::Unknown { holds, replays, horizon })
}
