//! `/v1/providers/{name}/revenue` and `/consumers`: what a provider earned, from the sums that every commit keeps.

use axum::extract::State;
use axum::response::Response;
use domain::{Asset, UnixMillis};
use jiff::civil::Date;
use ledger::{Consumer, Revenue, RevenueBy};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page};
use crate::call::moment;
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;
use crate::providers::visible;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What is looked at where nobody says.
const DAYS: i64 = 30;

/// Most days of one answer.
const DAYS_MAX: i64 = 400;

/// Most rows of one answer, all its pages together: they are one reading, so that they add up, and are held meanwhile.
const ROWS_MAX: usize = 20_000;

/// Consumers listed where nobody says.
const CONSUMERS: u32 = 20;

/// Most consumers of one answer.
const CONSUMERS_MAX: u32 = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RevenueQuery {
    /// From this day on, UTC, such as `2027-01-31`; 30 days before `to` where not given.
    from: Option<String>,
    /// Until this moment: a day is its beginning, and is not in it; now where not given. The day it lies in counts whole.
    to: Option<String>,
    /// `total`, or a row for each `day`, `route`, or `day_and_route`; `total` where not given.
    by: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConsumerQuery {
    /// The calendar month, UTC, such as `2027-01`; this one where not given.
    month: Option<String>,
    /// How many, 1 to 500; 20 where not given.
    limit: Option<u32>,
}

/// What was earned in all, in a day, or on a route. Refunds count where they were made.
#[derive(Clone, Serialize, ToSchema)]
struct RevenueView {
    /// Where days are apart.
    day: Option<String>,
    /// Where routes are apart.
    route: Option<String>,
    payments: u64,
    gross: Money,
    /// The platform's part of it.
    fee: Money,
    refunds: u64,
    /// Given back or written off, the fee that returned included.
    refunded: Money,
    refunded_fee: Money,
    /// Gross less fee and what was given back; below zero where more was given back than earned.
    net: Money,
}

#[derive(Clone, Serialize, ToSchema)]
struct ConsumerView {
    agent: String,
    /// Calls that were not given back wholly.
    calls: u64,
    /// What they cost, refunds taken off.
    spent: Money,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(revenue)).routes(routes!(consumers))
}

/// What a provider earned, gross and net, in all, by day or by route. One answer has 20,000 rows at most, all its pages together.
#[utoipa::path(get, path = "/v1/providers/{name}/revenue", operation_id = "provider.revenue", tag = "providers",
    params(("name" = String, Path), RevenueQuery), responses((status = 200, body = Page<RevenueView>)),
    security(("management" = ["providers:read"])))]
async fn revenue(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    lister: Lister,
    Query(query): Query<RevenueQuery>,
) -> Result<Response, Problem> {
    visible(&caller, &name)?;
    let now = (state.ledger.time().plus(1), DAYS * DAY_MS);
    let (from, to) = moment::span(query.from.as_deref(), query.to.as_deref(), now)?;
    if to.0.saturating_sub(from.0) > DAYS_MAX * DAY_MS {
        return Err(Problem::Parameter(format!("from and to may be {DAYS_MAX} days apart")));
    }
    let by = match query.by.as_deref() {
        None | Some("total" | "day") => RevenueBy::Day,
        Some("route") => RevenueBy::Route,
        Some("day_and_route") => RevenueBy::DayAndRoute,
        Some(_) => {
            return Err(Problem::Parameter("by must be total, day, route or day_and_route".to_owned()));
        }
    };
    let found = all(state.ledger.revenue(&name, (from, to.plus(-1)), by, ROWS_MAX + 1).await?, ROWS_MAX)?;
    let found = if matches!(query.by.as_deref(), None | Some("total")) { vec![sum(&found)] } else { found };
    let asset = state.ledger.asset();
    let rows = found.iter().map(|row| RevenueView::new(row, asset)).collect();
    lister.answer_rows(query.limit, query.after.as_deref(), rows).await
}

