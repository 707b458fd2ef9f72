//! Rows of `traffic_latency`: how long the answers of a route took within an hour or a day, all steps in one row.
//!
//! One row, so that a month of a hundred routes is read in a few milliseconds. Steps are JSON: `[[until_us, answers], ...]`.

use std::collections::BTreeMap;

use domain::latency::STEPS_US;
use domain::{LatencyHistogram, LatencyStep};
use serde_json::{Value, json};

use super::pool::{execute, on_either};
use super::traffic::of_parts;
use super::{Session, StoreError};
use crate::traffic::{Parts, RouteSums};

/// Rows of one statement.
const ROWS_MAX: usize = 1_000;

/// Two gateways that add to the same row do so one after the other.
const TURN: &str = "lock table traffic_latency in share row exclusive mode";

/// What stands there of a list of routes, and putting rows of a list; each database has its own words for unpacking one.
macro_rules! stored {
    ($rows:literal) => {
        concat!(
            "select route, steps from traffic_latency
             where provider = $1 and span = $2 and start = $3 and route in (select value->>0 from ",
            $rows,
            ")"
        )
    };
}

macro_rules! put {
    ($rows:literal) => {
        concat!(
            "insert into traffic_latency (provider, span, start, route, steps)
             select $1, $2, $3, value->>0, value->>1 from ",
            $rows,
            " where true on conflict (provider, span, start, route) do update set steps = excluded.steps"
        )
    };
}

/// Adds what was counted of a provider's routes to the rows of one span. Each of them answered.
pub(super) async fn add(
    session: &mut Session<'_>,
    provider: &str,
    routes: &[&RouteSums],
    (span, start): (&'static str, i64),
) -> Result<(), StoreError> {
    let (stored, put) = match session {
        Session::Sqlite(_) => (stored!("json_each($4)"), put!("json_each($4)")),
        Session::Postgres(_) => {
            execute!(session, sqlx::query(TURN))?;
            (
                stored!("json_array_elements($4::json) as row(value)"),
                put!("json_array_elements($4::json) as row(value)"),
            )
        }
    };
    for routes in routes.chunks(ROWS_MAX) {
        let names = Value::from_iter(routes.iter().map(|route| json!([*route.route]))).to_string();
        let found: Vec<(String, String)> = on_either!(session, c =>
            sqlx::query_as(stored).bind(provider).bind(span).bind(start).bind(&names).fetch_all(c))?;
        let mut sums: BTreeMap<&str, LatencyHistogram> = BTreeMap::new();
        for (route, steps) in &found {
            read(steps, sums.entry(route).or_default())?;
        }
        for route in routes {
            let histogram = sums.entry(&route.route).or_default();
            route.answers.iter().for_each(|(step, answers)| histogram.add(*step, *answers));
        }
        let rows = sums.iter().map(|(route, histogram)| json!([route, write(histogram)]));
        let rows = Value::from_iter(rows).to_string();
        execute!(session, sqlx::query(put).bind(provider).bind(span).bind(start).bind(&rows))?;
    }
    Ok(())
}

/// All of a provider's routes in the parts of a time.
pub(crate) async fn of_provider(
    session: &mut Session<'_>,
    provider: &str,
    parts: Parts,
) -> Result<BTreeMap<String, LatencyHistogram>, StoreError> {
    const SQL: &str = "select route, steps from traffic_latency where provider = $1 and span = 'day' and start >= $2 and start < $3
         union all
         select route, steps from traffic_latency where provider = $1 and span = 'hour' and start >= $4 and start < $5
         union all
         select route, steps from traffic_latency where provider = $1 and span = 'hour' and start >= $6 and start < $7";
    let rows: Vec<(String, String)> = on_either!(session, c => of_parts!(SQL, provider, parts).fetch_all(c))?;
    let mut routes: BTreeMap<String, LatencyHistogram> = BTreeMap::new();
    for (route, steps) in rows {
        read(&steps, routes.entry(route).or_default())?;
    }
    Ok(routes)
}

/// Adds a row's steps.
fn read(steps: &str, histogram: &mut LatencyHistogram) -> Result<(), StoreError> {
    const BROKEN: StoreError = StoreError::Corrupt("steps of a latency");
    let steps: Vec<(u64, u64)> = serde_json::from_str(steps).map_err(|_| BROKEN)?;
    for (end, answers) in steps {
        histogram.add(LatencyStep::ending_at(end).ok_or(BROKEN)?, answers);
    }
    Ok(())
}

fn write(histogram: &LatencyHistogram) -> String {
    let steps = STEPS_US.iter().zip(histogram.counts()).filter(|(_, answers)| *answers > 0);
    Value::from_iter(steps.map(|(end, answers)| json!([end, answers]))).to_string()
}
