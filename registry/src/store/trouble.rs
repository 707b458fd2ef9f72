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

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::postgres::PgConnection;

    use crate::store::StoreError;

    #[tokio::test]
    async fn a_server_that_goes_one_that_refuses_and_one_that_objects_are_three_things() {
        let url = test_postgres::fresh_database();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let objects = sqlx::query("select 1 / 0").execute(&mut connection).await.unwrap_err();
        let objects = StoreError::Statement(objects);
        assert!(!objects.is_away() && !objects.is_refused());
        assert!(
            matches!(objects.of_commit(), StoreError::Statement(_)),
            "the server says that it was undone"
        );

        test_postgres::terminate_backends(&url);
        let goes = StoreError::Statement(sqlx::query("select 1").execute(&mut connection).await.unwrap_err());
        assert!(goes.is_away() && !goes.is_refused(), "{goes}");
        assert!(matches!(goes.of_commit(), StoreError::Unsure), "a commit may have gone before");
        assert!(StoreError::Silent.is_away() && matches!(StoreError::Silent.of_commit(), StoreError::Unsure));

        let name = url["postgres:///".len()..].split('?').next().unwrap();
        let refuses = PgConnection::connect(&url.replacen(name, "not_there", 1)).await.unwrap_err();
        let refuses = StoreError::Statement(refuses);
        assert!(refuses.is_refused() && !refuses.is_away(), "{refuses}");
    }
}
