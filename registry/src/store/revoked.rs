//! Rows of `revoked_key`: keys of the file that the file must not bring back.

use domain::{KeyId, UnixMillis};

use super::pool::{execute, on_either};
use super::{Session, StoreError};

/// Remembers a key of the file that is revoked. One of the API has no text that anybody could write again.
pub(crate) async fn remember(
    session: &mut Session<'_>,
    key: KeyId,
    at: UnixMillis,
) -> Result<(), StoreError> {
    const SQL: &str = "insert into revoked_key (id, at)
         select id, cast($2 as bigint) from agent_key where id = $1 and source = 'file' on conflict (id) do nothing";
    execute!(session, sqlx::query(SQL).bind(&key.as_bytes()[..]).bind(at.0))?;
    Ok(())
}

/// Remembers a key of the file that another one took the place of; to be called before its row goes.
pub(crate) async fn remember_rotated(
    session: &mut Session<'_>,
    key: KeyId,
    at: UnixMillis,
) -> Result<(), StoreError> {
    const SQL: &str = "insert into revoked_key (id, at) select id, cast($2 as bigint) from agent_key
         where id = $1 and source = 'file' and rotated_at is not null on conflict (id) do nothing";
    execute!(session, sqlx::query(SQL).bind(&key.as_bytes()[..]).bind(at.0))?;
    Ok(())
}

/// Whether a key of the file was revoked, or rotated and forgotten.
pub(crate) async fn is_known(session: &mut Session<'_>, key: KeyId) -> Result<bool, StoreError> {
    const SQL: &str = "select count(*) from revoked_key where id = $1";
    let count: i64 =
        on_either!(session, c => sqlx::query_scalar(SQL).bind(&key.as_bytes()[..]).fetch_one(c))?;
    Ok(count > 0)
}
