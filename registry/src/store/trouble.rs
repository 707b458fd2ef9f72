//! What a failed statement says of the database: whether it is only away, whether it lets nobody in, and whether a commit whose
//! answer this was may stand.

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// PostgreSQL's words for what passes: connections that broke, resources that are used up, a server that stops or starts, a
/// session that it put out, a lock that others had, two transactions in each other's way.
const PASSING: [&str; 7] = ["08", "53", "57P", "25P03", "55P03", "40001", "40P01"];

/// Its words for a user, a password or a database that it does not know.
const REFUSING: [&str; 2] = ["28", "3D"];

/// The same of SQLite, by its primary codes: busy, locked, input and output, full, cannot be opened.
const SQLITE_PASSING: [i32; 5] = [5, 6, 10, 13, 14];

/// Whether the database cannot be reached, or does nothing at the moment: trying again can help.
pub(super) fn is_away(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        Error::Database(error) => match postgres(&**error) {
            Some(code) => PASSING.iter().any(|passing| code.starts_with(passing)),
            None => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                code.is_some_and(|code| SQLITE_PASSING.contains(&(code & 0xff)))
            }
        },
        _ => false,
    }
}

/// Whether a server was reached that lets nobody in with this URL: trying again does not help.
pub(super) fn is_refused(error: &Error) -> bool {
    let Error::Database(error) = error else { return false };
    postgres(&**error).is_some_and(|code| REFUSING.iter().any(|refusing| code.starts_with(refusing)))
}

/// Whether a commit may stand that came to this: all but a server's word that it was undone. One that is told to stop may
/// say so behind a commit.
pub(super) fn is_unsure(error: &Error) -> bool {
    match error {
        Error::Database(error) => postgres(&**error).is_some_and(|code| code.starts_with("57P")),
        _ => true,
    }
}

fn postgres(error: &dyn DatabaseError) -> Option<&str> {
    error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}
