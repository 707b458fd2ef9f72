//! Rows of `traffic_request` and `traffic_source`. Next: [`super::latency`] for how long answers took.

use domain::UnixMillis;
use serde_json::{Value, json};

use super::pool::{execute, on_either};
use super::{Session, StoreError, latency};
use crate::traffic::{Parts, Requests, TrafficSums};

/// Rows of one statement.
const ROWS_MAX: usize = 2_000;

/// How long the last number of a process is remembered after it handed anything in: no try is repeated for as long.
const SOURCE_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// A question with a provider and the parts of a time.
macro_rules! of_parts {
    ($sql:expr, $provider:expr, $parts:expr) => {
        sqlx::query_as($sql)
            .bind($provider)
            .bind($parts.days.0)
            .bind($parts.days.1)
            .bind($parts.before.0)
            .bind($parts.before.1)
            .bind($parts.after.0)
            .bind($parts.after.1)
    };
}
pub(super) use of_parts;

/// Adds rows of a list; each database has its own word for unpacking one.
macro_rules! add_requests {
    ($rows:literal) => {
        concat!(
            "insert into traffic_request (provider, span, start, route, outcome, reason, requests)
             select value->>0, $2, $3, value->>1, value->>2, value->>3, cast(value->>4 as bigint) from ",
            $rows,
            " where true on conflict (provider, span, start, route, outcome, reason)
             do update set requests = traffic_request.requests + excluded.requests"
        )
    };
}

/// Whether these sums were not added yet. From now on they are.
pub(crate) async fn is_new(session: &mut Session<'_>, sums: &TrafficSums) -> Result<bool, StoreError> {
    const FORGET: &str = "delete from traffic_source where at < $1";
    const PUT: &str = "insert into traffic_source (source, number, at) values ($1, $2, $3)
         on conflict (source) do update set number = excluded.number, at = excluded.at
         where traffic_source.number < excluded.number";
    let number = i64::try_from(sums.number).map_err(|_| StoreError::Corrupt("number of sums"))?;
    let changed = execute!(session, sqlx::query(PUT).bind(&sums.source[..]).bind(number).bind(sums.at.0))?;
    execute!(session, sqlx::query(FORGET).bind(sums.at.plus(-SOURCE_KEPT_MS).0))?;
    Ok(changed > 0)
}

/// Adds sums to the rows of one span. Rows are taken in order: two gateways never wait for each other in a circle.
pub(crate) async fn add(
    session: &mut Session<'_>,
    sums: &TrafficSums,
    span: &'static str,
    start: i64,
) -> Result<(), StoreError> {
    let sql = match session {
        Session::Sqlite(_) => add_requests!("json_each($1)"),
        Session::Postgres(_) => add_requests!("json_array_elements($1::json) as row(value)"),
    };
    let mut routes: Vec<_> = sums.routes.iter().collect();
    routes.sort_by_key(|route| (&route.provider, &route.route));
    let mut requests = Vec::new();
    for route in &routes {
        let mut ends = route.requests.clone();
        ends.sort_unstable();
        let names = (&*route.provider, &*route.route);
        requests.extend(
            ends.iter().map(|(outcome, reason, count)| json!([names.0, names.1, outcome, reason, count])),
        );
    }
    for rows in requests.chunks(ROWS_MAX) {
        let list = Value::from(rows).to_string();
        execute!(session, sqlx::query(sql).bind(&list).bind(span).bind(start))?;
    }
    let answered: Vec<_> = routes.into_iter().filter(|route| !route.answers.is_empty()).collect();
    for routes in answered.chunk_by(|one, next| one.provider == next.provider) {
        if let Some(first) = routes.first() {
            latency::add(session, &first.provider, routes, (span, start)).await?;
        }
    }
    Ok(())
}

/// Deletes what began before `end`.
pub(crate) async fn forget(
    session: &mut Session<'_>,
    span: &'static str,
    end: UnixMillis,
) -> Result<(), StoreError> {
    for sql in [
        "delete from traffic_request where span = $1 and start < $2",
        "delete from traffic_latency where span = $1 and start < $2",
    ] {
        execute!(session, sqlx::query(sql).bind(span).bind(end.0))?;
    }
    Ok(())
}

pub(crate) async fn requests(
    session: &mut Session<'_>,
    provider: &str,
    parts: Parts,
) -> Result<Vec<Requests>, StoreError> {
    const SQL: &str = "select route, outcome, reason, cast(sum(requests) as bigint) from (
             select route, outcome, reason, requests from traffic_request where provider = $1 and span = 'day' and start >= $2 and start < $3
             union all
             select route, outcome, reason, requests from traffic_request where provider = $1 and span = 'hour' and start >= $4 and start < $5
             union all
             select route, outcome, reason, requests from traffic_request where provider = $1 and span = 'hour' and start >= $6 and start < $7) part
         group by route, outcome, reason order by route, outcome, reason";
    let rows: Vec<(String, String, String, i64)> =
        on_either!(session, c => of_parts!(SQL, provider, parts).fetch_all(c))?;
    let row = |(route, outcome, reason, requests)| {
        Ok(Requests { route, outcome, reason, requests: count(requests)? })
    };
    rows.into_iter().map(row).collect()
}

fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("sum"))
}
