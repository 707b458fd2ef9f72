//! [`PostgresStore`]: one connection, one statement per batch of captures, under the owner's lease.
//!
//! Facts live in the writer's memory as they do over SQLite, because one process owns the books. Each batch proves that
//! it still does: the row that every batch writes (`marker`) carries the owner's epoch, and whoever takes over raises
//! it ([`lease`]). A batch of an earlier epoch writes nothing, whenever it arrives.

pub(crate) mod connect;
pub(crate) mod lease;
mod money;
mod text;
pub(crate) mod write;

use std::sync::Arc;
use std::time::Duration;

use domain::{Secret, UnixMillis};
use sqlx::Connection;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::batch::Delta;
use crate::books::load::load;
use crate::books::session::{Session, answer};
use crate::books::start::start;
use crate::commit::{CommitStore, Loaded, Start, StoreError, Wanted};
use crate::error::OpenError;
use crate::ledger::Settings;
use lease::{Lease, Standing};
pub(crate) use text::EXPIRE;

/// How long the answer to a batch is waited for. Afterwards only the marker can tell what became of it.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Rows deleted in one call of [`CommitStore::expire`].
pub(crate) const EXPIRED_MAX: i64 = 1000;

/// Whether there is a schema, and whether books stand in it. Who may use a schema may not always make one.
const MADE: &str = "select to_regnamespace('ledger') is not null, to_regclass('ledger.lease') is not null";

/// One owner has one list of open deliveries.
const GATHER_OPEN: &str = "
with gone as (delete from instance returning open)
update marker set open = marker.open || g.open from (select string_agg(open, ''::bytea) as open from gone) g
where g.open is not null";

pub(crate) struct PostgresStore {
    lease: Arc<Lease>,
    /// None after a failure: the next use opens a new one.
    connection: Option<PgConnection>,
}

// === impl PostgresStore ===

impl PostgresStore {
    /// Opens the books: creates and migrates the schema, takes the lease, reads what the writer begins with.
    pub(crate) async fn open(
        url: &Secret,
        settings: &Settings,
        now: UnixMillis,
    ) -> Result<(Self, Start, Arc<Lease>), OpenError> {
        let database = |error: sqlx::Error| OpenError::Database(error.to_string());
        let options = connect::options(url.expose()).map_err(database)?;
        let mut connection = connect::writer(&options).await.map_err(database)?;
        let (schema, books): (bool, bool) =
            sqlx::query_as(MADE).fetch_one(&mut connection).await.map_err(database)?;
        // Before the schema where there is one: a start that is refused has changed nothing.
        let taken = if books { Some(Lease::take(options.clone(), &mut connection).await?) } else { None };
        migrate(&mut connection, schema).await?;
        let lease = match taken {
            Some(lease) => lease,
            None => Lease::take(options, &mut connection).await?,
        };
        // Of several who had the books together and are gone.
        sqlx::query(GATHER_OPEN).execute(&mut connection).await.map_err(database)?;
        let begun = start(&mut Session::Postgres(&mut connection), settings, now, database).await?;
        let start = Start { lease: Some(lease.deadline()), ..begun };
        Ok((Self { lease: Arc::clone(&lease), connection: Some(connection) }, start, lease))
    }

    /// A connection that works, as far as is known. Where none can be made, nothing was begun.
    async fn connection(&mut self) -> Result<PgConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                let opened = connect::writer(self.lease.options()).await;
                opened.map_err(|error| StoreError::Busy(error.to_string()))
            }
        }
    }

    /// Runs a batch's statements. An error that the server answered with leaves the connection as it was.
    async fn write(&mut self, delta: &Delta) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let epoch = self.lease.epoch();
        let written = tokio::time::timeout(ANSWER_MAX, write::write(&mut connection, delta, epoch)).await;
        let written = written
            .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
            .map_err(store_error);
        if !matches!(written, Err(StoreError::Broken(_))) {
            self.connection = Some(connection);
        }
        written
    }

    /// The fence held a batch back: because the lease ran out, or because it is another's, or because the books are older
    /// than what this process wrote.
    async fn held_back(&mut self, batch: i64) -> StoreError {
        match self.lease.renew().await {
            Ok(Standing::Ours) => {}
            Ok(Standing::Lost(owner)) => return StoreError::Fatal(lease::lost(&owner)),
            Err(error) => return StoreError::Busy(error.to_string()),
        }
        match self.last_batch().await {
            Ok(last) if last + 1 != batch => older(last, batch),
            Ok(_) => StoreError::Busy("the ledger's lease had run out".to_owned()),
            Err(error) => error,
        }
    }

    async fn last_batch(&mut self) -> Result<i64, StoreError> {
        let mut connection = self.connection().await?;
        let last = sqlx::query_scalar("select batch from marker").fetch_one(&mut connection);
        let last = answer(last).await.map_err(|error| StoreError::Busy(error.to_string()))?;
        self.connection = Some(connection);
        Ok(last)
    }
}

