//! Rows of `sent_transaction` and `sent_member`.

use std::collections::HashSet;
use std::time::Duration;

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::{Session, StoreError};
use crate::outbox::{Standing, Unclosed};

/// Why nothing of it is changed.
const OTHERS: &str = "transaction that somebody else wrote down";

/// A network and an account on it.
type Of<'a> = (&'a str, &'a str);

pub(crate) async fn unclosed(
    session: &mut Session<'_>,
    of: Of<'_>,
    now: UnixMillis,
) -> Result<Unclosed, StoreError> {
    const OPEN: &str = "select nonce, document, at from sent_transaction
         where network = $1 and account = $2 and closed = 0 order by nonce";
    const LAST: &str = "select max(nonce) from sent_transaction where network = $1 and account = $2";
    let rows: Vec<(i64, String, i64)> =
        on_either!(session, c => sqlx::query_as(OPEN).bind(of.0).bind(of.1).fetch_all(c))?;
    let last: Option<i64> =
        on_either!(session, c => sqlx::query_scalar(LAST).bind(of.0).bind(of.1).fetch_one(c))?;
    let open = rows.into_iter().map(|(nonce, document, at)| {
        let age = Duration::from_millis(u64::try_from(now.0.saturating_sub(at)).unwrap_or_default());
        Ok(Standing { nonce: read(nonce)?, document, age })
    });
    let next_nonce = last.map(read).transpose()?.map_or(0, |last| last.saturating_add(1));
    Ok(Unclosed { open: open.collect::<Result<_, StoreError>>()?, next_nonce })
}

pub(crate) async fn recorded(session: &mut Session<'_>, of: Of<'_>, first: u64) -> Result<u64, StoreError> {
    const COUNT: &str =
        "select count(*) from sent_transaction where network = $1 and account = $2 and nonce >= $3
         and (closed = 0 or landed is not null)";
    let first = written(first)?;
    let count: i64 =
        on_either!(session, c => sqlx::query_scalar(COUNT).bind(of.0).bind(of.1).bind(first).fetch_one(c))?;
    read(count)
}

pub(crate) async fn record(
    session: &mut Session<'_>,
    of: Of<'_>,
    nonce: u64,
    document: &str,
    instead_of: Option<&str>,
    at: UnixMillis,
) -> Result<(), StoreError> {
    const PUT: &str =
        "insert into sent_transaction (network, account, nonce, document, at) values ($1, $2, $3, $4, $5)
         on conflict (network, account, nonce) do nothing";
    const CHANGE: &str = "update sent_transaction set document = $4
         where network = $1 and account = $2 and nonce = $3 and closed = 0 and document = $5";
    let nonce = written(nonce)?;
    let changed = match instead_of {
        None => {
            execute!(session, sqlx::query(PUT).bind(of.0).bind(of.1).bind(nonce).bind(document).bind(at.0))?
        }
        Some(before) => execute!(
            session,
            sqlx::query(CHANGE).bind(of.0).bind(of.1).bind(nonce).bind(document).bind(before)
        )?,
    };
    if changed == 1 { Ok(()) } else { Err(StoreError::Corrupt(OTHERS)) }
}

pub(crate) async fn remember(
    session: &mut Session<'_>,
    of: Of<'_>,
    members: &[&str],
    at: UnixMillis,
) -> Result<(), StoreError> {
    const PUT: &str = "insert into sent_member (network, account, member, at) values ($1, $2, $3, $4)
         on conflict (network, account, member) do nothing";
    for member in members {
        execute!(session, sqlx::query(PUT).bind(of.0).bind(of.1).bind(*member).bind(at.0))?;
    }
    Ok(())
}

pub(crate) async fn forget(session: &mut Session<'_>, before: UnixMillis) -> Result<(), StoreError> {
    execute!(session, sqlx::query("delete from sent_member where at < $1").bind(before.0))?;
    Ok(())
}

pub(crate) async fn close(
    session: &mut Session<'_>,
    of: Of<'_>,
    nonce: u64,
    document: &str,
    landed: Option<&str>,
    outcomes: &str,
) -> Result<(), StoreError> {
    const CLOSE: &str = "update sent_transaction set closed = 1, landed = $4, outcomes = $5
         where network = $1 and account = $2 and nonce = $3 and document = $6
         and (closed = 0 or (coalesce(landed, '') = coalesce($4, '') and outcomes = $5))";
    let nonce = written(nonce)?;
    let changed = execute!(
        session,
        sqlx::query(CLOSE).bind(of.0).bind(of.1).bind(nonce).bind(landed).bind(outcomes).bind(document)
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Corrupt(OTHERS)) }
}

pub(crate) async fn known(
    session: &mut Session<'_>,
    of: Of<'_>,
    members: &[&str],
) -> Result<HashSet<String>, StoreError> {
    const FIND: &str = "select count(*) from sent_member where network = $1 and account = $2 and member = $3";
    let mut known = HashSet::new();
    for member in members {
        let count: i64 = on_either!(session, c =>
            sqlx::query_scalar(FIND).bind(of.0).bind(of.1).bind(*member).fetch_one(c))?;
        if count > 0 {
            known.insert((*member).to_owned());
        }
    }
    Ok(known)
}

fn read(nonce: i64) -> Result<u64, StoreError> {
    u64::try_from(nonce).map_err(|_| StoreError::Corrupt("nonce"))
}

fn written(nonce: u64) -> Result<i64, StoreError> {
    i64::try_from(nonce).map_err(|_| StoreError::Corrupt("nonce"))
}
