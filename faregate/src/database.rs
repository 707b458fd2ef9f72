//! Where the databases of a configuration are, as every command says it.

use registry::Database;

use crate::output::absolute;

/// Of SQLite the directory, from every working directory the same.
pub(crate) fn place(data: &Database) -> String {
    match data {
        Database::Sqlite { directory } => absolute(directory).display().to_string(),
        Database::Postgres { .. } => data.to_string(),
    }
}

/// What is said where nothing was ever stored: a relative directory means another one from another working directory.
pub(crate) fn none_yet(data: &Database) -> String {
    format!("there is no database yet ({})", place(data))
}
