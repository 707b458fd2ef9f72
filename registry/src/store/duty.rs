//! Rows of `duty`.

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::{Session, StoreError};

/// Names the holder until then, where nobody else is named.
pub(crate) async fn take(
    session: &mut Session<'_>,
    name: &str,
    holder: &[u8; 16],
    (at, until): (UnixMillis, UnixMillis),
) -> Result<bool, StoreError> {
    const TAKE: &str = "insert into duty (name, holder, until) values ($1, $2, $4)
         on conflict (name) do update set holder = excluded.holder, until = excluded.until
         where duty.holder = excluded.holder or duty.until <= $3";
    let taken = execute!(session, sqlx::query(TAKE).bind(name).bind(&holder[..]).bind(at.0).bind(until.0))?;
    Ok(taken == 1)
}

/// Whether the holder is named.
pub(crate) async fn is_held(
    session: &mut Session<'_>,
    name: &str,
    holder: &[u8; 16],
) -> Result<bool, StoreError> {
    const FIND: &str = "select count(*) from duty where name = $1 and holder = $2";
    let count: i64 =
        on_either!(session, c => sqlx::query_scalar(FIND).bind(name).bind(&holder[..]).fetch_one(c))?;
    Ok(count > 0)
}
