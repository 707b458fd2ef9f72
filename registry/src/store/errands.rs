//! Rows of `errand` and `errand_taker`. Lists go as one JSON text, which the databases take apart each in its own way.

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::{Session, StoreError};

/// A network and an account on it.
type Of<'a> = (&'a str, &'a str);

/// The same statement for both databases: what stands between the two texts is `$3`, a list of lists, one by one as `given.value`.
macro_rules! of_each {
    ($session:expr, $before:literal, $after:literal) => {
        match $session {
            Session::Postgres(_) => {
                concat!($before, " jsonb_array_elements($3::jsonb) as given(value) ", $after)
            }
            Session::Sqlite(_) => concat!($before, " json_each($3) as given ", $after),
        }
    };
}

/// Asks for these, also for those that were answered before. `members` are pairs of a member and its document.
pub(crate) async fn leave(
    session: &mut Session<'_>,
    of: Of<'_>,
    members: &str,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let sql = of_each!(
        session,
        "insert into errand (network, account, member, document, at)
         select $1, $2, given.value->>0, given.value->>1, $4 from",
        "where true
         on conflict (network, account, member) do update set document = excluded.document, answer = null, at = excluded.at"
    );
    execute!(session, sqlx::query(sql).bind(of.0).bind(of.1).bind(members).bind(at.0))?;
    Ok(())
}

/// Members and documents of those that nobody answered, the oldest first.
pub(crate) async fn open(
    session: &mut Session<'_>,
    of: Of<'_>,
    most: u32,
) -> Result<Vec<(String, String)>, StoreError> {
    const OPEN: &str = "select member, document from errand
         where network = $1 and account = $2 and answer is null order by at limit $3";
    Ok(on_either!(session, c =>
        sqlx::query_as(OPEN).bind(of.0).bind(of.1).bind(i64::from(most)).fetch_all(c))?)
}

/// `answers` are pairs of a member and what became of it; what was said of one stands, until it is asked for again.
pub(crate) async fn answer(session: &mut Session<'_>, of: Of<'_>, answers: &str) -> Result<(), StoreError> {
    let sql = of_each!(
        session,
        "update errand set answer = given.value->>1 from",
        "where network = $1 and account = $2 and member = given.value->>0 and answer is null"
    );
    execute!(session, sqlx::query(sql).bind(of.0).bind(of.1).bind(answers))?;
    Ok(())
}

/// What became of these, where somebody has answered. `members` are lists of one.
pub(crate) async fn answers(
    session: &mut Session<'_>,
    of: Of<'_>,
    members: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let sql = of_each!(
        session,
        "select member, answer from",
        "join errand on network = $1 and account = $2 and member = given.value->>0 and answer is not null"
    );
    Ok(on_either!(session, c => sqlx::query_as(sql).bind(of.0).bind(of.1).bind(members).fetch_all(c))?)
}

pub(crate) async fn forget(session: &mut Session<'_>, before: UnixMillis) -> Result<(), StoreError> {
    execute!(session, sqlx::query("delete from errand where at < $1").bind(before.0))?;
    Ok(())
}

pub(crate) async fn say_able(
    session: &mut Session<'_>,
    of: Of<'_>,
    until: UnixMillis,
) -> Result<(), StoreError> {
    const SAY: &str = "insert into errand_taker (network, account, able_until) values ($1, $2, $3)
         on conflict (network, account) do update set able_until = excluded.able_until";
    execute!(session, sqlx::query(SAY).bind(of.0).bind(of.1).bind(until.0))?;
    Ok(())
}

pub(crate) async fn able_until(
    session: &mut Session<'_>,
    of: Of<'_>,
) -> Result<Option<UnixMillis>, StoreError> {
    const FIND: &str = "select able_until from errand_taker where network = $1 and account = $2";
    let until: Option<i64> =
        on_either!(session, c => sqlx::query_scalar(FIND).bind(of.0).bind(of.1).fetch_optional(c))?;
    Ok(until.map(UnixMillis))
}
