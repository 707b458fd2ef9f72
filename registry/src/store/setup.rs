//! Rows of `provider`, `route`, `route_history` and `catalog_change`.

use domain::UnixMillis;
use sqlx::FromRow;

use super::pool::{execute, on_either};
use super::{Session, StoreError};
use crate::journal::Actor;

/// Documents of one route that are kept.
const HISTORY_MAX: u32 = 1_000;

/// Versions whose differences are kept.
const VERSIONS_MAX: u64 = 10_000;

/// Columns of a [`ProviderRow`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! provider_columns {
    () => {
        "name, managed_by, document, trusted_upstream, version, created_at, updated_at, removed_at"
    };
}

/// A row of `provider`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ProviderRow {
    pub(crate) name: String,
    pub(crate) managed_by: String,
    pub(crate) document: String,
    pub(crate) trusted_upstream: bool,
    pub(crate) version: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) removed_at: Option<i64>,
}

/// Columns of a [`RouteRow`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! route_columns {
    () => {
        "name, provider, managed_by, document, version, created_at, updated_at, removed_at"
    };
}

/// A row of `route`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RouteRow {
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) managed_by: String,
    pub(crate) document: String,
    pub(crate) version: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) removed_at: Option<i64>,
}

/// A row of `route_history`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct HistoryRow {
    pub(crate) revision: i64,
    pub(crate) document: String,
    pub(crate) version: i64,
    pub(crate) at: i64,
}

/// A row of `catalog_change`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ChangeRow {
    pub(crate) version: i64,
    pub(crate) at: i64,
    pub(crate) actor_kind: String,
    pub(crate) actor: String,
    pub(crate) difference: String,
}

/// Providers that changed after a version, those that were removed too.
pub(crate) async fn providers(session: &mut Session<'_>, after: u64) -> Result<Vec<ProviderRow>, StoreError> {
    const SQL: &str =
        concat!("select ", provider_columns!(), " from provider where version > $1 order by name");
    on_either!(session, c => sqlx::query_as(SQL).bind(signed(after)).fetch_all(c))
}

/// Routes that changed after a version, those that were removed too.
pub(crate) async fn routes(session: &mut Session<'_>, after: u64) -> Result<Vec<RouteRow>, StoreError> {
    const SQL: &str = concat!("select ", route_columns!(), " from route where version > $1 order by name");
    on_either!(session, c => sqlx::query_as(SQL).bind(signed(after)).fetch_all(c))
}

/// Takes away a row whose document nobody can read.
pub(crate) async fn remove(
    session: &mut Session<'_>,
    is_provider: bool,
    name: &str,
    version: u64,
    at: UnixMillis,
) -> Result<(), StoreError> {
    const PROVIDER: &str = "update provider set version = $2, removed_at = $3 where name = $1";
    const ROUTE: &str = "update route set version = $2, removed_at = $3 where name = $1";
    let sql = if is_provider { PROVIDER } else { ROUTE };
    execute!(session, sqlx::query(sql).bind(name).bind(signed(version)).bind(at.0))?;
    Ok(())
}

pub(crate) async fn put_provider(session: &mut Session<'_>, row: &ProviderRow) -> Result<(), StoreError> {
    const SQL: &str =
        "insert into provider (name, managed_by, document, trusted_upstream, version, created_at, updated_at, removed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (name) do update set managed_by = excluded.managed_by, document = excluded.document,
         trusted_upstream = excluded.trusted_upstream, version = excluded.version, created_at = excluded.created_at,
         updated_at = excluded.updated_at, removed_at = excluded.removed_at";
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&row.name)
            .bind(&row.managed_by)
            .bind(&row.document)
            .bind(row.trusted_upstream)
            .bind(row.version)
            .bind(row.created_at)
            .bind(row.updated_at)
            .bind(row.removed_at)
    )?;
    Ok(())
}

pub(crate) async fn put_route(session: &mut Session<'_>, row: &RouteRow) -> Result<(), StoreError> {
    const SQL: &str =
        "insert into route (name, provider, managed_by, document, version, created_at, updated_at, removed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (name) do update set provider = excluded.provider, managed_by = excluded.managed_by,
         document = excluded.document, version = excluded.version, created_at = excluded.created_at,
         updated_at = excluded.updated_at, removed_at = excluded.removed_at";
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&row.name)
            .bind(&row.provider)
            .bind(&row.managed_by)
            .bind(&row.document)
            .bind(row.version)
            .bind(row.created_at)
            .bind(row.updated_at)
            .bind(row.removed_at)
    )?;
    Ok(())
}

/// Keeps what a route is from a revision on, and lets go of what is older than the last [`HISTORY_MAX`] ones.
pub(crate) async fn put_history(
    session: &mut Session<'_>,
    route: &str,
    row: &HistoryRow,
) -> Result<(), StoreError> {
    const PUT: &str = "insert into route_history (route, revision, document, version, at) values ($1, $2, $3, $4, $5)
         on conflict (route, revision) do update set document = excluded.document, version = excluded.version, at = excluded.at";
    const FORGET: &str = "delete from route_history where route = $1 and revision <= $2";
    execute!(
        session,
        sqlx::query(PUT).bind(route).bind(row.revision).bind(&row.document).bind(row.version).bind(row.at)
    )?;
    execute!(session, sqlx::query(FORGET).bind(route).bind(row.revision - i64::from(HISTORY_MAX)))?;
    Ok(())
}

/// What a route was, newest first, those before `before`.
pub(crate) async fn history(
    session: &mut Session<'_>,
    route: &str,
    before: u32,
    limit: u32,
) -> Result<Vec<HistoryRow>, StoreError> {
    const SQL: &str = "select revision, document, version, at from route_history
         where route = $1 and revision < $2 order by revision desc limit $3";
    let (before, limit) = (i64::from(before), i64::from(limit));
    on_either!(session, c => sqlx::query_as(SQL).bind(route).bind(before).bind(limit).fetch_all(c))
}

/// Keeps what a version changed.
pub(crate) async fn put_change(
    session: &mut Session<'_>,
    version: u64,
    at: UnixMillis,
    actor: &Actor,
    difference: &str,
) -> Result<(), StoreError> {
    const PUT: &str =
        "insert into catalog_change (version, at, actor_kind, actor, difference) values ($1, $2, $3, $4, $5)";
    const FORGET: &str = "delete from catalog_change where version <= $1";
    let (kind, who) = actor.words();
    execute!(
        session,
        sqlx::query(PUT).bind(signed(version)).bind(at.0).bind(kind).bind(who).bind(difference)
    )?;
    execute!(session, sqlx::query(FORGET).bind(signed(version.saturating_sub(VERSIONS_MAX))))?;
    Ok(())
}

/// What versions changed, newest first, those before `before`.
pub(crate) async fn changes(
    session: &mut Session<'_>,
    before: u64,
    limit: u32,
) -> Result<Vec<ChangeRow>, StoreError> {
    const SQL: &str = "select version, at, actor_kind, actor, difference from catalog_change where version < $1 order by version desc limit $2";
    on_either!(session, c => sqlx::query_as(SQL).bind(signed(before)).bind(i64::from(limit)).fetch_all(c))
}

/// A number as the database has it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that the database gave.
pub(crate) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("version"))
}
