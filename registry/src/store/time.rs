//! The time that processes go by which share the database: whose turn it is must not hang on whose clock is right.

use domain::UnixMillis;

use super::pool::answer;
use super::{Session, StoreError};

/// The server's, now. A file is one machine's, whose time is this process's: `here`.
pub(crate) async fn shared(session: &mut Session<'_>, here: UnixMillis) -> Result<UnixMillis, StoreError> {
    const NOW: &str = "select (extract(epoch from clock_timestamp()) * 1000)::bigint";
    match session {
        Session::Sqlite(_) => Ok(here),
        Session::Postgres(connection) => {
            Ok(UnixMillis(answer(sqlx::query_scalar(NOW).fetch_one(&mut **connection)).await?))
        }
    }
}
