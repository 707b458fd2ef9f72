//! Opens the books: creates and migrates the file.

use std::path::PathBuf;

use domain::UnixMillis;
use sqlx::ConnectOptions;

use super::sound::{expect_whole, migrate_error, open_error};
use super::{SqliteStore, writer_options};
use crate::books::session::Session;
use crate::books::start::start;
use crate::commit::Start;
use crate::error::OpenError;
use crate::ledger::Settings;

// === impl SqliteStore ===

impl SqliteStore {
    /// Opens the books at `path`; `now` is the wall clock's time.
    pub(crate) async fn open(
        path: PathBuf,
        settings: &Settings,
        now: UnixMillis,
    ) -> Result<(Self, Start), OpenError> {
        let database = |error: sqlx::Error| open_error(&path, &error);
        let mut connection = writer_options(&path).connect().await.map_err(database)?;
        expect_whole(&mut connection, &path).await?;
        let migrations = sqlx::migrate!("../migrations/sqlite/ledger");
        let migrated = migrations.run(&mut connection).await;
        migrated.map_err(|error| migrate_error(&path, error))?;
        let start = start(&mut Session::Sqlite(&mut connection), settings, now, database).await?;
        Ok((Self::new(path, connection), start))
    }
}
