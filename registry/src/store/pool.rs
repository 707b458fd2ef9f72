//! [`Pool`]: connections to either database. Everything above it writes one SQL for both.
//!
//! Not sqlx's `Any`: it knows neither byte strings nor `returning` of both. Two arms and a macro do.

use std::future::Future;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Executor, Postgres, Sqlite};

use super::StoreError;
use crate::database::Database;

/// Connections kept open: readers beside the one writer.
pub(crate) const CONNECTIONS_MAX: u32 = 4;

/// Those of [`Pool::apart`].
pub(crate) const CONNECTIONS_APART_MAX: u32 = 2;

/// How long a connection, or the lock of another writer, is waited for.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long the answer to one statement is waited for: a server that is frozen or out of reach does not say so.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The database's file in the data directory.
pub(crate) const FILE: &str = "registry.db";

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite/registry");

/// Open connections.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// One of them, to read with.
pub(crate) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// One of them, to write with: rolled back when dropped.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// What a statement runs on.
pub(crate) enum Session<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// Runs one statement on whichever database it is: `on_either!(session, c => query(SQL).bind(x).fetch_all(c))`.
macro_rules! on_either {
    ($session:expr, $connection:ident => $statement:expr) => {
        match $session {
            $crate::store::Session::Sqlite($connection) => {
                let $connection = &mut **$connection;
                $crate::store::pool::answer($statement).await
            }
            $crate::store::Session::Postgres($connection) => {
                let $connection = &mut **$connection;
                $crate::store::pool::answer($statement).await
            }
        }
    };
}
pub(crate) use on_either;

/// The same for a statement without rows: how many it changed.
macro_rules! execute {
    ($session:expr, $query:expr) => {
        $crate::store::pool::on_either!($session, connection => async {
            Ok($query.execute(connection).await?.rows_affected())
        })
    };
}
pub(crate) use execute;

/// Copies a SQLite database, as it stands at one moment, to a file that must not exist.
pub(crate) async fn copy_file(source: &Path, target: &Path) -> Result<(), StoreError> {
    let name = target.to_str().ok_or(StoreError::Corrupt("path that is not UTF-8"))?;
    let options = SqliteConnectOptions::new().filename(source).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let copied = sqlx::query("vacuum into $1").bind(name).execute(&mut connection).await;
    // Only a reader is closed.
    let _ = connection.close().await;
    Ok(copied.map(drop)?)
}

/// Awaits a statement, but not for ever.
pub(crate) async fn answer<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(ANSWER_MAX, statement).await;
    Ok(answered.map_err(|_| StoreError::Silent)??)
}

// === impl Pool ===

impl Pool {
    /// Opens the database, makes and migrates it where needed.
    pub(crate) async fn open(database: &Database) -> Result<Self, StoreError> {
        match database {
            Database::Sqlite { directory } => {
                std::fs::create_dir_all(directory)?;
                let pool = connect_sqlite(directory).await?;
                SQLITE.run(&pool).await?;
                Ok(Self::Sqlite(pool))
            }
            Database::Postgres { url } => {
                let mut migrator = sqlx::migrate!("../migrations/postgres/registry");
                // By the migrator, under its lock: two processes may start at once.
                migrator.create_schema("registry");
                let unhurried = connect_postgres(url.expose(), SESSION).await?;
                migrator.run(&unhurried).await?;
                unhurried.close().await;
                Ok(Self::Postgres(connect_postgres(url.expose(), HURRIED).await?))
            }
        }
    }

    /// Opens the database as it is, to read only; none where no registry was made there.
    pub(crate) async fn open_existing(database: &Database) -> Result<Option<Self>, StoreError> {
        match database {
            Database::Sqlite { directory } => {
                let file = directory.join(FILE);
                let exists = file.try_exists();
                if !exists.map_err(|cause| StoreError::Unseen { file: file.clone(), cause })? {
                    return Ok(None);
                }
                let (file, log) = (directory.join(FILE), directory.join(format!("{FILE}-wal")));
                // Where nobody has it open there is no log, and a reader that expected writers would make one.
                let options =
                    SqliteConnectOptions::new().filename(file).read_only(true).immutable(!log.exists());
                Ok(Some(Self::Sqlite(sqlite(options).await?)))
            }
            Database::Postgres { url } => {
                // A pool tries again for a while, and then says no more than that it waited.
                let options = PgConnectOptions::from_str(url.expose())?;
                let first = answer(PgConnection::connect_with(&options)).await?;
                let _ = first.close().await;
                let pool = connect_postgres(url.expose(), HURRIED).await?;
                let exists: bool = answer(
                    sqlx::query_scalar("select to_regclass('registry.agent') is not null").fetch_one(&pool),
                )
                .await?;
                Ok(exists.then_some(Self::Postgres(pool)))
            }
        }
    }

