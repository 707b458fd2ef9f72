//! Rows of `route_revision` and `catalog_version`.

use domain::UnixMillis;
use sqlx::SqliteConnection;

use super::StoreError;
use crate::revision::{self, Numbered};

/// What still counts: prices in force, prices whose quotes run, and the last number of every route.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Vec<Numbered>, StoreError> {
    let rows: Vec<(String, i64, String, Option<i64>)> = sqlx::query_as(
        "select route, revision, price, until from route_revision order by route, revision desc",
    )
    .fetch_all(connection)
    .await?;
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
    connection: &mut SqliteConnection,
    changed: &[Numbered],
    at: UnixMillis,
) -> Result<(), StoreError> {
    for row in changed {
        sqlx::query(
            "insert into route_revision (route, revision, price, until) values (?1, ?2, ?3, ?4)
             on conflict (route, revision) do update set until = excluded.until",
        )
        .bind(&*row.route)
        .bind(i64::from(row.revision))
        .bind(revision::write_price(&row.price))
        .bind(row.until.map(|until| until.0))
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "delete from route_revision where until <= ?1 and revision <
         (select max(revision) from route_revision other where other.route = route_revision.route)",
    )
    .bind(at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The next catalog's version.
pub(crate) async fn next_version(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let version: i64 =
        sqlx::query_scalar("update catalog_version set version = version + 1 returning version")
            .fetch_one(connection)
            .await?;
    u64::try_from(version).map_err(|_| StoreError::Corrupt("version"))
}
