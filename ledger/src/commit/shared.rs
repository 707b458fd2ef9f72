//! [`SharedStore`]: several processes on the same books, one batch after the other.
//!
//! A batch is one transaction. It locks the marker, reads what it needs as the others left it, is decided by the same
//! function as everywhere, writes, and commits: nobody else writes between its reading and its commit, so that numbers have
//! no gaps and times follow them. Each process has a row (`instance`) which proves that the others do not think it dead.
//! Next: [`facts`] for what is read, [`orphans`] for what a dead one left.

mod facts;
mod orphans;

use std::sync::Arc;

use domain::{Secret, UnixMillis};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use crate::batch::{Delta, Marker};
use crate::books::session::{Session, answer};
use crate::books::start::start;
use crate::calls;
use crate::commit::postgres::connect;
use crate::commit::postgres::lease::{self, Lease, Standing};
use crate::commit::postgres::write::{self, Author};
use crate::commit::postgres::{self as alone, ANSWER_MAX, EXPIRED_MAX};
use crate::commit::{CommitStore, Loaded, Orphans, Start, StoreError, Wanted};
use crate::error::OpenError;
use crate::ledger::Settings;
use facts::Known;
use orphans::Suspects;

/// Locks the marker in a transaction of its own: from here on nobody else writes.
const BEGIN: &str = "begin; select batch, at, seq, gross from marker where id = 1 for update";

/// The same, then as a statement of its own, which sees what the others wrote until then: the number of the next account, and
/// whether this process, `instance`, still counts as alive. One round trip for all.
fn begin_as(instance: i64) -> String {
    format!(
        "{BEGIN};
select (select max(id) + 1 from account),
  exists (select 1 from instance where id = {instance} and expires_at > clock_timestamp())"
    )
}

/// A process that falls silent inside a batch keeps the others waiting: for this long.
const IMPATIENT: &str = "set idle_in_transaction_session_timeout to '2s'";

pub(crate) struct SharedStore {
    lease: Arc<Lease>,
    instance: i64,
    /// None after a failure: the next use opens a new one.
    connection: Option<PgConnection>,
    /// What a batch in progress found when it had locked the marker.
    begun: Option<Begun>,
    /// Up to which payment the replay keys of others are known.
    seen: i64,
    /// The number of the next account when the providers were read last.
    accounts: i64,
    suspects: Suspects,
}

/// How a batch finds the books.
#[derive(Clone, Copy, Debug)]
struct Begun {
    marker: Marker,
    next_account: i64,
    /// Whether this process counts as alive.
    is_alive: bool,
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
            begun: None,
            seen: start.marker.seq,
            accounts: start.next_account,
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
            Ok(connection)
        };
        answer(opened).await.map_err(|error| StoreError::Busy(error.to_string()))
    }

    /// Locks the marker, unless this batch has it.
    async fn lock(&mut self, connection: &mut PgConnection) -> Result<Begun, sqlx::Error> {
        if let Some(begun) = self.begun {
            return Ok(begun);
        }
        // Numbers only.
        let sql = sqlx::AssertSqlSafe(begin_as(self.instance));
        let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
        let [found, standing] = rows.as_slice() else { return Err(sqlx::Error::RowNotFound) };
        let (next_account, is_alive) = (standing.try_get(0)?, standing.try_get(1)?);
        let begun = Begun { marker: marker(found)?, next_account, is_alive };
        self.begun = Some(begun);
        Ok(begun)
    }

    /// Writes and commits. `false`: the fence held the batch back, nothing was written.
    async fn write(&mut self, connection: &mut PgConnection, delta: &Delta) -> Result<bool, sqlx::Error> {
        self.lock(connection).await?;
        let author = Author { epoch: self.lease.epoch(), instance: self.instance };
        let written = write::statements(connection, delta, author).await?;
        if !written {
            sqlx::raw_sql("rollback").execute(connection).await?;
            self.begun = None;
            return Ok(false);
        }
        let open: String = write::open(delta).iter().map(|byte| format!("{byte:02x}")).collect();
        let (batch, instance) = (delta.marker.batch, self.instance);
        // Numbers and hex digits only. One round trip for the two.
        let end =
            format!("update instance set batch = {batch}, open = '\\x{open}' where id = {instance}; commit");
        sqlx::raw_sql(sqlx::AssertSqlSafe(end)).execute(connection).await?;
        self.begun = None;
        Ok(true)
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

impl CommitStore for SharedStore {
    async fn begin(&mut self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        // Dropped with its connection, the transaction is undone.
        answer(self.lock(&mut connection)).await.map_err(|error| StoreError::Busy(error.to_string()))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Begins the batch and reads all that it wants, as it stands now.
    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        let mut connection = self.connection().await?;
        let loaded = answer(async {
            let begun = self.lock(&mut connection).await?;
            if !begun.is_alive {
                return Ok(None);
            }
            let known = Known { instance: self.instance, seen: self.seen, accounts: self.accounts };
            facts::load(&mut connection, known, begun, (wanted, at)).await.map(Some)
        });
        match loaded.await {
            Ok(Some(loaded)) => {
                if let Some(others) = &loaded.others {
                    (self.seen, self.accounts) = (others.marker.seq, others.next_account);
                }
                self.connection = Some(connection);
                Ok(loaded)
            }
            // Dropped with its connection, the transaction is undone.
            Ok(None) => {
                self.begun = None;
                drop(connection);
                Err(self.held_back().await)
            }
            Err(error) => {
                self.begun = None;
                Err(StoreError::Busy(error.to_string()))
            }
        }
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let written = tokio::time::timeout(ANSWER_MAX, self.write(&mut connection, delta)).await;
        let written = written
            .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
            .map_err(alone::store_error);
        match written {
            Ok(true) => {
                self.seen = delta.marker.seq;
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
            Err(error) => {
                self.begun = None;
                Err(error)
            }
        }
    }

    async fn end(&mut self) -> Result<(), StoreError> {
        if self.begun.take().is_none() {
            return Ok(());
        }
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        let ended =
            answer(async { sqlx::raw_sql("rollback").execute(&mut connection).await.map(drop) }).await;
        if ended.is_ok() {
            self.connection = Some(connection);
        }
        Ok(())
    }

    /// Waits for the marker, which the batch has as long as it is on its way. Then the row tells.
    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let instance = self.instance;
        let last = answer(async {
            begin(&mut connection).await?;
            let row = sqlx::query_scalar("select batch from instance where id = $1").bind(instance);
            let last: Option<i64> = row.fetch_optional(&mut connection).await?;
            sqlx::raw_sql("rollback").execute(&mut connection).await?;
            Ok(last)
        });
        let last = last.await.map_err(|error| StoreError::Broken(error.to_string()))?;
        self.connection = Some(connection);
        match last {
            Some(last) => Ok(last >= batch),
            None => Err(StoreError::Fatal(lease::lost("another gateway"))),
        }
    }

    async fn orphans(&mut self) -> Result<Orphans, StoreError> {
        let mut connection = self.connection().await?;
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
async fn begin(connection: &mut PgConnection) -> Result<Marker, sqlx::Error> {
    marker(&sqlx::raw_sql(BEGIN).fetch_one(connection).await?)
}

fn marker(row: &PgRow) -> Result<Marker, sqlx::Error> {
    let number = |column| row.try_get::<i64, usize>(column);
    Ok(Marker { batch: number(0)?, at: UnixMillis(number(1)?), seq: number(2)?, gross: number(3)? })
}
