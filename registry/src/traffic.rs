//! How routes are called: gateways hand in sums, analytics read them back by route.
//!
//! Sums are kept by hour for [`HOURLY_KEPT_DAYS`] and by day for [`DAILY_KEPT_DAYS`]. Reads take whole days where they can, so
//! that a month costs what a few hundred rows cost. Times are rounded outwards to whole hours. Nothing of money stands here.

use std::sync::Arc;
use std::time::Duration;

use domain::{LatencyHistogram, LatencyStep, UnixMillis};

use crate::registry::Registry;
use crate::store::{StoreError, latency, traffic as stored};

/// How long sums by hour are kept.
const HOURLY_KEPT_DAYS: i64 = 90;

/// How long sums by day are kept.
const DAILY_KEPT_DAYS: i64 = 3 * 366;

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What one process counted within one hour.
#[derive(Clone, Debug)]
pub struct TrafficSums {
    /// The process: 16 random bytes, made at its start.
    pub source: [u8; 16],
    /// Grows with every hand-in of this process. The same number again is the same sums, and is added once.
    pub number: u64,
    /// A time in the hour.
    pub at: UnixMillis,
    /// Each route once.
    pub routes: Vec<RouteSums>,
}

/// What was counted of one route.
#[derive(Clone, Debug)]
pub struct RouteSums {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The route's name.
    pub route: Arc<str>,
    /// How requests ended, why, and how many; the reason is empty where nothing went wrong. Each pair once, none zero.
    pub requests: Vec<(&'static str, &'static str, u64)>,
    /// How long answers took. Each step once, none zero.
    pub answers: Vec<(LatencyStep, u64)>,
}

/// Requests of a route that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// The route's name.
    pub route: String,
    /// Such as `paid`, `free`, `refused`, `voided`: the labels of `faregate_request_duration_seconds`.
    pub outcome: String,
    /// Why it failed; empty where it did not.
    pub reason: String,
    /// How many.
    pub requests: u64,
}

/// How long a route's upstream and the gateway took to answer: from the request's header to that of the answer. Only what an
/// upstream answered counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLatency {
    /// The route's name.
    pub route: String,
    /// How many answers this is of.
    pub answers: u64,
    /// Half of them took no longer. Never below the truth, less than 28% above: see [`domain::latency`].
    pub p50: Duration,
    /// 95% took no longer.
    pub p95: Duration,
    /// 99% took no longer.
    pub p99: Duration,
}

/// A time range in the parts that sums are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Hours before the first whole day.
    pub(crate) before: (i64, i64),
    /// Whole days.
    pub(crate) days: (i64, i64),
    /// Hours after the last whole day.
    pub(crate) after: (i64, i64),
}

// === impl Registry ===

impl Registry {
    /// Adds sums up with what is there. Takes no turn among the writes of people.
    ///
    /// # Errors
    /// The database does not work. Whether the sums were added is then not known: hand in the same ones again.
    pub async fn add_traffic(&self, sums: &TrafficSums) -> Result<(), StoreError> {
        let mut transaction = self.shared.pool.begin_apart().await?;
        if stored::is_new(&mut transaction.session(), sums).await? {
            stored::add(&mut transaction.session(), sums, "hour", floor(sums.at.0, HOUR_MS)).await?;
            stored::add(&mut transaction.session(), sums, "day", floor(sums.at.0, DAY_MS)).await?;
        }
        transaction.commit().await
    }

    /// Lets go of sums that are older than they are kept.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn forget_traffic(&self, at: UnixMillis) -> Result<(), StoreError> {
        let mut transaction = self.shared.pool.begin_apart().await?;
        for (span, days) in [("hour", HOURLY_KEPT_DAYS), ("day", DAILY_KEPT_DAYS)] {
            stored::forget(&mut transaction.session(), span, at.plus(-days * DAY_MS)).await?;
        }
        transaction.commit().await
    }

    /// All requests of a provider's routes in a time, by route and by how they ended.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn requests(
        &self,
        provider: &str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<Requests>, StoreError> {
        let mut connection = self.shared.pool.acquire().await?;
        stored::requests(&mut connection.session(), provider, Parts::of(from, to)).await
    }

    /// Those of [`Self::requests`] that failed, with their reasons.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn failures(
        &self,
        provider: &str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<Requests>, StoreError> {
        let mut requests = self.requests(provider, from, to).await?;
        requests.retain(|requests| !requests.reason.is_empty());
        Ok(requests)
    }

    /// How long a provider's routes took to answer in a time.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn latency(
        &self,
        provider: &str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<RouteLatency>, StoreError> {
        let mut connection = self.shared.pool.acquire().await?;
        let routes = latency::of_provider(&mut connection.session(), provider, Parts::of(from, to)).await?;
        Ok(routes.into_iter().filter_map(|(route, histogram)| percentiles(route, &histogram)).collect())
    }
}

// === impl Parts ===

impl Parts {
    pub(crate) fn of(from: UnixMillis, to: UnixMillis) -> Self {
        let (from, to) = (floor(from.0, HOUR_MS), ceil(to.0, HOUR_MS));
        let (first, last) = (ceil(from, DAY_MS), floor(to, DAY_MS));
        if first >= last {
            return Self { before: (from, to), days: (to, to), after: (to, to) };
        }
        Self { before: (from, first), days: (first, last), after: (last, to) }
    }
}

fn percentiles(route: String, histogram: &LatencyHistogram) -> Option<RouteLatency> {
    let (p50, p95, p99) = (histogram.per_mille(500)?, histogram.per_mille(950)?, histogram.per_mille(990)?);
    Some(RouteLatency { route, answers: histogram.total(), p50, p95, p99 })
}

fn floor(at: i64, unit: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(unit))
}

fn ceil(at: i64, unit: i64) -> i64 {
    floor(at.saturating_add(unit - 1), unit)
}

#[cfg(test)]
mod tests;
