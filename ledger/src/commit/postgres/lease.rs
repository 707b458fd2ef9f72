//! [`Lease`]: which process owns the books, and until when (cases C16, T3).
//!
//! The row `lease` names the owner, its epoch and when it ends; the owner renews it. Taking over raises the epoch in the
//! marker too, which every batch writes: that is the fence. The lease alone only says when taking over is polite.
//! An advisory lock on the owner's connection tells a process that is gone from one that is merely silent. The owner's name
//! is its alone: an epoch that it raised without hearing of it is recognised by it. Several processes own the books together
//! in the same way ([`join`]): the lease is theirs, and each has a row of its own beside it.

mod join;

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

/// The epoch is nobody's where marker and lease differ.
const STANDING: &str = "select owner, lease.epoch, lease.epoch = marker.epoch from lease, marker";

/// The lease of this process, or of several of which it is one.
#[derive(Debug)]
pub(crate) struct Lease {
    options: PgConnectOptions,
    /// In the table, and nobody else's.
    owner: String,
    /// The row of this process, where it is one of several.
    instance: Option<i64>,
    epoch: AtomicI64,
    /// Until when this process may count on it.
    deadline: Arc<Deadline>,
    /// None after a failure.
    keeper: Mutex<Option<Keeper>>,
}

/// The connection that renews and has the advisory lock.
#[derive(Debug)]
struct Keeper {
    connection: PgConnection,
    /// Not at once where the last owner, or an earlier connection of ours, still has it: asked for until it is.
    locked: bool,
    /// How it is asked for: alone, or together with others.
    lock: &'static str,
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
        let owner = name()?;
        let mut keeper = Keeper::connect(&options, LOCK).await.map_err(database)?;
        let patience = Instant::now() + LASTS + MARGIN;
        let mut first_end = None;
        loop {
            let sent = Instant::now();
            keeper.lock().await.map_err(database)?;
            let query = sqlx::query_scalar(TAKE).bind(&owner).bind(LASTS.as_secs_f64()).bind(keeper.locked);
            let taken: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(database)?;
            if let Some(epoch) = taken {
                let deadline = Arc::new(Deadline::new(sent + LASTS - MARGIN));
                let (epoch, keeper) = (AtomicI64::new(epoch), Mutex::new(Some(keeper)));
                return Ok(Arc::new(Self { options, owner, instance: None, epoch, deadline, keeper }));
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
        let mut slot = self.keeper.lock().await;
        let mut keeper = match slot.take() {
            Some(keeper) => keeper,
            None => Keeper::connect(&self.options, self.lock()).await?,
        };
        answer(keeper.lock()).await?;
        loop {
            let sent = Instant::now();
            let query = sqlx::query_scalar(if self.instance.is_some() { join::RENEW } else { RENEW });
            let query = query.bind(self.epoch()).bind(LASTS.as_secs_f64());
            let query = if let Some(instance) = self.instance { query.bind(instance) } else { query };
            let renewed: Option<i64> = answer(query.fetch_optional(&mut keeper.connection)).await?;
            if renewed.is_some() {
                *slot = Some(keeper);
                self.deadline.extend(sent + LASTS - MARGIN);
                return Ok(Standing::Ours);
            }
            // Raised by ourselves meanwhile: ask again.
            let standing = answer(self.standing(&mut keeper.connection)).await?;
            if let Standing::Lost(_) = standing {
                return Ok(standing);
            }
        }
    }

    fn lock(&self) -> &'static str {
        if self.instance.is_some() { join::LOCK } else { LOCK }
    }

    /// Whose the books are. An epoch that we raised and did not hear of is ours from here on.
    async fn standing(&self, connection: &mut PgConnection) -> Result<Standing, sqlx::Error> {
        let (owner, epoch, whole): (String, i64, bool) =
            sqlx::query_as(STANDING).fetch_one(&mut *connection).await?;
        if owner != self.owner || !whole {
            return Ok(Standing::Lost(owner));
        }
        if let Some(instance) = self.instance
            && !join::is_in(connection, instance).await?
        {
            return Ok(Standing::Lost("another gateway, to which this one seemed dead".to_owned()));
        }
        self.epoch.fetch_max(epoch, Ordering::AcqRel);
        Ok(Standing::Ours)
    }

    /// Raises the epoch: what was sent under the earlier one stands by now, or never will. The last batch that stands;
    /// `None` where the books are another's. Each try names the epoch it raises: one that was given up and still runs
    /// raises nothing once another has.
    pub(crate) async fn raise(&self, connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
        loop {
            let raised: Option<(i64, i64)> =
                sqlx::query_as(RAISE).bind(self.epoch()).fetch_optional(&mut *connection).await?;
            if let Some((batch, epoch)) = raised {
                self.epoch.fetch_max(epoch, Ordering::AcqRel);
                return Ok(Some(batch));
            }
            if let Standing::Lost(_) = self.standing(connection).await? {
                return Ok(None);
            }
        }
    }

    /// Lets go of it, so that the next owner need not wait.
    pub(crate) async fn release(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(RELEASE).bind(self.epoch()).execute(connection).await.map(drop)
    }
}

// === impl Keeper ===

impl Keeper {
    async fn connect(options: &PgConnectOptions, lock: &'static str) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: connect::writer(options).await?, locked: false, lock })
    }

    /// Asks for the lock where it has not got it. Without it a healthy owner would be taken for gone.
    async fn lock(&mut self) -> Result<(), sqlx::Error> {
        if !self.locked {
            self.locked = sqlx::query_scalar(self.lock).fetch_one(&mut self.connection).await?;
        }
        Ok(())
    }
}

/// This process, as an operator would look for it. Two of them may have the same number and host, in containers.
fn name() -> Result<String, OpenError> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let run = getrandom::u64().map_err(|error| OpenError::System(format!("no randomness: {error}")))?;
    Ok(format!("process {} on {} (run {run:016x})", std::process::id(), host.trim()))
}
