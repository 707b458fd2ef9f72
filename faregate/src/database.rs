//! Where the databases of a configuration are, as every command says it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use registry::Database;

use crate::output::absolute;

/// Of SQLite the directory, from every working directory the same.
pub(crate) fn place(data: &Database) -> String {
    match data {
        Database::Sqlite { directory } => absolute(directory).display().to_string(),
        Database::Postgres { .. } => data.to_string(),
    }
}

/// Whoever else is on the machine.
const OTHERS: u32 = 0o007;

/// What is wrong with a data directory that others may look into: keys of upstreams and secrets of webhooks stand there in clear,
/// and files that an earlier version made there are readable.
pub(crate) fn open_to_others(data: &Database) -> Option<String> {
    let Database::Sqlite { directory } = data else { return None };
    let mode = fs::metadata(directory).ok()?.permissions().mode();
    let place = place(data);
    (mode & OTHERS != 0).then(|| {
        format!(
            "data.directory: {place} is open to every user of this machine, and keys stand there: \
             chmod -R o= {place}"
        )
    })
}

/// What is said where nothing was ever stored: a relative directory means another one from another working directory.
pub(crate) fn none_yet(data: &Database) -> String {
    format!("there is no database yet ({})", place(data))
}
