//! Revenue and consumers of a provider, from the sums that every commit keeps: no payment is read.

use std::sync::Arc;

use domain::{AgentId, Amount, UnixMillis, Window};
use sqlx::{AssertSqlSafe, FromRow};

use super::accounts;
use crate::books::rows::{amount, fixed};
use crate::books::session::{Session, on_either};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// How revenue is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevenueBy {
    /// For each day, UTC.
    #[default]
    Day,
    /// For each route.
    Route,
    /// For each route on each day.
    DayAndRoute,
}

/// What was captured and given back in a day, on a route, or both; refunds count where they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revenue {
    /// Its midnight, where days are apart.
    pub day: Option<UnixMillis>,
    /// Where routes are apart.
    pub route: Option<Arc<str>>,
    /// How many payments.
    pub payments: u64,
    /// What they took.
    pub gross: Amount,
    /// The platform's part of it.
    pub fee: Amount,
    /// How many refunds.
    pub refunds: u64,
    /// What they gave back.
    pub refunded: Amount,
    /// The fee that returned.
    pub refunded_fee: Amount,
}

/// What an agent bought of a provider in a month, by when its calls were held; refunds are taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Who.
    pub agent: AgentId,
    /// Calls that were not given back wholly.
    pub calls: u64,
    /// What they cost.
    pub spent: Amount,
}

#[derive(Debug, FromRow)]
struct RevenueColumns {
    day: Option<i64>,
    route: Option<String>,
    payments: i64,
    gross: i64,
    fee: i64,
    refunds: i64,
    refunded: i64,
    refunded_fee: i64,
}

/// From the day of `from` until the day of `until`, both included: at most `most` rows.
pub(crate) async fn revenue(
    session: &mut Session<'_>,
    provider: &str,
    (from, until): (UnixMillis, UnixMillis),
    by: RevenueBy,
    most: i64,
) -> Result<Vec<Revenue>, sqlx::Error> {
    let (keys, order) = match by {
        RevenueBy::Day => ("day, cast(null as text) as route", "day"),
        RevenueBy::Route => ("cast(null as bigint) as day, route", "route"),
        RevenueBy::DayAndRoute => ("day, route", "day, route"),
    };
    let sum = |column: &str| format!("cast(sum({column}) as bigint) as {column}");
    let sums = ["payments", "gross", "fee", "refunds", "refunded", "refunded_fee"].map(sum).join(", ");
    let accounts = accounts::earning(session, provider).await?;
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "select {keys}, {sums} from usage_day where provider in ({}) and day >= $1 and day <= $2
        group by {order} order by {order} limit $3",
        accounts::listed(&accounts)
    );
    let (from, until) = (from.0.div_euclid(DAY_MILLIS), until.0.div_euclid(DAY_MILLIS));
    let rows: Vec<RevenueColumns> = on_either!(session, c => {
        // One of three texts, with numbers.
        sqlx::query_as(AssertSqlSafe(text)).bind(from).bind(until).bind(most).fetch_all(c)
    })?;
    rows.into_iter().map(RevenueColumns::read).collect()
}

/// Those who spent the most with a provider in the calendar month that `at` lies in.
pub(crate) async fn consumers(
    session: &mut Session<'_>,
    provider: &str,
    at: UnixMillis,
    limit: i64,
) -> Result<Vec<Consumer>, sqlx::Error> {
    let accounts = accounts::earning(session, provider).await?;
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    // Who pays from a wallet does not pay by an address: nobody is in two of the accounts.
    let text = format!(
        "select agent, calls, spent from call_count where provider in ({}) and month = $1 and calls > 0
        order by spent desc, calls desc, agent limit $2",
        accounts::listed(&accounts)
    );
    let month = Window::Month.start(at).0;
    let rows: Vec<(Vec<u8>, i64, i64)> = on_either!(session, c => {
        sqlx::query_as(AssertSqlSafe(text)).bind(month).bind(limit).fetch_all(c)
    })?;
    let consumer = |(agent, calls, spent): (Vec<u8>, i64, i64)| {
        let agent = AgentId::from_bytes(fixed(&agent)?);
        Ok(Consumer { agent, calls: u64::try_from(calls).unwrap_or(0), spent: amount(spent)? })
    };
    rows.into_iter().map(consumer).collect()
}

// === impl RevenueColumns ===

impl RevenueColumns {
    fn read(self) -> Result<Revenue, sqlx::Error> {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Revenue {
            day: self.day.map(|day| UnixMillis(day.saturating_mul(DAY_MILLIS))),
            route: self.route.map(Arc::from),
            payments: count(self.payments),
            gross: amount(self.gross)?,
            fee: amount(self.fee)?,
            refunds: count(self.refunds),
            refunded: amount(self.refunded)?,
            refunded_fee: amount(self.refunded_fee)?,
        })
    }
}
