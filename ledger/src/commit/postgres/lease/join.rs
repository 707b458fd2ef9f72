//! Joining: several processes own the books together (`coordination = "db"`).
//!
//! The lease then names them all, and each keeps it. A process that is gone leaves its own row (`instance`), which it alone
//! renews; the others take over what stands under it. One process that wants the books for itself waits until all of them
//! are gone, as they wait for it.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;

use super::{Keeper, LASTS, LOOK, Lease, MARGIN, name};
use crate::error::OpenError;
use crate::health::Deadline;

/// How the lease names them.
const SEVERAL: &str = "several gateways (coordination = \"db\")";

/// The same lock that one owner takes for itself.
pub(super) const LOCK: &str = "select pg_try_advisory_lock_shared(x'6661726567617465'::bigint)";

/// `$1` epoch, `$2` seconds it lasts, `$3` the instance.
pub(super) const RENEW: &str = "
with mine as (
  update instance set expires_at = clock_timestamp() + make_interval(secs => $2) where id = $3 returning 1)
update lease set expires_at = clock_timestamp() + make_interval(secs => $2)
where id = 1 and epoch = $1 and epoch = (select epoch from marker where id = 1) and exists (select 1 from mine)
returning epoch";

const THEIRS: &str = "
select owner, epoch, (extract(epoch from expires_at) * 1000)::bigint, expires_at <= clock_timestamp() from lease where id = 1";

/// What one owner left is a gone process's, like any other.
const SUCCEED: [&str; 2] = [
    "insert into instance (id, owner, expires_at, open) select 0, 'one process before', to_timestamp(0), open from marker
       on conflict (id) do update set open = excluded.open",
    "update marker set epoch = epoch + 1, open = ''",
];

/// `$1` the owners, `$2` seconds it lasts.
const HAVE: &str = "
update lease set owner = $1, epoch = (select epoch from marker), expires_at = clock_timestamp() + make_interval(secs => $2)
returning epoch";

/// `$1` this process, `$2` seconds it lasts.
const ENTER: &str = "
insert into instance (owner, expires_at) values ($1, clock_timestamp() + make_interval(secs => $2)) returning id";

/// What came of one try.
enum Try {
    In {
        epoch: i64,
        instance: i64,
    },
    /// One process has the books for itself, until then.
    Theirs {
        owner: String,
        epoch: i64,
        end: i64,
    },
}

// === impl Lease ===

impl Lease {
    /// Joins those who have the books, or takes them over from one who is gone or whose lease has run out.
    pub(crate) async fn join(
        options: PgConnectOptions,
        connection: &mut PgConnection,
    ) -> Result<(Arc<Self>, i64), OpenError> {
        let database = |error: sqlx::Error| OpenError::Database(error.to_string());
        let name = name()?;
        let mut keeper = Keeper::connect(&options, LOCK).await.map_err(database)?;
        let patience = Instant::now() + LASTS + MARGIN;
        let mut first_end = None;
        loop {
            let sent = Instant::now();
            keeper.lock().await.map_err(database)?;
            match enter(connection, &name, keeper.locked).await.map_err(database)? {
                Try::In { epoch, instance } => {
                    let deadline = Arc::new(Deadline::new(sent + LASTS - MARGIN));
                    let (epoch, keeper) = (AtomicI64::new(epoch), Mutex::new(Some(keeper)));
                    let (owner, joined) = (SEVERAL.to_owned(), Some(instance));
                    let lease = Self { options, owner, instance: joined, epoch, deadline, keeper };
                    return Ok((Arc::new(lease), instance));
                }
                Try::Theirs { owner, epoch, end } => {
                    // It is alive where it renews, and not to be waited for.
                    if *first_end.get_or_insert(end) != end || Instant::now() > patience {
                        return Err(OpenError::Leased { owner, epoch });
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// `is_gone`: no process that has the books for itself is connected.
async fn enter(connection: &mut PgConnection, name: &str, is_gone: bool) -> Result<Try, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select 1 from marker for update").execute(&mut *transaction).await?;
    let (owner, epoch, end, over): (String, i64, i64, bool) =
        sqlx::query_as(THEIRS).fetch_one(&mut *transaction).await?;
    if owner != SEVERAL {
        if !is_gone && !over {
            transaction.rollback().await?;
            return Ok(Try::Theirs { owner, epoch, end });
        }
        for statement in SUCCEED {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
    }
    let lasts = LASTS.as_secs_f64();
    let epoch = sqlx::query_scalar(HAVE).bind(SEVERAL).bind(lasts).fetch_one(&mut *transaction).await?;
    let instance = sqlx::query_scalar(ENTER).bind(name).bind(lasts).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Try::In { epoch, instance })
}

/// Whether nobody took over what is this process's.
pub(super) async fn is_in(connection: &mut PgConnection, instance: i64) -> Result<bool, sqlx::Error> {
    let row = "select exists (select 1 from instance where id = $1)";
    sqlx::query_scalar(row).bind(instance).fetch_one(connection).await
}
