//! What routes were, revision by revision, and what each version of the catalog changed.

use domain::UnixMillis;
use serde_json::Value;

use crate::document::{Difference, Document};
use crate::journal::PAGE_MAX;
use crate::registry::{Registry, RegistryError};
use crate::store::StoreError;
use crate::store::setup::{self as rows, HistoryRow, unsigned};

/// What a route was from one of its revisions on.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteRevision {
    /// Its number, which payments carry.
    pub revision: u32,
    /// The version of the catalog that brought it.
    pub version: u64,
    /// When.
    pub at: UnixMillis,
    document: Document,
}

/// What one version of the catalog changed.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogChange {
    /// The version.
    pub version: u64,
    /// When.
    pub at: UnixMillis,
    /// `token`, `key`, `file` or `system`.
    pub actor_kind: String,
    /// The key's id, where it was a key.
    pub actor: String,
    /// `{"entries": [...]}`: each an [`super::EntryChange`].
    pub difference: Value,
}

// === impl Registry ===

impl Registry {
    /// What a route was, newest first, revisions before `before` where given, at most `limit` or [`PAGE_MAX`]. The last
    /// thousand are kept, also of a route that is gone. A revision that is not among them (a price that came back after a
    /// suspension) is as the one before it.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn route_revisions(
        &self,
        route: &str,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<RouteRevision>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let (before, limit) = (before.unwrap_or(u32::MAX), limit.min(PAGE_MAX));
        let rows = rows::history(&mut connection.session(), route, before, limit).await?;
        Ok(rows.into_iter().map(RouteRevision::read).collect::<Result<_, _>>()?)
    }

    /// Where a route in one of its revisions differs from another one.
    ///
    /// # Errors
    /// [`RegistryError::UnknownRevision`]; the database does not work.
    pub async fn route_differences(
        &self,
        route: &str,
        from: u32,
        to: u32,
    ) -> Result<Vec<Difference>, RegistryError> {
        let from = self.revision_document(route, from).await?;
        Ok(from.differences(&self.revision_document(route, to).await?))
    }

    /// What versions of the catalog changed, newest first, those before `before` where given, at most `limit` or
    /// [`PAGE_MAX`]. The last ten thousand are kept.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn catalog_changes(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<CatalogChange>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let (before, limit) = (before.unwrap_or(u64::MAX), limit.min(PAGE_MAX));
        let rows = rows::changes(&mut connection.session(), before, limit).await?;
        let read = |row: rows::ChangeRow| {
            Ok(CatalogChange {
                version: unsigned(row.version)?,
                at: UnixMillis(row.at),
                actor_kind: row.actor_kind,
                actor: row.actor,
                difference: serde_json::from_str(&row.difference)
                    .map_err(|_| StoreError::Corrupt("change"))?,
            })
        };
        Ok(rows.into_iter().map(read).collect::<Result<_, StoreError>>()?)
    }

    /// What a route was in a revision.
    pub(crate) async fn revision_document(
        &self,
        route: &str,
        revision: u32,
    ) -> Result<Document, RegistryError> {
        let unknown = || RegistryError::UnknownRevision { route: route.to_owned(), revision };
        let newest = self.route_revisions(route, None, 1).await?.pop().map_or(0, |newest| newest.revision);
        let in_force = self.route(route).map_or(0, |entry| entry.route.revision);
        if revision > newest.max(in_force) {
            return Err(unknown());
        }
        let before = revision.checked_add(1);
        self.route_revisions(route, before, 1).await?.pop().map(|found| found.document).ok_or_else(unknown)
    }
}

// === impl RouteRevision ===

impl RouteRevision {
    /// As it was written.
    #[must_use]
    pub fn document(&self) -> Value {
        self.document.shown()
    }

    fn read(row: HistoryRow) -> Result<Self, StoreError> {
        Ok(Self {
            revision: u32::try_from(row.revision).map_err(|_| StoreError::Corrupt("revision"))?,
            version: unsigned(row.version)?,
            at: UnixMillis(row.at),
            document: Document::parse(&row.document).ok_or(StoreError::Corrupt("route"))?,
        })
    }
}
