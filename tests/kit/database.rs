//! [`Database`]: what a gateway keeps its books in. `FAREGATE_TEST_DATABASE` chooses for tests that do not.

use std::path::Path;
use std::process::Command;

/// The variable that chooses: `sqlite` (default) or `postgres`.
const VARIABLE: &str = "FAREGATE_TEST_DATABASE";

/// One of the two.
#[derive(Clone, Debug)]
pub enum Database {
    /// In the gateway's data directory.
    Sqlite,
    /// At a URL.
    Postgres(String),
    /// At a URL, with other gateways.
    Shared(String),
}

// === impl Database ===

impl Database {
    /// A fresh one of the kind that the environment names.
    ///
    /// # Panics
    /// PostgreSQL is asked for and not installed; a kind is asked for that there is not.
    #[must_use]
    pub fn fresh() -> Self {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres(test_postgres::fresh_database()),
            Ok(other) => panic!("{VARIABLE} is sqlite or postgres, not {other}"),
        }
    }

    /// Runs SQL on the ledger's tables, as whoever tampers with them would.
    ///
    /// # Panics
    /// It is refused.
    pub fn tamper(&self, folder: &Path, sql: &str) {
        const SCRIPT: &str = "import sqlite3, sys\n\
            books = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)\n\
            books.execute(sys.argv[2])\n";
        match self {
            Self::Sqlite => {
                let mut python = Command::new("python3");
                python.args(["-c", SCRIPT]).arg(folder.join("ledger.db")).arg(sql);
                assert!(python.status().expect("python3").success(), "{sql}");
            }
            Self::Postgres(url) | Self::Shared(url) => {
                let _ = test_postgres::query(url, &format!("set search_path to ledger; {sql}"));
            }
        }
    }

    /// `[data]` of a gateway's file. `folder` is its data directory.
    #[must_use]
    pub fn section(&self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("[data]\ndirectory = \"{}\"\n", folder.display()),
            Self::Postgres(url) => format!("[data]\ndatabase = \"{url}\"\n"),
            Self::Shared(url) => format!("[data]\ndatabase = \"{url}\"\ncoordination = \"db\"\n"),
        }
    }
}
