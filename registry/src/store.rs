//! The registry's database: opened, migrated, and the SQL of agents and revisions. Nothing else in this crate
//! speaks SQL.
//!
//! One text for both databases: `$1` works on either. What differs is in [`pool`] and in the migrations.

pub(crate) mod agents;
pub(crate) mod alerts;
pub(crate) mod api_keys;
pub(crate) mod deliveries;
pub(crate) mod duty;
pub(crate) mod errands;
pub(crate) mod frost;
pub(crate) mod idempotency;
pub(crate) mod journal;
pub(crate) mod latency;
pub(crate) mod notices;
pub(crate) mod outbox;
pub(crate) mod payouts;
pub(crate) mod pool;
pub(crate) mod revisions;
pub(crate) mod revoked;
mod rows;
pub(crate) mod sequence;
pub(crate) mod setup;
pub(crate) mod time;
pub(crate) mod traffic;
pub(crate) mod transfers;
mod trouble;
pub(crate) mod wallets;
pub(crate) mod webhooks;

use sqlx::migrate::MigrateError;

pub(crate) use pool::{Pool, Session, Transaction};

/// The database does not do what was asked, or holds what it cannot.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory: {0}")]
    Directory(#[from] std::io::Error),
    /// It cannot be seen whether there is a database.
    #[error("cannot look for {}: {cause}", file.display())]
    Unseen {
        /// The file.
        file: std::path::PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The database cannot be brought to this version's schema.
    #[error("cannot migrate the registry: {0}")]
    Migrate(#[source] MigrateError),
    /// The schema is one that this version does not know (case C13).
    #[error(
        "the registry was written by a newer faregate (schema {0}); start that version again, or restore the backup that \
         was made before the upgrade"
    )]
    Newer(i64),
    /// A statement failed.
    #[error("the registry's database: {0}")]
    Statement(#[from] sqlx::Error),
    /// A statement was not answered. What it did is not known.
    #[error("the registry's database does not answer")]
    Silent,
    /// A commit was not answered. Whether it stands is not known.
    #[error("the registry's database did not say whether it committed")]
    Unsure,
    /// A row holds what this version cannot read.
    #[error("the registry holds a {0} that cannot be read")]
    Corrupt(&'static str),
    /// Nothing was written: the work is another process's now.
    #[error("another process has the turn")]
    Turn,
}

// === impl StoreError ===

impl StoreError {
    /// Whether the database cannot be reached, or does nothing at the moment, and nothing was written: trying again can help.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Statement(error) => trouble::is_away(error),
            _ => false,
        }
    }

    /// Whether a server was reached that lets nobody in with this URL, or has no such database.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Statement(error) if trouble::is_refused(error))
    }

    /// What a commit came to.
    pub(crate) fn of_commit(self) -> Self {
        match self {
            Self::Silent => Self::Unsure,
            Self::Statement(error) if trouble::is_unsure(&error) => Self::Unsure,
            error => error,
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Migrate(error),
        }
    }
}

#[cfg(test)]
mod tests;
