//! [`Calls`]: the rate limits of several gateways, counted together in the database (GCRA, by its clock). Beside the books:
//! no batch waits for it.

use std::time::Duration;

use domain::RateLimit;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use tokio::sync::Semaphore;

use crate::commit::postgres::connect;
use crate::error::LedgerError;
use crate::reads::read_error;

/// Connections at most.
const CONNECTIONS: u32 = 4;

/// Calls of addresses that have one of them, or wait for one, at once: whoever has an address can send any number of them, and
/// agents are never behind more than these.
const OF_ADDRESSES: usize = 2;

/// How long a call waits to be counted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Said first on a connection.
pub(crate) const COUNTER: &str = "set search_path to ledger; set jit to off; set statement_timeout to '2s'";

/// `$1` key, `$2` interval and `$3` fill time in microseconds, `$4` another clock than the server's. One row where the call
/// is let through: how far ahead of the clock the bucket is now. One that is too many leaves it as it is.
const COUNT: &str = "
with clock as (select coalesce($4, (extract(epoch from clock_timestamp()) * 1000000)::bigint) as now)
insert into rate as r (key, until) select $1, now + $2 from clock
on conflict (key) do update set until = greatest(r.until, excluded.until - $2) + $2
where greatest(r.until, excluded.until - $2) + $2 <= excluded.until - $2 + $3
returning until - (select now from clock)";

/// `$1` key, `$2` another clock: how far ahead of it the bucket is.
const AHEAD: &str = "
select until - coalesce($2, (extract(epoch from clock_timestamp()) * 1000000)::bigint) from rate where key = $1";

/// `$1` how many rows at most. What was counted in the meantime stays.
pub(crate) const EXPIRE: &str = "
with clock as (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now)
delete from rate where until < (select now from clock)
and key in (select key from rate where until < (select now from clock) limit $1)";

/// Whose calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallsOf {
    /// Those who were verified.
    Agents,
    /// Everybody else, who has the smaller share of the counter.
    Addresses,
}

/// What came of a call under a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCount {
    /// Calls that would be let through now.
    pub remaining: u32,
    /// Set where the call is one too many: when the next one is let through.
    pub wait: Option<Duration>,
}

/// The counter's connections.
#[derive(Debug)]
pub(crate) struct Calls {
    pool: PgPool,
    addresses: Semaphore,
}

// === impl Calls ===

impl Calls {
    /// Connects when first used. Called on the writer's runtime.
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        let pool = connect::pool(options, COUNTER, CONNECTIONS, PATIENCE);
        Self { pool, addresses: Semaphore::new(OF_ADDRESSES) }
    }

    pub(crate) async fn count(
        &self,
        of: CallsOf,
        key: &str,
        limit: RateLimit,
    ) -> Result<CallCount, LedgerError> {
        let counted = async {
            let _share = match of {
                CallsOf::Agents => None,
                // Never closed.
                CallsOf::Addresses => self.addresses.acquire().await.ok(),
            };
            count(&mut *self.pool.acquire().await?, key, limit, None).await
        };
        let counted = tokio::time::timeout(PATIENCE, counted).await;
        counted.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(read_error)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Counts a call at a time of this clock, in microseconds; none: the server's.
pub(crate) async fn count(
    connection: &mut PgConnection,
    key: &str,
    limit: RateLimit,
    clock: Option<i64>,
) -> Result<CallCount, sqlx::Error> {
    let interval = micros(limit.interval());
    let fill = interval.saturating_mul(limit.burst().get().into());
    let asked = sqlx::query_scalar(COUNT).bind(key).bind(interval).bind(fill).bind(clock);
    let ahead: Option<i64> = asked.fetch_optional(&mut *connection).await?;
    if let Some(ahead) = ahead {
        let left = fill.saturating_sub(ahead) / interval;
        return Ok(CallCount { remaining: u32::try_from(left).unwrap_or(0), wait: None });
    }
    let asked = sqlx::query_scalar(AHEAD).bind(key).bind(clock);
    let ahead: i64 = asked.fetch_optional(connection).await?.unwrap_or(0);
    let wait = ahead.saturating_add(interval).saturating_sub(fill).max(1);
    let wait = Duration::from_micros(wait.unsigned_abs());
    Ok(CallCount { remaining: 0, wait: Some(wait) })
}

/// Rounded up, so that no limit becomes a faster one; a microsecond at least.
fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX).max(1)
}
