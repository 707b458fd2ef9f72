//! [`Session`]: a connection to either database, for a statement whose text suits both.

use std::future::Future;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Postgres, Sqlite};

/// How long the answer to a short read is waited for: a server that is frozen or out of reach does not say so.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What a statement runs on.
pub(crate) enum Session<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A connection of a pool.
pub(crate) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Runs one statement on whichever database it is: `on_either!(session, c => query(SQL).bind(x).fetch_all(c))`.
macro_rules! on_either {
    ($session:expr, $connection:ident => $statement:expr) => {
        match $session {
            $crate::books::session::Session::Sqlite($connection) => {
                let $connection = &mut **$connection;
                $statement.await
            }
            $crate::books::session::Session::Postgres($connection) => {
                let $connection = &mut **$connection;
                $statement.await
            }
        }
    };
}
pub(crate) use on_either;

/// Awaits a short read, but not for ever.
pub(crate) async fn answer<T>(read: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER_MAX, read).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

// === impl Connection ===

impl Connection {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }

    /// Never gives it back to the pool, however its use ends: for whoever begins a transaction. A pool takes back what is
    /// still inside one, and the next reader would see the books as they were.
    pub(crate) fn close_on_drop(&mut self) {
        match self {
            Self::Sqlite(connection) => connection.close_on_drop(),
            Self::Postgres(connection) => connection.close_on_drop(),
        }
    }
}
