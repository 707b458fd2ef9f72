//! [`Database`]: where what people edit is kept.

use std::path::PathBuf;

use domain::Secret;

/// One of the two databases, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// `registry.db` in a directory; both are made when missing.
    Sqlite {
        /// The data directory.
        directory: PathBuf,
    },
    /// The schema `registry` of a PostgreSQL database; the schema is made when missing.
    Postgres {
        /// `postgres://user:password@host/database`, with libpq's parameters such as `sslmode`.
        url: Secret,
    },
}
