//! Rows of `route_revision` and `catalog_version`.

use domain::UnixMillis;

use super::pool::{execute, on_either};
use super::{Session, StoreError};
use crate::revision::{self, Numbered};

/// A row as either database gives it.
type Row = (String, i64, String, Option<i64>);

/// What still counts: prices in force, prices whose quotes run, and the last number of every route.
pub(crate) async fn load(session: &mut Session<'_>) -> Result<Vec<Numbered>, StoreError> {
    const SQL: &str =
        "select route, revision, price, until from route_revision order by route, revision desc";
    let rows: Vec<Row> = on_either!(session, c => sqlx::query_as(SQL).fetch_all(c))?;
    rows.into_iter()
        .map(|(route, number, price, until)| {
            Ok(Numbered {
                route: route.into(),
                revision: u32::try_from(number).map_err(|_| StoreError::Corrupt("revision"))?,
                price: revision::read_price(&price).ok_or(StoreError::Corrupt("price"))?,
                until: until.map(UnixMillis),
            })
        })
        .collect()
}

/// Writes what changed, and lets go of prices whose quotes are over.
pub(crate) async fn save(
    session: &mut Session<'_>,
    changed: &[Numbered],
    at: UnixMillis,
) -> Result<(), StoreError> {
    const PUT: &str = "insert into route_revision (route, revision, price, until) values ($1, $2, $3, $4)
         on conflict (route, revision) do update set until = excluded.until";
    const FORGET: &str = "delete from route_revision where until <= $1 and revision <
         (select max(revision) from route_revision other where other.route = route_revision.route)";
    for row in changed {
        let (number, price) = (i64::from(row.revision), revision::write_price(&row.price));
        let until = row.until.map(|until| until.0);
        execute!(session, sqlx::query(PUT).bind(&*row.route).bind(number).bind(price).bind(until))?;
    }
    execute!(session, sqlx::query(FORGET).bind(at.0))?;
    Ok(())
}

/// The next catalog's version.
pub(crate) async fn next_version(session: &mut Session<'_>) -> Result<u64, StoreError> {
    const SQL: &str = "update catalog_version set version = version + 1 returning version";
    let version: i64 = on_either!(session, c => sqlx::query_scalar(SQL).fetch_one(c))?;
    u64::try_from(version).map_err(|_| StoreError::Corrupt("version"))
}
