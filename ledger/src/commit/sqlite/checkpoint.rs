//! [`Checkpoints`]: moves the write-ahead log into the file, off the commit path.
//!
//! A passive pass copies what it can without stopping anyone. It never gets to the end of a log that is being written, and a
//! writer that is busy lets nobody else in: when the log has grown long, the writer is asked to copy the few pages left
//! between two batches. The log is then written from its beginning again, which costs less than growing it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::time::MissedTickBehavior;

use super::{store_error, writer_options};
use crate::commit::StoreError;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(1);

/// Pages in the log (of 4 KiB) from which on it is to begin anew.
const LONG_PAGES: i64 = 16_384;

/// What runs beside the commits.
pub(crate) struct Checkpoints {
    path: PathBuf,
    connection: Option<SqliteConnection>,
    rewind: Rewind,
}

/// Whether the writer is asked to copy the end of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewind(Arc<AtomicBool>);

// === impl Checkpoints ===

impl Checkpoints {
    pub(super) const fn new(path: PathBuf, rewind: Rewind) -> Self {
        Self { path, connection: None, rewind }
    }

    /// Runs until dropped; returns only when the disk failed a sync.
    pub(crate) async fn run(&mut self) -> StoreError {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match self.pass().await.map_err(store_error) {
                Ok(()) | Err(StoreError::Busy(_)) => {}
                Err(fatal @ StoreError::Fatal(_)) => return fatal,
                Err(error) => {
                    tracing::warn!(%error, "a checkpoint of the ledger failed; the log grows until one works");
                    self.connection = None;
                }
            }
        }
    }

    /// Lets go of the file.
    pub(crate) async fn end(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "a connection to the ledger did not close");
        }
    }

    async fn pass(&mut self) -> Result<(), sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            slot @ None => slot.insert(writer_options(&self.path).connect().await?),
        };
        if passive(connection).await? > LONG_PAGES {
            // What came meanwhile, so that hardly anything is left to the writer.
            passive(connection).await?;
            self.rewind.ask();
        }
        Ok(())
    }
}

// === impl Rewind ===

impl Rewind {
    fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// The writer's part, where it is asked for: between two batches nobody writes, so the end is reached.
    pub(super) async fn answer(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if self.0.swap(false, Ordering::AcqRel) {
            passive(connection).await?;
        }
        Ok(())
    }
}

/// Copies what it can without waiting for anyone. Gives the pages in the log.
async fn passive(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let (_busy, log, _moved): (i64, i64, i64) =
        sqlx::query_as("pragma wal_checkpoint(passive)").fetch_one(connection).await?;
    Ok(log)
}

#[cfg(test)]
mod tests {
    use crate::batch::Delta;
    use crate::commit::CommitStore;
    use crate::commit::sqlite::SqliteStore;
    use crate::database::Database;
    use crate::ledger::Settings;
    use domain::UnixMillis;

    #[tokio::test]
    async fn a_long_log_begins_anew_under_a_writer_that_never_rests() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let settings = Settings::new(Database::Sqlite { directory: directory.path().to_owned() });
        let at = UnixMillis(1_800_000_000_000);
        let (mut store, start) = SqliteStore::open(path.clone(), &settings, at).await.unwrap();
        let mut marker = start.marker;
        let mut commits = async |store: &mut SqliteStore| {
            for _ in 0..64 {
                let delta = Delta::after(marker, at);
                store.commit(&delta).await.unwrap();
                marker = delta.marker;
            }
            std::fs::metadata(path.with_extension("db-wal")).unwrap().len()
        };
        let grown = commits(&mut store).await;
        assert!(commits(&mut store).await > grown);
        store.rewind.ask();
        let grown = commits(&mut store).await;
        assert_eq!(commits(&mut store).await, grown);
    }
}
