//! [`SqliteStore`]: one dedicated connection, one round trip per batch, write-ahead log, `synchronous = FULL`.
//!
//! The process is the only writer (the owner's lock), so facts live in its memory and a batch only writes. Its
//! statements are one prepared text with rows as JSON arrays. Checkpoints run elsewhere ([`checkpoint`]).

pub(crate) mod checkpoint;
mod encode;
mod sound;
mod start;
mod text;

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::UnixMillis;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::batch::Delta;
use crate::books::load::load;
use crate::books::session::Session;
use crate::commit::{CommitStore, Loaded, StoreError, Wanted};
use checkpoint::{Checkpoints, Rewind};
use text::{Kind, Texts};

/// The books' file in the data directory.
pub(crate) const FILE: &str = "ledger.db";

/// How long a statement waits for somebody else's lock. Only a checkpoint can hold one.
const BUSY: Duration = Duration::from_millis(250);

/// Page cache of the writer, in KiB (negative as SQLite wants it).
const CACHE_KIB: &str = "-65536";

/// Rows deleted in one call of [`CommitStore::expire`].
const EXPIRED_MAX: i64 = 1000;

/// SQLite's extended codes for a sync that failed: of a file, of a directory, and of a database being closed.
const SYNC_FAILED: [i32; 3] = [1034, 1290, 4106];

pub(crate) struct SqliteStore {
    path: PathBuf,
    /// None after a failure: the next use opens a new one.
    connection: Option<SqliteConnection>,
    texts: Texts,
    rewind: Rewind,
}

// === impl SqliteStore ===

impl SqliteStore {
    fn new(path: PathBuf, connection: SqliteConnection) -> Self {
        Self { path, connection: Some(connection), texts: Texts::default(), rewind: Rewind::default() }
    }

    /// What is to run beside this store for as long as it writes.
    pub(crate) fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.clone(), self.rewind.clone())
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => writer_options(&self.path).connect().await.map_err(store_error)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Until its next connection the file may not grow: a disk that is full, for tests.
    #[cfg(test)]
    pub(crate) async fn forbid_growth(&mut self) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        sqlx::query("pragma max_page_count = 1").execute(connection).await.map(drop).map_err(store_error)
    }

    /// After an error: back to a state in which the next batch can begin.
    async fn recover(&mut self, error: &StoreError) {
        let Some(mut connection) = self.connection.take() else { return };
        match error {
            StoreError::Refused(_) | StoreError::Busy(_) => {
                // Outside a transaction ROLLBACK is an error, and right so: nothing is open.
                let _ = sqlx::query("rollback").execute(&mut connection).await;
                self.connection = Some(connection);
            }
            // Closing rolls back; whether a COMMIT got through, a new connection reads from the marker.
            StoreError::Broken(_) | StoreError::Fatal(_) => {
                let _ = connection.close().await;
            }
        }
    }
}

impl CommitStore for SqliteStore {
    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        let connection = self.connection().await?;
        let loaded = load(&mut Session::Sqlite(connection), wanted, at).await.map_err(store_error);
        if let Err(error) = &loaded {
            self.recover(error).await;
        }
        loaded
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        let kind = match (delta.is_rare(), delta.has_holds()) {
            (true, _) => Kind::Everything,
            (false, true) => Kind::Holds,
            (false, false) => Kind::Captures,
        };
        // Made of constants and counts.
        let size = encode::size(delta);
        let text = AssertSqlSafe(self.texts.get(kind, size));
        let arguments = encode::arguments(delta, size);
        let rewind = self.rewind.clone();
        let connection = self.connection().await?;
        let written = match rewind.answer(connection).await {
            Ok(()) => sqlx::query_with(text, arguments).execute(connection).await.map_err(store_error),
            Err(error) => Err(store_error(error)),
        };
        if let Err(error) = &written {
            self.recover(error).await;
        }
        written.map(drop)
    }

    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        let connection = self.connection().await?;
        let last: Result<i64, _> =
            sqlx::query_scalar("select batch from marker").fetch_one(connection).await.map_err(store_error);
        if let Err(error) = &last {
            self.recover(error).await;
        }
        Ok(last? >= batch)
    }

    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        let expired = sqlx::query(text::EXPIRE).bind(at.0).bind(EXPIRED_MAX).execute(connection).await;
        let expired = expired.map_err(store_error);
        if let Err(error) = &expired {
            self.recover(error).await;
        }
        expired.map(drop)
    }

    async fn close(mut self) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        sqlx::query("pragma wal_checkpoint(truncate)").execute(connection).await.map_err(store_error)?;
        match self.connection.take() {
            Some(connection) => connection.close().await.map_err(store_error),
            None => Ok(()),
        }
    }
}

/// The writer's connection. `foreign_keys` is off: accounts are never deleted, and the audit checks them.
fn writer_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(false)
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", CACHE_KIB)
        .pragma("temp_store", "memory")
        .thread_name(|_| "ledger-sqlite".to_owned())
        .disable_statement_logging()
}

/// A connection that only reads.
pub(crate) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .foreign_keys(false)
        .thread_name(|_| "ledger-read".to_owned())
        .disable_statement_logging()
}

/// Sorts SQLite's errors by what is known after them.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    let words = error.to_string();
    match code {
        Some(code) if SYNC_FAILED.contains(&code) || sound::is_damage(code) => StoreError::Fatal(words),
        // The low byte is the primary code: 5 busy, 6 locked, 19 constraint.
        Some(code) if matches!(code & 0xff, 5 | 6) => StoreError::Busy(words),
        Some(code) if code & 0xff == 19 => StoreError::Refused(words),
        _ => StoreError::Broken(words),
    }
}
