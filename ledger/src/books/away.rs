//! Whether a failed read says that the database is only away. `registry/src/store/trouble.rs` sorts its own; a session that was put out
//! (25P03) is not here, since only writers are, and `commit` sorts those.

use sqlx::Error;
use sqlx::postgres::PgDatabaseError;

/// PostgreSQL's words for what passes: connections that broke, resources that are used up, a server that stops or starts, a
/// lock that others had, two transactions in each other's way.
const PASSING: [&str; 6] = ["08", "53", "57P", "55P03", "40001", "40P01"];

/// The same of SQLite, by its primary codes: busy, locked, input and output, full, cannot be opened.
const SQLITE_PASSING: [i32; 5] = [5, 6, 10, 13, 14];

/// Whether the database cannot be reached, or does nothing at the moment: trying again can help.
pub(crate) fn is_away(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => PASSING.iter().any(|passing| error.code().starts_with(passing)),
            None => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                code.is_some_and(|code| SQLITE_PASSING.contains(&(code & 0xff)))
            }
        },
        _ => false,
    }
}
