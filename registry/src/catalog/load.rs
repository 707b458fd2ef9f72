//! Rows of the database become a [`Setup`]: all of them, or those that changed after a version.
//!
//! What cannot be read here (another version wrote it, or a file that it names is missing on this host) is kept by name in
//! [`Setup::unread`]: nothing is put in force with it, and nobody takes its name.

use std::sync::Arc;

use domain::{Route, UnixMillis};

use super::Terms;
use super::setup::{ManagedBy, ProviderEntry, RouteEntry, Setup, Unread};
use crate::config::document;
use crate::document::{Document, Mistake};
use crate::registry::{Registry, RegistryError};
use crate::revision::{self, Assigned};
use crate::store::setup::{self as rows, ProviderRow, RouteRow};
use crate::store::{Session, StoreError, revisions};

// === impl Registry ===

impl Registry {
    /// What the database says now, as far as `known` does not say it already; none where `known` is it.
    pub(crate) async fn newer(
        &self,
        session: &mut Session<'_>,
        known: &Setup,
    ) -> Result<Option<Setup>, RegistryError> {
        let version = revisions::version(session).await?;
        if version <= known.version {
            return Ok(None);
        }
        let (terms, at) = (self.terms(), self.now());
        let mut setup = known.clone();
        for row in rows::providers(session, known.version).await? {
            put_provider(&mut setup, &row, &terms)?;
        }
        let changed = rows::routes(session, known.version).await?;
        let names: Vec<Arc<str>> = changed.iter().map(|row| row.name.as_str().into()).collect();
        let numbers = revisions::load(session, &names).await?;
        for row in &changed {
            let numbered = numbers.get(row.name.as_str()).map_or(&[][..], Vec::as_slice);
            put_route(&mut setup, row, revision::assigned(numbered, at), &terms)?;
        }
        setup.version = version;
        setup.place();
        Ok(Some(setup))
    }
}

// === impl Provider and Route ===

/// Whether an upstream may only be reached on the public internet.
pub(crate) const fn public_only(trusted_upstream: bool, terms: &Terms) -> bool {
    !trusted_upstream && !terms.private_upstreams
}

/// Puts numbers on a route.
pub(crate) fn numbered(route: &Route, assigned: Assigned) -> Route {
    let Assigned { revision, since, superseded } = assigned;
    Route { revision, since, superseded, ..route.clone() }
}

fn put_provider(setup: &mut Setup, row: &ProviderRow, terms: &Terms) -> Result<(), StoreError> {
    let name: Arc<str> = row.name.as_str().into();
    setup.unread.remove(&(true, Arc::clone(&name)));
    setup.providers.remove(&name);
    if row.removed_at.is_some() {
        return Ok(());
    }
    let managed_by = ManagedBy::parse(&row.managed_by).ok_or(StoreError::Corrupt("provider"))?;
    let read = parsed(&row.document).and_then(|document| {
        document::read_provider(&document, terms.settlement.rules).map(|provider| (document, provider))
    });
    let (document, mut provider) = match read {
        Ok(read) => read,
        Err(mistakes) => {
            setup.unread.insert((true, Arc::clone(&name)), Unread { provider: name, managed_by, mistakes });
            return Ok(());
        }
    };
    provider.upstream.public_only = public_only(row.trusted_upstream, terms);
    let entry = ProviderEntry {
        managed_by,
        provider: Arc::new(provider),
        created_at: UnixMillis(row.created_at),
        updated_at: UnixMillis(row.updated_at),
        document,
        trusted_upstream: row.trusted_upstream,
    };
    setup.providers.insert(name, Arc::new(entry));
    Ok(())
}

fn put_route(setup: &mut Setup, row: &RouteRow, assigned: Assigned, terms: &Terms) -> Result<(), StoreError> {
    let name: Arc<str> = row.name.as_str().into();
    setup.unread.remove(&(false, Arc::clone(&name)));
    setup.routes.remove(&name);
    if row.removed_at.is_some() {
        setup.reserved.insert(name, row.provider.as_str().into());
        return Ok(());
    }
    setup.reserved.remove(&name);
    let managed_by = ManagedBy::parse(&row.managed_by).ok_or(StoreError::Corrupt("route"))?;
    let read = parsed(&row.document).and_then(|document| {
        document::read_stored_route(&document, terms.request_bytes_max).map(|read| (document, read))
    });
    let (document, (provider, route)) = match read {
        Ok(read) => read,
        Err(mistakes) => {
            let provider = row.provider.as_str().into();
            setup.unread.insert((false, name), Unread { provider, managed_by, mistakes });
            return Ok(());
        }
    };
    let entry = RouteEntry {
        managed_by,
        provider,
        route: Arc::new(numbered(&route, assigned)),
        created_at: UnixMillis(row.created_at),
        updated_at: UnixMillis(row.updated_at),
        document,
    };
    setup.routes.insert(name, Arc::new(entry));
    Ok(())
}

fn parsed(text: &str) -> Result<Document, Vec<Mistake>> {
    Document::parse(text).ok_or_else(|| vec![Mistake::at("", "is no JSON object")])
}
