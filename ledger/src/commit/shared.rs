//! [`SharedStore`]: several processes on the same books, one batch after the other.
//!
//! A batch is one transaction. It locks the marker, reads what it needs as the others left it, is decided by the same
//! function as everywhere, writes, and commits: nobody else writes between its reading and its commit, so that numbers have
//! no gaps and times follow them. The next one has the marker while this one goes to disk; who asked for this one is answered
//! when it is there. Each process has a row (`instance`) which proves that the others do not think it dead.
//! What a batch changes it tells the others with its commit, so that whoever comes next has only that to read: three round trips make
//! a batch, whatever is in it. Next: [`behind`] for the first of them, [`facts`] for what is read beside it, [`orphans`] for what a
//! dead one left.

mod behind;
mod facts;
mod orphans;
mod theirs;

use std::sync::Arc;

use domain::{Secret, UnixMillis};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::batch::Delta;
use crate::books::session::{Session, answer};
use crate::books::start::start;
use crate::calls;
use crate::commit::postgres::connect;
use crate::commit::postgres::lease::{self, Lease, Standing};
use crate::commit::postgres::write::{self, Author};
use crate::commit::postgres::{self as alone, ANSWER_MAX, EXPIRED_MAX};
use crate::commit::{CommitStore, Loaded, Orphans, Others, Start, StoreError, Wanted};
use crate::error::OpenError;
use crate::ledger::Settings;
use behind::Known;
use orphans::Suspects;

/// Locks the marker in a transaction of its own: from here on nobody else writes.
const BEGIN: &str = "begin; execute lock_marker";

/// Ends a batch in one round trip. Its commit waits for no disk, so that the next process has the marker at once; what follows it is
/// answered when all that was written before is on disk, on a synchronous standby's too, and nobody is told earlier. What another
/// process builds on this batch reaches the disk behind it: after a crash both stand, or this one, or none.
const COMMIT: &str = "commit; select pg_logical_emit_message(true, 'faregate', '')";

/// Ends a batch that has nothing to write and is answered out of what others wrote, once that is on disk. Holds that are refused are told so
/// before.
const READ: &str = "rollback; select pg_logical_emit_message(true, 'faregate', '')";

/// Lower than the number of any account.
const NO_ACCOUNTS: i64 = 0;

/// A process that falls silent inside a batch keeps the others waiting: for this long.
const IMPATIENT: &str = "set idle_in_transaction_session_timeout to '2s'";

pub(crate) struct SharedStore {
    lease: Arc<Lease>,
    instance: i64,
    /// None after a failure: the next use opens a new one.
    connection: Option<PgConnection>,
    /// Whether a batch is in progress on it, which has the marker.
    begun: bool,
    /// Others wrote since this process last saw everything on disk.
    is_ahead_of_disk: bool,
    known: Known,
    suspects: Suspects,
}

// === impl SharedStore ===

impl SharedStore {
    /// Opens the books: creates and migrates the schema, joins the others, reads what the writer begins with.
    pub(crate) async fn open(
        url: &Secret,
        settings: &Settings,
        now: UnixMillis,
    ) -> Result<(Self, Start, Arc<Lease>), OpenError> {
        let database = |error: sqlx::Error| OpenError::Database(error.to_string());
        let options = connect::options(url.expose()).map_err(database)?;
        let mut connection = connect::writer(&options).await.map_err(database)?;
        alone::migrate_for_several(&options, &mut connection).await?;
        let (lease, instance) = Lease::join(options, &mut connection).await?;
        let begun = start(&mut Session::Postgres(&mut connection), settings, now, database).await?;
        // What stands there belongs to those who live, or is taken over like any dead process's.
        let start = Start { lease: Some(lease.deadline()), open: Vec::new(), holds: Vec::new(), ..begun };
        let store = Self {
            lease: Arc::clone(&lease),
            instance,
            connection: None,
            begun: false,
            is_ahead_of_disk: false,
            known: Known { instance, seen: None, accounts: start.next_account },
            suspects: Suspects::default(),
        };
        Ok((store, start, lease))
    }

    /// A connection that works, as far as is known. Where none can be made, nothing was begun.
    async fn connection(&mut self) -> Result<PgConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let opened = async {
            let mut connection = connect::writer(self.lease.options()).await?;
            sqlx::raw_sql(IMPATIENT).execute(&mut connection).await?;
            sqlx::raw_sql(behind::PREPARE).execute(&mut connection).await?;
            Ok(connection)
        };
        let opened = answer(opened).await.map_err(|error| StoreError::Busy(error.to_string()))?;
        // What was broken off may have been the server, and what comes back another one, which lacks what was told: no account is known
        // any more, since its number may be another's there.
        (self.begun, self.known.seen, self.known.accounts) = (false, None, NO_ACCOUNTS);
        Ok(opened)
    }

    /// Writes and commits. `false`: the fence held it back, nothing was written.
    async fn write(&mut self, connection: &mut PgConnection, delta: &Delta) -> Result<bool, sqlx::Error> {
        if !self.begun {
            begin(connection).await?;
            self.begun = true;
        }
        let author = Author { epoch: self.lease.epoch(), instance: self.instance };
        let written = write::statements(connection, delta, author).await?;
        sqlx::raw_sql(if written { COMMIT } else { "rollback" }).execute(connection).await?;
        self.begun = false;
        Ok(written)
    }

    /// The fence held a batch back: the lease ran out or is another's, or somebody else wrote since the facts were read.
    async fn held_back(&mut self) -> StoreError {
        match self.lease.renew().await {
            Ok(Standing::Ours) => {
                StoreError::Busy("the lease had run out, or others wrote in between".to_owned())
            }
            Ok(Standing::Lost(owner)) => StoreError::Fatal(lease::lost(&owner)),
            Err(error) => StoreError::Busy(error.to_string()),
        }
    }
}

