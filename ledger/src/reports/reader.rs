//! [`Reader`]: a connection to the books of a stopped or running ledger, reading only.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use crate::books::session::Session;
use crate::commit::postgres::connect;
use crate::commit::sqlite::{FILE, reader_options};
use crate::database::Database;
use crate::error::LedgerError;
use crate::reads::read_error;

pub(super) enum Reader {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

// === impl Reader ===

impl Reader {
    /// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
    pub(super) async fn open(database: &Database) -> Result<Self, LedgerError> {
        match database {
            Database::Sqlite { directory } => {
                let opened = reader_options(&directory.join(FILE)).connect().await;
                opened.map(Self::Sqlite).map_err(read_error)
            }
            Database::Postgres { url } => {
                connect::reader(url.expose()).await.map(Self::Postgres).map_err(read_error)
            }
        }
    }

    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }

    /// What it has to say at its end says nothing of what was read.
    pub(super) async fn close(self) {
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}
