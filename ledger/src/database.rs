//! [`Database`]: where the books are kept.

use std::path::PathBuf;

use domain::Secret;

/// Who writes the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coordination {
    /// One process, whose memory is the authority; holds that need no row have none.
    #[default]
    Alone,
    /// Several on one PostgreSQL: what they hold, spend and replay is decided in the database, and every hold has a row.
    Several,
}

/// One of the two databases, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// `ledger.db` in a directory, with one lock file beside it; both are made when missing.
    Sqlite {
        /// The data directory.
        directory: PathBuf,
    },
    /// The schema `ledger` of a PostgreSQL database; the schema is made when missing. One process writes, under a lease.
    Postgres {
        /// `postgres://user:password@host/database`, with libpq's parameters such as `sslmode`.
        url: Secret,
    },
}