/// Whether a connection is gone; one that only takes too long is not.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::TimedOut,
        // The server said that it ends.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

impl CommitStore for SharedStore {
    async fn begin(&mut self) -> Result<Option<Others>, StoreError> {
        let is_used = self.connection.is_some();
        let mut connection = self.connection().await?;
        if self.begun {
            self.connection = Some(connection);
            return Ok(None);
        }
        // Dropped with its connection, the transaction is undone.
        let mut begun = answer(behind::begin(&mut connection, self.known)).await;
        if is_used && begun.as_ref().is_err_and(is_broken) {
            // It broke while nobody used it, and the server may be back for long.
            connection = self.connection().await?;
            begun = answer(behind::begin(&mut connection, self.known)).await;
        }
        let Some(others) = begun.map_err(|error| StoreError::Busy(error.to_string()))? else {
            drop(connection);
            return Err(self.held_back().await);
        };
        self.begun = true;
        self.is_ahead_of_disk |= self.known.seen != Some(others.marker.batch);
        self.known.seen = Some(others.marker.batch);
        if let Some(accounts) = &others.accounts {
            self.known.accounts = accounts.next;
        }
        self.connection = Some(connection);
        Ok(Some(others))
    }

    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        let mut connection = self.connection().await?;
        let loaded = answer(facts::load(&mut connection, wanted, at)).await;
        let loaded = loaded.map_err(|error| StoreError::Busy(error.to_string()))?;
        self.connection = Some(connection);
        Ok(loaded)
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let written = tokio::time::timeout(ANSWER_MAX, self.write(&mut connection, delta)).await;
        let written = written
            .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
            .map_err(alone::store_error);
        match written {
            Ok(true) => {
                self.is_ahead_of_disk = false;
                // Its own batch came right after what it knew.
                self.known.seen = self.known.seen.map(|_| delta.marker.batch);
                self.connection = Some(connection);
                Ok(())
            }
            Ok(false) => {
                self.connection = Some(connection);
                Err(self.held_back().await)
            }
            Err(StoreError::Refused(words)) => {
                self.connection = Some(connection);
                self.end().await?;
                Err(StoreError::Refused(words))
            }
            Err(error) => Err(error),
        }
    }

    async fn end(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.begun) {
            return Ok(());
        }
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        let is_ahead = std::mem::take(&mut self.is_ahead_of_disk);
        let text = if is_ahead { READ } else { "rollback" };
        let ended = answer(async { sqlx::raw_sql(text).execute(&mut connection).await.map(drop) }).await;
        match ended {
            Ok(()) => self.connection = Some(connection),
            Err(error) if is_ahead => return Err(StoreError::Busy(error.to_string())),
            Err(_) => {}
        }
        Ok(())
    }

    /// Waits for the marker, which the batch has as long as it is on its way. Then the row tells, once it is on disk.
    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let instance = self.instance;
        let last = answer(async {
            begin(&mut connection).await?;
            let row = sqlx::query_scalar("select batch from instance where id = $1").bind(instance);
            let last: Option<i64> = row.fetch_optional(&mut connection).await?;
            sqlx::raw_sql(COMMIT).execute(&mut connection).await?;
            Ok(last)
        });
        let last = last.await.map_err(|error| StoreError::Broken(error.to_string()))?;
        self.connection = Some(connection);
        match last {
            Some(last) => Ok(last >= batch),
            None => Err(StoreError::Fatal(lease::lost("another gateway"))),
        }
    }

    async fn orphans(&mut self, again: bool) -> Result<Orphans, StoreError> {
        let mut connection = self.connection().await?;
        if !again {
            self.suspects.taken();
        }
        let found = answer(orphans::take(&mut self.suspects, &mut connection, self.instance)).await;
        let found = found.map_err(|error| StoreError::Broken(error.to_string()))?;
        self.connection = Some(connection);
        Ok(found)
    }

    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let epoch = self.lease.epoch();
        let expired = answer(async {
            begin(&mut connection).await?;
            for statement in alone::EXPIRE {
                sqlx::query(statement)
                    .bind(at.0)
                    .bind(EXPIRED_MAX)
                    .bind(epoch)
                    .execute(&mut connection)
                    .await?;
            }
            sqlx::raw_sql("commit").execute(&mut connection).await?;
            sqlx::query(behind::FORGET).execute(&mut connection).await?;
            sqlx::query(calls::EXPIRE).bind(EXPIRED_MAX).execute(&mut connection).await.map(drop)
        });
        expired.await.map_err(|error| StoreError::Broken(error.to_string()))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// The others take over what is left, at once: deliveries that nobody confirmed.
    async fn close(mut self) -> Result<(), StoreError> {
        self.end().await?;
        let mut connection = self.connection().await?;
        let left = orphans::leave(&mut connection, self.instance);
        let left = answer(left).await;
        let _ = connection.close().await;
        left.map_err(|error| StoreError::Broken(error.to_string()))
    }
}

/// Locks the marker, in a transaction of its own.
async fn begin(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(connection).await.map(drop)
}
