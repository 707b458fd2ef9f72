//! Books that somebody changed as no program may, on the engine that the tests run on: what the audit sees of it, and what they refuse.

use std::path::Path;

use domain::Secret;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::kit::Books;
use crate::database::Database;
use crate::{audit_database, audit_file};

/// A trigger of SQLite, and the one that does the same in PostgreSQL.
const TRIGGERS: &[(&str, &str)] = &[
    ("verdict_no_delete", "verdict_no_change on verdict"),
    ("payment_no_update", "payment_no_change on payment"),
    ("payout_no_update", "payout_no_update on payout"),
    ("refund_fits", "refund_fits on refund"),
    ("outgoing_no_update", "outgoing_no_update on outgoing"),
    ("resolution_no_update", "resolution_no_change on resolution"),
];

/// The invariants that are broken in a copy of closed books, after that was done to it.
pub(super) async fn broken_by(books: &Books, text: &str) -> Vec<&'static str> {
    let report = match &books.settings.database {
        Database::Sqlite { directory } => {
            let place = tempfile::tempdir().unwrap();
            let copy = place.path().join("copy.db");
            std::fs::copy(directory.join("ledger.db"), &copy).unwrap();
            tamper(&copy, text).await;
            audit_file(&copy).await.unwrap()
        }
        Database::Postgres { url } => {
            let copy = test_postgres::copy_of(url.expose());
            let mut connection = as_postgres(&copy).await;
            // Triggers and references are those of a replica, which has none to fire.
            sqlx::raw_sql("set session_replication_role = replica").execute(&mut connection).await.unwrap();
            let done = sqlx::raw_sql(AssertSqlSafe(in_postgres(text))).execute(&mut connection).await;
            let done = done.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(text.starts_with("drop") || done.rows_affected() > 0, "{text} changed nothing");
            connection.close().await.unwrap();
            audit_database(&Database::Postgres { url: Secret::new(copy) }).await.unwrap()
        }
    };
    let broken = report.findings.iter().filter(|finding| finding.offending > 0);
    broken.map(|finding| finding.invariant).collect()
}

/// Whether closed books refuse that.
pub(super) async fn refuse(books: &Books, text: &str) -> bool {
    match &books.settings.database {
        Database::Sqlite { directory } => {
            let mut connection = writable(&directory.join("ledger.db")).await;
            let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await;
            connection.close().await.unwrap();
            done.is_err()
        }
        Database::Postgres { url } => {
            let mut connection = as_postgres(url.expose()).await;
            let done = sqlx::raw_sql(AssertSqlSafe(in_postgres(text))).execute(&mut connection).await;
            connection.close().await.unwrap();
            let refused = done.err().and_then(|error| error.into_database_error());
            let code = refused.as_ref().and_then(|error| error.code()).unwrap_or_default();
            // By a constraint, or by a trigger that says it is one.
            code.starts_with("23")
        }
    }
}

/// Whether these books are in PostgreSQL.
pub(super) fn is_postgres(books: &Books) -> bool {
    matches!(books.settings.database, Database::Postgres { .. })
}

/// The same words, as PostgreSQL wants them.
fn in_postgres(text: &str) -> String {
    if let Some(trigger) = text.strip_prefix("drop trigger ") {
        let known = TRIGGERS.iter().find(|(sqlite, _)| *sqlite == trigger);
        return format!("drop trigger {}", known.unwrap_or_else(|| panic!("{trigger} has no name there")).1);
    }
    [16, 20, 32].into_iter().fold(text.to_owned(), |text, length| {
        text.replace(&format!("zeroblob({length})"), &format!("decode(repeat('00', {length}), 'hex')"))
    })
}

async fn as_postgres(url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("set search_path to ledger").execute(&mut connection).await.unwrap();
    connection
}

async fn writable(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await.unwrap()
}

/// Changes a copy without the triggers, which stand again afterwards.
pub(super) async fn tamper(path: &Path, text: &str) {
    let mut connection = writable(path).await;
    let triggers: Vec<(String, String)> =
        sqlx::query_as("select name, sql from sqlite_schema where type = 'trigger'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let dropping = text.starts_with("drop trigger");
    for (name, _) in triggers.iter().filter(|_| !dropping) {
        sqlx::query(AssertSqlSafe(format!("drop trigger {name}"))).execute(&mut connection).await.unwrap();
    }
    let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
    assert!(text.starts_with("drop") || done.rows_affected() > 0, "{text} changed nothing");
    for (_, text) in triggers.into_iter().filter(|_| !dropping) {
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}
