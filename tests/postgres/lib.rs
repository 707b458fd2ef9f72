//! PostgreSQL for tests: one cluster for each test process, a fresh database for each test.
//!
//! Begin with [`fresh_database`]. A test that stops, kills or freezes its server starts a [`Cluster`] of its own. It knows
//! nothing of Faregate and speaks SQL only through `psql`. Without PostgreSQL every test that asks for it fails: none is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod cluster;
mod keeper;
mod programs;
mod user;

use std::sync::OnceLock;

pub use cluster::Cluster;

/// Of this test process.
static SHARED: OnceLock<Cluster> = OnceLock::new();

/// The URL of a new, empty database in the cluster of this test process, as sqlx and libpq understand it.
///
/// # Panics
/// PostgreSQL is not installed, or does not start.
#[must_use]
pub fn fresh_database() -> String {
    SHARED.get_or_init(Cluster::start).fresh_database()
}

/// The URL of a copy of a database of that cluster. Nobody may be connected to it.
///
/// # Panics
/// Somebody is, and stays for seconds.
#[must_use]
pub fn copy_of(url: &str) -> String {
    SHARED.get_or_init(Cluster::start).copy_of(url)
}

/// The same, where the server compiles what it executes unless it is told not to: as it is by default, and not in clusters of tests.
///
/// # Panics
/// As [`fresh_database`].
#[must_use]
pub fn compiling_database() -> String {
    let url = fresh_database();
    let alter = "do $$ begin execute format('alter database %I set jit to on', current_database()); end $$";
    assert!(query(&url, alter).is_empty(), "it has rows");
    url
}

/// What `psql` prints for a statement: rows as lines, columns parted by `|`.
///
/// # Panics
/// With what the server said where the statement fails.
#[must_use]
pub fn query(url: &str, sql: &str) -> String {
    let mut psql = programs::program("psql");
    psql.args([
        "--no-psqlrc",
        "--no-align",
        "--tuples-only",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--command",
    ]);
    programs::output(psql.args([sql, url])).trim_end().to_owned()
}

/// Ends every connection to this database but the one that asks; how many there were.
pub fn terminate_backends(url: &str) -> usize {
    let ended = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()";
    query(url, ended).parse().expect("a count")
}

#[cfg(test)]
mod tests;
