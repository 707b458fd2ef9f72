//! Rows of `idempotent_call`.

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::rows::array;
use super::{Session, StoreError};
use crate::idempotency::{Answer, Call};

/// What a word stands for.
pub(crate) struct Known {
    pub(crate) request: [u8; 32],
    pub(crate) answer: Option<Answer>,
    pub(crate) at: UnixMillis,
}

type Row = (Vec<u8>, Option<i64>, Option<Vec<u8>>, i64);

pub(crate) async fn find(session: &mut Session<'_>, key: &[u8; 32]) -> Result<Option<Known>, StoreError> {
    const SQL: &str = "select request, status, body, at from idempotent_call where key = $1";
    let row: Option<Row> = on_either!(session, c => sqlx::query_as(SQL).bind(&key[..]).fetch_optional(c))?;
    let Some((request, status, body, at)) = row else { return Ok(None) };
    let status = status.map(u16::try_from).transpose().map_err(|_| StoreError::Corrupt("status"))?;
    let answer = status.map(|status| Answer { status, body });
    Ok(Some(Known { request: array(&request)?, answer, at: UnixMillis(at) }))
}

/// Takes a word, also from a call whose time is over.
pub(crate) async fn begin(session: &mut Session<'_>, call: Call, at: UnixMillis) -> Result<(), StoreError> {
    const SQL: &str = "insert into idempotent_call (key, request, at) values ($1, $2, $3)
         on conflict (key) do update set request = excluded.request, status = null, body = null, at = excluded.at";
    execute!(session, sqlx::query(SQL).bind(&call.key[..]).bind(&call.request[..]).bind(at.0))?;
    Ok(())
}

pub(crate) async fn end(
    session: &mut Session<'_>,
    key: &[u8; 32],
    answer: Option<&Answer>,
) -> Result<(), StoreError> {
    const KEEP: &str = "update idempotent_call set status = $2, body = $3 where key = $1";
    const FREE: &str = "delete from idempotent_call where key = $1 and status is null";
    match answer {
        Some(answer) => execute!(
            session,
            sqlx::query(KEEP).bind(&key[..]).bind(i64::from(answer.status)).bind(&answer.body)
        )?,
        None => execute!(session, sqlx::query(FREE).bind(&key[..]))?,
    };
    Ok(())
}

/// Forgets some of what is older than `before`, at most `limit`: a delete that takes longer than a statement may is rolled back
/// whole, and with it every call after it.
pub(crate) async fn forget(
    session: &mut Session<'_>,
    before: UnixMillis,
    limit: u32,
) -> Result<(), StoreError> {
    const SQL: &str =
        "delete from idempotent_call where key in (select key from idempotent_call where at < $1 limit $2)";
    execute!(session, sqlx::query(SQL).bind(before.0).bind(i64::from(limit)))?;
    Ok(())
}