/// All rows, where there are no more than so many: a part would not add up.
fn all(found: Vec<Revenue>, most: usize) -> Result<Vec<Revenue>, Problem> {
    if found.len() > most {
        return Err(Problem::Parameter(format!("that is more than {most} rows: ask for fewer days")));
    }
    Ok(found)
}

/// The agents that spent the most with a provider in a calendar month.
#[utoipa::path(get, path = "/v1/providers/{name}/consumers", operation_id = "provider.consumers", tag = "providers",
    params(("name" = String, Path), ConsumerQuery), responses((status = 200, body = Page<ConsumerView>)),
    security(("management" = ["providers:read"])))]
async fn consumers(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    lister: Lister,
    Query(query): Query<ConsumerQuery>,
) -> Result<Response, Problem> {
    visible(&caller, &name)?;
    let limit = query.limit.unwrap_or(CONSUMERS);
    if !(1..=CONSUMERS_MAX).contains(&limit) {
        return Err(Problem::Parameter(format!("limit must be from 1 to {CONSUMERS_MAX}")));
    }
    let at = query.month.as_deref().map(month).transpose()?.unwrap_or_else(|| state.ledger.time());
    let found = state.ledger.consumers(&name, at, limit).await?;
    let asset = state.ledger.asset();
    let rows = found.iter().map(|consumer| ConsumerView::new(consumer, asset)).collect();
    lister.answer_rows(Some(limit), None, rows).await
}

/// The beginning of `2027-01`.
fn month(text: &str) -> Result<UnixMillis, Problem> {
    let wrong = || Problem::Parameter("month must be a year and a month, such as 2027-01".to_owned());
    let day = format!("{text}-01");
    let _: Date = day.parse().map_err(|_| wrong())?;
    moment::parse(&day).map_err(|_| wrong())
}

/// All rows as one. What was captured in all fits, as each account's sum does.
fn sum(rows: &[Revenue]) -> Revenue {
    let add = |one: domain::Amount, other| one.checked_add(other).unwrap_or(one);
    let nothing = Revenue::default();
    rows.iter().fold(nothing, |sum, row| Revenue {
        day: None,
        route: None,
        payments: sum.payments + row.payments,
        gross: add(sum.gross, row.gross),
        fee: add(sum.fee, row.fee),
        refunds: sum.refunds + row.refunds,
        refunded: add(sum.refunded, row.refunded),
        refunded_fee: add(sum.refunded_fee, row.refunded_fee),
    })
}

// === impl RevenueView ===

impl RevenueView {
    fn new(row: &Revenue, asset: &Asset) -> Self {
        let earned = row.gross.atomic() - row.fee.atomic();
        let back = row.refunded.atomic() - row.refunded_fee.atomic();
        Self {
            // RFC 3339 begins with the day.
            day: row.day.map(|day| day.to_string().chars().take(10).collect()),
            route: row.route.as_deref().map(str::to_owned),
            payments: row.payments,
            gross: Money::new(row.gross, asset),
            fee: Money::new(row.fee, asset),
            refunds: row.refunds,
            refunded: Money::new(row.refunded, asset),
            refunded_fee: Money::new(row.refunded_fee, asset),
            net: Money::signed(earned - back, asset),
        }
    }
}

impl Row for RevenueView {
    const COLUMNS: &'static [&'static str] = &[
        "day",
        "route",
        "payments",
        "gross.display",
        "fee.display",
        "refunds",
        "refunded.display",
        "refunded_fee.display",
        "net.display",
    ];
}

// === impl ConsumerView ===

impl ConsumerView {
    fn new(consumer: &Consumer, asset: &Asset) -> Self {
        Self {
            agent: consumer.agent.to_string(),
            calls: consumer.calls,
            spent: Money::new(consumer.spent, asset),
        }
    }
}

impl Row for ConsumerView {
    const COLUMNS: &'static [&'static str] = &["agent", "calls", "spent.display"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_and_not_cut() {
        let rows = vec![sum(&[]); 3];
        assert_eq!(all(rows.clone(), 3).unwrap().len(), 3);
        assert!(matches!(all(rows, 2), Err(Problem::Parameter(words)) if words.contains("more than 2 rows")));
    }
}
