//! [`Database`]: where what people edit is kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use domain::Secret;
use sqlx::postgres::PgConnectOptions;

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

// === impl Database ===

impl fmt::Display for Database {
    /// Where it is, as people look for it. Never a user or a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::Sqlite { directory } => return write!(out, "{}", directory.display()),
            Self::Postgres { url } => url,
        };
        let Ok(options) = PgConnectOptions::from_str(url.expose()) else {
            return out.write_str("PostgreSQL");
        };
        write!(out, "the database `{}` of PostgreSQL ", options.get_database().unwrap_or_default())?;
        match options.get_socket() {
            Some(folder) => write!(out, "at the socket in {}", folder.display()),
            None => write!(out, "at {}:{}", options.get_host(), options.get_port()),
        }
    }
}
