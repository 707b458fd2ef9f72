//! Rows of `route_revision` and `catalog_version`.

use std::collections::HashMap;
use std::sync::Arc;

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::setup::{signed, unsigned};
use super::{Session, StoreError};
use crate::revision::{self, Numbered};

/// From so many routes on, the rows of all are read at once.
const ONE_BY_ONE_MAX: usize = 64;

/// A row as either database gives it.
type Row = (String, i64, i64, String, Option<i64>);

/// What still counts of these routes: prices in force, prices whose quotes run, and the last number of each.
pub(crate) async fn load(
    session: &mut Session<'_>,
    routes: &[Arc<str>],
) -> Result<HashMap<Arc<str>, Vec<Numbered>>, StoreError> {
    const ALL: &str = "select route, revision, since, price, until from route_revision";
    const ONE: &str = "select route, revision, since, price, until from route_revision where route = $1";
    let mut rows: Vec<Row> = Vec::new();
    if routes.len() > ONE_BY_ONE_MAX {
        rows = on_either!(session, c => sqlx::query_as(ALL).fetch_all(c))?;
    } else {
        for route in routes {
            let found: Vec<Row> = on_either!(session, c => sqlx::query_as(ONE).bind(&**route).fetch_all(c))?;
            rows.extend(found);
        }
    }
    let mut by_route: HashMap<Arc<str>, Vec<Numbered>> = HashMap::new();
    for (route, number, since, price, until) in rows {
        let route: Arc<str> = route.into();
        let row = Numbered {
            route: Arc::clone(&route),
            revision: u32::try_from(number).map_err(|_| StoreError::Corrupt("revision"))?,
            since: unsigned(since)?,
            price: revision::read_price(&price).ok_or(StoreError::Corrupt("price"))?,
            until: until.map(UnixMillis),
        };
        by_route.entry(route).or_default().push(row);
    }
    Ok(by_route)
}

/// Writes what changed of one route, and lets go of its prices whose quotes are over.
pub(crate) async fn save(
    session: &mut Session<'_>,
    route: &str,
    changed: &[Numbered],
    at: UnixMillis,
) -> Result<(), StoreError> {
    const PUT: &str =
        "insert into route_revision (route, revision, since, price, until) values ($1, $2, $3, $4, $5)
         on conflict (route, revision) do update set until = excluded.until";
    const FORGET: &str = "delete from route_revision where route = $1 and until <= $2 and revision <
         (select max(revision) from route_revision other where other.route = $1)";
    for row in changed {
        let (number, price) = (i64::from(row.revision), revision::write_price(&row.price));
        let until = row.until.map(|until| until.0);
        execute!(
            session,
            sqlx::query(PUT).bind(&*row.route).bind(number).bind(signed(row.since)).bind(price).bind(until)
        )?;
    }
    execute!(session, sqlx::query(FORGET).bind(route).bind(at.0))?;
    Ok(())
}

/// The version of the last catalog.
pub(crate) async fn version(session: &mut Session<'_>) -> Result<u64, StoreError> {
    const SQL: &str = "select version from catalog_version";
    unsigned(on_either!(session, c => sqlx::query_scalar(SQL).fetch_one(c))?)
}

/// The next catalog's version.
pub(crate) async fn next_version(session: &mut Session<'_>) -> Result<u64, StoreError> {
    const SQL: &str = "update catalog_version set version = version + 1 returning version";
    unsigned(on_either!(session, c => sqlx::query_scalar(SQL).fetch_one(c))?)
}
