//! [`Lease`]: which process owns the books, and until when (cases C16, T3).
//!
//! The row `lease` names the owner, its epoch and when it ends; the owner renews it. Taking over raises the epoch in the
//! marker too, which every batch writes: that is the fence. The lease alone only says when taking over is polite.
//! An advisory lock on the owner's connection tells a process that is gone from one that is merely silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;

use super::connect;
use crate::books::session::answer;
use crate::error::OpenError;
use crate::health::Deadline;

/// How long a lease lasts without being renewed.
const LASTS: Duration = Duration::from_secs(5);

/// Between two renewals.
const RENEWED_EVERY: Duration = Duration::from_millis(1250);

/// The owner stops this much before its lease ends: clocks run at slightly different speeds, and answers take time.
const MARGIN: Duration = Duration::from_secs(1);

/// Between two looks at another's lease.
const LOOK: Duration = Duration::from_millis(200);

/// The key of the advisory lock: "faregate" in ASCII.
const LOCK: &str = "select pg_try_advisory_lock(x'6661726567617465'::bigint)";

/// `$1` owner, `$2` milliseconds it lasts, `$3` whether the last owner's process is gone.
const TAKE: &str = "
with taken as (
  update lease set owner = $1, epoch = epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $2)
  where id = 1 and ($3 or expires_at <= clock_timestamp())
  returning epoch)
update marker set epoch = taken.epoch from taken where marker.id = 1 returning marker.epoch";

/// `$1` epoch, `$2` seconds it lasts.
const RENEW: &str = "
update lease set expires_at = clock_timestamp() + make_interval(secs => $2)
where id = 1 and epoch = $1 and epoch = (select epoch from marker where id = 1)
returning epoch";

/// `$1` epoch.
const RAISE: &str = "
with raised as (update marker set epoch = epoch + 1 where id = 1 and epoch = $1 returning batch, epoch),
leased as (update lease set epoch = raised.epoch from raised where lease.id = 1 returning 1)
select batch, epoch from raised where exists (select 1 from leased)";

const RELEASE: &str = "update lease set expires_at = clock_timestamp() where id = 1 and epoch = $1";

const OWNER: &str =
    "select owner, epoch, (extract(epoch from expires_at) * 1000)::bigint from lease where id = 1";

/// The lease of this process.
#[derive(Debug)]
pub(crate) struct Lease {
    options: PgConnectOptions,
    epoch: AtomicI64,
    /// Until when this process may count on it.
    deadline: Arc<Deadline>,
    /// Holds the advisory lock and renews. None after a failure.
    connection: Mutex<Option<PgConnection>>,
}

/// Whose the books are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ours,
    /// Taken over by this owner.
    Lost(String),
}

/// What the last owner is told, and its operator.
pub(crate) fn lost(owner: &str) -> String {
    format!("the ledger was taken over by {owner}; this process knows nothing of what it wrote since")
}

// === impl Lease ===

impl Lease {
    /// Takes the lease: at once where the last owner's process is gone, else when its lease has run out.
    pub(crate) async fn take(
        options: PgConnectOptions,
        connection: &mut PgConnection,
    ) -> Result<Arc<Self>, OpenError> {
        let database = |error: sqlx::Error| OpenError::Database(error.to_string());
        let mut keeper = connect::writer(&options).await.map_err(database)?;
        let patience = Instant::now() + LASTS + MARGIN;
        let mut first_end = None;
        loop {
            let sent = Instant::now();
            let gone: bool = sqlx::query_scalar(LOCK).fetch_one(&mut keeper).await.map_err(database)?;
            let query = sqlx::query_scalar(TAKE).bind(name()).bind(LASTS.as_secs_f64()).bind(gone);
            let taken: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(database)?;
            if let Some(epoch) = taken {
                let deadline = Arc::new(Deadline::new(sent + LASTS - MARGIN));
                let (epoch, connection) = (AtomicI64::new(epoch), Mutex::new(Some(keeper)));
                return Ok(Arc::new(Self { options, epoch, deadline, connection }));
            }
            let (owner, epoch, end): (String, i64, i64) =
                sqlx::query_as(OWNER).fetch_one(&mut *connection).await.map_err(database)?;
            // It is alive where it renews, and not to be waited for.
            if *first_end.get_or_insert(end) != end || Instant::now() > patience {
                return Err(OpenError::Leased { owner, epoch });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(crate) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn deadline(&self) -> Arc<Deadline> {
        Arc::clone(&self.deadline)
    }

    /// Renews until dropped; returns only when the books are another's, with its name.
    pub(crate) async fn keep(&self) -> String {
        let mut every = tokio::time::interval(RENEWED_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match self.renew().await {
                Ok(Standing::Ours) => {}
                Ok(Standing::Lost(owner)) => return owner,
                Err(error) => tracing::warn!(%error, "the ledger's lease could not be renewed"),
            }
        }
    }

    /// Renews once. What is counted on is measured from before the question was sent.
    pub(crate) async fn renew(&self) -> Result<Standing, sqlx::Error> {
        let mut slot = self.connection.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.reconnect().await?,
        };
        loop {
            let (sent, epoch) = (Instant::now(), self.epoch());
            let query = sqlx::query_scalar(RENEW).bind(epoch).bind(LASTS.as_secs_f64());
            let renewed: Option<i64> = answer(query.fetch_optional(&mut connection)).await?;
            if renewed.is_some() {
                *slot = Some(connection);
                self.deadline.extend(sent + LASTS - MARGIN);
                return Ok(Standing::Ours);
            }
            // Raised by ourselves meanwhile: ask again.
            if self.epoch() == epoch {
                let owner = sqlx::query_as(OWNER).fetch_one(&mut connection);
                let (owner, _, _): (String, i64, i64) = answer(owner).await?;
                return Ok(Standing::Lost(owner));
            }
        }
    }

    async fn reconnect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = connect::writer(&self.options).await?;
        // Held by the server for a moment longer where it has not seen the old connection end: the next one gets it.
        let lock = sqlx::query(LOCK).fetch_one(&mut connection);
        answer(lock).await?;
        Ok(connection)
    }

    /// Raises the epoch: what was sent under the earlier one stands by now, or never will. The last batch that stands;
    /// `None` where the books are another's.
    pub(crate) async fn raise(&self, connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
        let raised: Option<(i64, i64)> =
            sqlx::query_as(RAISE).bind(self.epoch()).fetch_optional(connection).await?;
        Ok(raised.map(|(batch, epoch)| {
            self.epoch.store(epoch, Ordering::Release);
            batch
        }))
    }

    /// Lets go of it, so that the next owner need not wait.
    pub(crate) async fn release(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(RELEASE).bind(self.epoch()).execute(connection).await.map(drop)
    }
}

/// This process, as an operator would look for it.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}", std::process::id(), host.trim())
}