    /// Connections of their own to the same database, opened when they are wanted: what a paid request looks up does not wait
    /// behind what the management API reads.
    pub(crate) fn apart(&self) -> Self {
        match self {
            Self::Sqlite(pool) => {
                let options = pool.options().clone().max_connections(CONNECTIONS_APART_MAX);
                Self::Sqlite(options.connect_lazy_with((*pool.connect_options()).clone()))
            }
            Self::Postgres(pool) => {
                let options = pool.options().clone().max_connections(CONNECTIONS_APART_MAX);
                Self::Postgres(options.connect_lazy_with((*pool.connect_options()).clone()))
            }
        }
    }

    pub(crate) async fn acquire(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
        })
    }

    /// Begins to write. One at a time on either database, whichever process it is in: catalogs and revisions are
    /// numbered in order.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite(pool) => Ok(Transaction::Sqlite(answer(pool.begin_with("begin immediate")).await?)),
            Self::Postgres(pool) => {
                let mut transaction = answer(pool.begin()).await?;
                // Readers do not wait for it.
                answer(transaction.execute("lock table catalog_version in exclusive mode")).await?;
                Ok(Transaction::Postgres(transaction))
            }
        }
    }

    /// Begins to write what nobody reads before adding to it: takes no turn on PostgreSQL.
    pub(crate) async fn begin_apart(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite(_) => self.begin().await,
            Self::Postgres(pool) => Ok(Transaction::Postgres(answer(pool.begin()).await?)),
        }
    }

    /// See [`crate::Registry::synchronous_standby`].
    pub(crate) async fn synchronous_standby(&self) -> Result<Option<bool>, StoreError> {
        const SQL: &str = "select current_setting('synchronous_standby_names') <> ''";
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(pool) => answer(sqlx::query_scalar(SQL).fetch_one(pool)).await.map(Some),
        }
    }

    /// Begins to read what stands there at one moment.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, StoreError> {
        const READ: &str = "begin isolation level repeatable read read only";
        match self {
            Self::Sqlite(pool) => Ok(Transaction::Sqlite(answer(pool.begin()).await?)),
            Self::Postgres(pool) => Ok(Transaction::Postgres(answer(pool.begin_with(READ)).await?)),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }
}

// === impl Transaction ===

impl Transaction {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(transaction) => Session::Sqlite(transaction),
            Self::Postgres(transaction) => Session::Postgres(transaction),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let committed = match self {
            Self::Sqlite(transaction) => answer(transaction.commit()).await,
            Self::Postgres(transaction) => answer(transaction.commit()).await,
        };
        committed.map_err(StoreError::of_commit)
    }
}

/// Of every connection to PostgreSQL. Whoever writes has the others wait: a process that freezes in between is put out sooner
/// than they give up, or it would keep its successor from starting.
const SESSION: &str = "
set search_path to registry; set jit to off; set synchronous_commit to on; set lock_timeout to '5s';
set idle_in_transaction_session_timeout to '3s'";

/// The same, but for those that migrate: a statement whose answer nobody awaits any more ([`ANSWER_MAX`]) does not run on.
const HURRIED: &str = "
set search_path to registry; set jit to off; set synchronous_commit to on; set lock_timeout to '5s';
set idle_in_transaction_session_timeout to '3s'; set statement_timeout to '5s'";

async fn connect_sqlite(directory: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join(FILE))
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A revision that a client was quoted must not be given to another price after a power loss.
        .synchronous(SqliteSynchronous::Full);
    sqlite(options).await
}

async fn sqlite(options: SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    // A file does not hang up: nothing is asked before a connection is used.
    let pool = SqlitePoolOptions::new().test_before_acquire(false);
    // A disk that is full or fails has SQLite roll back by itself. sqlx's own rollback is an error then, and leaves its count of
    // what was begun above zero: nothing could ever begin to write there again. Such a connection is closed, and another one opened.
    let pool =
        pool.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
    let pool = pool.max_connections(CONNECTIONS_MAX).acquire_timeout(WAIT_MAX);
    Ok(pool.connect_with(options.busy_timeout(WAIT_MAX)).await?)
}

async fn connect_postgres(url: &str, session: &'static str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)?.application_name("faregate registry");
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(WAIT_MAX)
        // Not a parameter of the connection: poolers refuse those.
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(session).await.map(drop) })
        });
    Ok(pool.connect_with(options).await?)
}

#[cfg(test)]
mod tests;