impl CommitStore for PostgresStore {
    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        let mut connection = self.connection().await?;
        let loaded = answer(load(&mut Session::Postgres(&mut connection), wanted, at)).await;
        let loaded = loaded.map_err(|error| StoreError::Broken(error.to_string()))?;
        self.connection = Some(connection);
        Ok(loaded)
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        match self.write(delta).await? {
            true => Ok(()),
            false => Err(self.held_back(delta.marker.batch).await),
        }
    }

    /// The batch may still be on its way. Raising the epoch waits for it where it has begun and shuts it out where it
    /// has not, so that what is read afterwards stays true.
    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let raised = answer(self.lease.raise(&mut connection)).await;
        let raised = raised.map_err(|error| StoreError::Broken(error.to_string()))?;
        self.connection = Some(connection);
        match raised {
            Some(last) if last + 1 < batch => Err(older(last, batch)),
            Some(last) => Ok(last >= batch),
            None => Err(StoreError::Fatal(lease::lost("another process"))),
        }
    }

    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        for statement in text::EXPIRE {
            let expired = sqlx::query(statement).bind(at.0).bind(EXPIRED_MAX).bind(self.lease.epoch());
            let expired = expired.execute(&mut connection);
            answer(expired).await.map_err(|error| StoreError::Broken(error.to_string()))?;
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn close(mut self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let released = answer(self.lease.release(&mut connection)).await;
        let _ = connection.close().await;
        released.map_err(|error| StoreError::Broken(error.to_string()))
    }
}

async fn migrate(connection: &mut PgConnection, has_schema: bool) -> Result<(), OpenError> {
    let mut migrator = sqlx::migrate!("../migrations/postgres/ledger");
    if !has_schema {
        // By the migrator, under its lock: two processes may start at once.
        migrator.create_schema("ledger");
    }
    // As long as it takes on large books; whoever reads them for long is not waited for, because all batches would wait behind it.
    let patient = "set statement_timeout to 0; set lock_timeout to '5s'";
    let database = |error: sqlx::Error| OpenError::Database(error.to_string());
    sqlx::raw_sql(patient).execute(&mut *connection).await.map_err(database)?;
    migrator.run(&mut *connection).await.map_err(migrate_error)?;
    sqlx::raw_sql(connect::WRITER).execute(connection).await.map(drop).map_err(database)
}

/// Migrates for one of several. Books that never had several are one owner's, who may be running.
pub(crate) async fn migrate_for_several(
    options: &PgConnectOptions,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    let database = |error: sqlx::Error| OpenError::Database(error.to_string());
    let (schema, books): (bool, bool) =
        sqlx::query_as(MADE).fetch_one(&mut *connection).await.map_err(database)?;
    let several = sqlx::query_scalar("select to_regclass('ledger.instance') is not null");
    if books && !several.fetch_one(&mut *connection).await.map_err(database)? {
        let lease = Lease::take(options.clone(), connection).await?;
        migrate(connection, schema).await?;
        return lease.release(connection).await.map_err(database);
    }
    migrate(connection, schema).await
}

/// The books lack what was committed: a replica that lagged was made the server, or a backup was put in its place. Memory
/// holds what is gone; only a new start knows what they say.
fn older(last: i64, batch: i64) -> StoreError {
    let words =
        format!("they end with batch {last}, older than batch {} which this process wrote", batch - 1);
    StoreError::Fatal(words)
}

/// A schema that knows more migrations than we do was written by a newer version (case C13).
fn migrate_error(error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(version) => {
            OpenError::Newer { place: "the schema `ledger` in PostgreSQL".to_owned(), version }
        }
        error => OpenError::Database(error.to_string()),
    }
}

/// Sorts PostgreSQL's errors by what is known after them: class 23 is a constraint, and its batch was undone. All else
/// may have come with a COMMIT that stands (a server that was told to stop, a line that broke), and the marker is asked.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    let words = error.to_string();
    let code = error.as_database_error().and_then(|error| error.code().map(|code| code.starts_with("23")));
    if code == Some(true) { StoreError::Refused(words) } else { StoreError::Broken(words) }
}
