//! Moves the write-ahead log into the file, off the commit path.
//!
//! A passive pass copies what it can without stopping anyone. When the log has grown long, one restarting pass
//! follows: it holds the writer up for the few pages left, and the log is then written from its beginning again,
//! which costs less than growing it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnection;
use tokio::time::MissedTickBehavior;

use super::{store_error, writer_options};
use crate::commit::StoreError;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(1);

/// Pages in the log (of 4 KiB) from which on it is restarted.
const RESTART_PAGES: i64 = 16_384;

/// How long a restarting pass waits for readers, while the writer waits for it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Runs until dropped; returns only when the disk failed a sync.
pub(crate) async fn run(path: PathBuf) -> StoreError {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        every.tick().await;
        match pass(&path, &mut connection).await.map_err(store_error) {
            Ok(()) | Err(StoreError::Busy(_)) => {}
            Err(fatal @ StoreError::Fatal(_)) => return fatal,
            Err(error) => {
                tracing::warn!(%error, "a checkpoint of the ledger failed; the log grows until one works");
                connection = None;
            }
        }
    }
}

async fn pass(path: &Path, slot: &mut Option<SqliteConnection>) -> Result<(), sqlx::Error> {
    let connection = match slot {
        Some(connection) => connection,
        None => slot.insert(writer_options(path).busy_timeout(PATIENCE).connect().await?),
    };
    let log = checkpoint(connection, "pragma wal_checkpoint(passive)").await?;
    if log > RESTART_PAGES {
        checkpoint(connection, "pragma wal_checkpoint(restart)").await?;
    }
    Ok(())
}

/// Pages in the log.
async fn checkpoint(connection: &mut SqliteConnection, text: &'static str) -> Result<i64, sqlx::Error> {
    let (_busy, log, _moved): (i64, i64, i64) = sqlx::query_as(text).fetch_one(connection).await?;
    Ok(log)
}
