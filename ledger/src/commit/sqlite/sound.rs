//! Whether the file can be trusted, asked before anything is read from it: is it whole (case C10), was it written by a newer
//! version (case C13)?

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnection;

use crate::error::OpenError;

/// How long a start looks for damage: some hundred megabytes. `faregate audit` looks to the end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Steps of SQLite's between two looks at the clock.
const STEPS: i32 = 10_000;

/// SQLite's primary codes for a file that is damaged, and for one that is no database at all.
const DAMAGED: [i32; 2] = [11, 26];

/// SQLite's code for a statement that was interrupted: here, by our own clock.
const INTERRUPTED: i32 = 9;

/// How far a look went, where it found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    ToTheEnd,
    /// Patience ended first.
    AsLongAsItTook,
}

/// Whether an error says that the file itself is broken.
pub(super) fn is_damage(code: i32) -> bool {
    DAMAGED.contains(&(code & 0xff))
}

/// Sorts what stood in the way of opening.
pub(super) fn open_error(path: &Path, error: &sqlx::Error) -> OpenError {
    match code(error) {
        Some(code) if is_damage(code) => damaged(path, error.to_string()),
        _ => OpenError::Database(error.to_string()),
    }
}

/// The same for migrations. A database that knows more of them than we do was written by a newer version.
pub(super) fn migrate_error(path: &Path, error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(version) => {
            OpenError::Newer { place: path.display().to_string(), version }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => open_error(path, &error),
        error => OpenError::Database(error.to_string()),
    }
}

/// Looks at how pages hang together, for as long as there is patience.
pub(super) async fn expect_whole(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    match look(connection, path, PATIENCE).await? {
        Looked::ToTheEnd => {}
        Looked::AsLongAsItTook => {
            tracing::info!("the ledger is too large to be looked through at a start; `faregate audit` does");
        }
    }
    Ok(())
}

async fn look(
    connection: &mut SqliteConnection,
    path: &Path,
    patience: Duration,
) -> Result<Looked, OpenError> {
    let failed = |error: sqlx::Error| open_error(path, &error);
    let until = Instant::now() + patience;
    connection
        .lock_handle()
        .await
        .map_err(failed)?
        .set_progress_handler(STEPS, move || Instant::now() < until);
    let found = sqlx::query_scalar::<_, String>("pragma quick_check(1)").fetch_one(&mut *connection).await;
    connection.lock_handle().await.map_err(failed)?.remove_progress_handler();
    match found {
        Ok(found) if found == "ok" => Ok(Looked::ToTheEnd),
        Ok(found) => Err(damaged(path, found)),
        Err(error) if code(&error).is_some_and(|code| code & 0xff == INTERRUPTED) => {
            Ok(Looked::AsLongAsItTook)
        }
        Err(error) => Err(open_error(path, &error)),
    }
}

fn damaged(path: &Path, found: String) -> OpenError {
    // SQLite names one thing a line; the first one is enough to know.
    let found = found.replace('\n', " ");
    OpenError::Damaged { path: path.to_owned(), found }
}

fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    #[tokio::test]
    async fn c10_a_look_ends_with_its_patience_and_the_connection_works_on() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let fill = "create table t (a integer primary key, b blob) strict;
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000)
            insert into t select i, randomblob(40) from n";
        sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
        let path = Path::new("ledger.db");
        let looked = look(&mut connection, path, Duration::ZERO).await.unwrap();
        assert_eq!(looked, Looked::AsLongAsItTook);
        let looked = look(&mut connection, path, Duration::from_secs(60)).await.unwrap();
        assert_eq!(looked, Looked::ToTheEnd);
    }
}
