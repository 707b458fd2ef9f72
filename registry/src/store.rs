//! `registry.db`: opened, migrated, and the SQL of agents and revisions. Nothing else in this crate speaks
//! SQL.

pub(crate) mod agents;
pub(crate) mod revisions;

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// Connections kept open: readers beside the one writer.
const CONNECTIONS_MAX: u32 = 4;

/// How long a connection, or the lock of another writer, is waited for.
const WAIT_MAX: Duration = Duration::from_secs(1);

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite/registry");

/// The database does not do what was asked, or holds what it cannot.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory: {0}")]
    Directory(#[from] std::io::Error),
    /// The database cannot be brought to this version's schema.
    #[error("cannot migrate registry.db: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("registry.db: {0}")]
    Statement(#[from] sqlx::Error),
    /// A row holds what this version cannot read.
    #[error("registry.db holds a {0} that cannot be read")]
    Corrupt(&'static str),
}

/// Opens the database in `directory`, makes and migrates it where needed.
pub(crate) async fn open(directory: &Path) -> Result<SqlitePool, StoreError> {
    std::fs::create_dir_all(directory)?;
    let options = SqliteConnectOptions::new()
        .filename(directory.join("registry.db"))
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A revision that a client was quoted must not be given to another price after a power loss.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(WAIT_MAX);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(WAIT_MAX)
        .connect_with(options)
        .await?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}
