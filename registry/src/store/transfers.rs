//! Rows of `sent_transfer`.

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::{Session, StoreError};

/// A network and an account on it.
type Of<'a> = (&'a str, &'a str);

/// Those of a transaction, in place of those that stood in what it takes the place of. One that stands elsewhere is refused by its key.
pub(crate) async fn put(
    session: &mut Session<'_>,
    of: Of<'_>,
    nonce: u64,
    members: &[&str],
    at: UnixMillis,
) -> Result<(), StoreError> {
    const FREE: &str =
        "delete from sent_transfer where network = $1 and account = $2 and nonce = $3 and outcome is null";
    const PUT: &str =
        "insert into sent_transfer (member, network, account, nonce, at) values ($1, $2, $3, $4, $5)";
    let nonce = written(nonce)?;
    execute!(session, sqlx::query(FREE).bind(of.0).bind(of.1).bind(nonce))?;
    for member in members {
        execute!(session, sqlx::query(PUT).bind(*member).bind(of.0).bind(of.1).bind(nonce).bind(at.0))?;
    }
    Ok(())
}

/// What became of one that is in no transaction of ours, in place of what was noted before; whether that is what stands of it now.
pub(crate) async fn note(
    session: &mut Session<'_>,
    of: Of<'_>,
    member: &str,
    outcome: &str,
    at: UnixMillis,
) -> Result<bool, StoreError> {
    const NOTE: &str = "insert into sent_transfer (member, network, account, nonce, outcome, at) values ($1, $2, $3, -1, $4, $5)
         on conflict (member) do update set outcome = excluded.outcome where sent_transfer.nonce = -1";
    execute!(session, sqlx::query(NOTE).bind(member).bind(of.0).bind(of.1).bind(outcome).bind(at.0))?;
    let found = find(session, member).await?;
    Ok(found.is_some_and(|(_, _, stands)| stands.as_deref() == Some(outcome)))
}

/// What becomes of one of which nothing stands; whether that is what stands of it now.
pub(crate) async fn give_up(
    session: &mut Session<'_>,
    of: Of<'_>,
    member: &str,
    outcome: &str,
    at: UnixMillis,
) -> Result<bool, StoreError> {
    const PUT: &str = "insert into sent_transfer (member, network, account, nonce, outcome, at) values ($1, $2, $3, -1, $4, $5)
         on conflict (member) do nothing";
    execute!(session, sqlx::query(PUT).bind(member).bind(of.0).bind(of.1).bind(outcome).bind(at.0))?;
    let found = find(session, member).await?;
    Ok(found.is_some_and(|(_, _, stands)| stands.as_deref() == Some(outcome)))
}

/// What became of one that stands in a transaction, and of which nobody has said anything else.
pub(crate) async fn end(
    session: &mut Session<'_>,
    of: Of<'_>,
    nonce: u64,
    member: &str,
    outcome: &str,
) -> Result<(), StoreError> {
    const END: &str = "update sent_transfer set outcome = $5
         where member = $4 and network = $1 and account = $2 and nonce = $3 and (outcome is null or outcome = $5)";
    let nonce = written(nonce)?;
    let changed =
        execute!(session, sqlx::query(END).bind(of.0).bind(of.1).bind(nonce).bind(member).bind(outcome))?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Corrupt("transfer of which something else stands")) }
}

/// Network, account and outcome of one.
pub(crate) async fn find(
    session: &mut Session<'_>,
    member: &str,
) -> Result<Option<(String, String, Option<String>)>, StoreError> {
    const FIND: &str = "select network, account, outcome from sent_transfer where member = $1";
    Ok(on_either!(session, c => sqlx::query_as(FIND).bind(member).fetch_optional(c))?)
}

fn written(nonce: u64) -> Result<i64, StoreError> {
    i64::try_from(nonce).map_err(|_| StoreError::Corrupt("nonce"))
}
