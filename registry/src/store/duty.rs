//! Rows of `duty`.

use domain::UnixMillis;

use super::pool::on_either;
use super::{Session, StoreError};

/// Names the holder until then, where nobody else is named. Gives the number of its turn.
pub(crate) async fn take(
    session: &mut Session<'_>,
    name: &str,
    holder: &[u8; 16],
    at: UnixMillis,
    until: UnixMillis,
) -> Result<Option<i64>, StoreError> {
    const TAKE: &str = "insert into duty (name, holder, until) values ($1, $2, $4)
         on conflict (name) do update set holder = excluded.holder, until = excluded.until,
           number = case when duty.holder = excluded.holder then duty.number else duty.number + 1 end
         where duty.holder = excluded.holder or duty.until <= $3
         returning number";
    Ok(on_either!(session, c =>
        sqlx::query_scalar(TAKE).bind(name).bind(&holder[..]).bind(at.0).bind(until.0).fetch_optional(c))?)
}

/// Whether the holder is named, in its turn of this number.
pub(crate) async fn is_held(
    session: &mut Session<'_>,
    name: &str,
    holder: &[u8; 16],
    number: i64,
) -> Result<bool, StoreError> {
    const FIND: &str = "select count(*) from duty where name = $1 and holder = $2 and number = $3";
    let count: i64 = on_either!(session, c =>
        sqlx::query_scalar(FIND).bind(name).bind(&holder[..]).bind(number).fetch_one(c))?;
    Ok(count > 0)
}
