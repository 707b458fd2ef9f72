//! [`Setup`]: all providers and routes there are, as they were written and as they are read, with their numbers.
//!
//! It is what the rows of one version say. Nothing here is checked: [`super::change`] does, before it writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use domain::{Catalog, Provider, ProviderId, Route, UnixMillis};
use serde_json::Value;

use crate::document::{Document, Mistake};
use crate::registry::RegistryError;

/// All there is for sale. Cheap to clone: entries are shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) version: u64,
    pub(crate) providers: BTreeMap<Arc<str>, Arc<ProviderEntry>>,
    pub(crate) routes: BTreeMap<Arc<str>, Arc<RouteEntry>>,
    /// Names of routes that are gone, with the provider whose they were and to whom they are kept.
    pub(crate) reserved: BTreeMap<Arc<str>, Arc<str>>,
    /// What is stored and cannot be read here, by whether it is a provider, and by name. Nothing is put in force with it: a
    /// wider route would sell what it sells.
    pub(crate) unread: BTreeMap<(bool, Arc<str>), Unread>,
}

/// A stored provider or route that cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    /// Whose it is; a provider is its own.
    pub(crate) provider: Arc<str>,
    pub(crate) managed_by: ManagedBy,
    pub(crate) mistakes: Vec<Mistake>,
}

/// Who brought an entry, and alone may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManagedBy {
    /// The configuration file.
    File,
    /// The management API.
    Api,
}

/// A provider and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderEntry {
    /// Who brought it.
    pub managed_by: ManagedBy,
    /// As it is read.
    pub provider: Arc<Provider>,
    /// When it was first written.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    pub(crate) document: Document,
    /// The operator named its upstream, who may name one on a private network.
    pub(crate) trusted_upstream: bool,
}

/// A route and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteEntry {
    /// Who brought it.
    pub managed_by: ManagedBy,
    /// The name of its provider.
    pub provider: Arc<str>,
    /// As it is read, with its numbers.
    pub route: Arc<Route>,
    /// When it was first written.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    pub(crate) document: Document,
}

// === impl Setup ===

impl Setup {
    /// Providers in the order of their places in a catalog: by age, so that a new one moves nobody.
    pub(crate) fn in_order(&self) -> Vec<&Arc<ProviderEntry>> {
        let mut providers: Vec<_> = self.providers.values().collect();
        providers.sort_by_key(|entry| entry.created_at);
        providers
    }

    /// Refuses what cannot be read; what the file brought is the file's to write again.
    ///
    /// # Errors
    /// [`RegistryError::Unreadable`].
    pub(crate) fn readable(&self, is_file: bool) -> Result<(), RegistryError> {
        let bad = self.unread.iter().filter(|(_, unread)| !is_file || unread.managed_by == ManagedBy::Api);
        let told: Vec<String> =
            bad.map(|((is_provider, name), unread)| unread.told(*is_provider, name)).collect();
        if told.is_empty() { Ok(()) } else { Err(RegistryError::Unreadable(told.join("\n"))) }
    }

    /// Gives each route the place of its provider. Routes without one are let go of, but not where it only cannot be read.
    pub(crate) fn place(&mut self) {
        let places: BTreeMap<Arc<str>, ProviderId> = self
            .in_order()
            .into_iter()
            .zip(0..)
            .map(|(entry, place)| (Arc::clone(&entry.provider.name), ProviderId(place)))
            .collect();
        self.routes.retain(|name, entry| {
            let Some(place) = places.get(&entry.provider) else {
                if self.unread.contains_key(&(true, Arc::clone(&entry.provider))) {
                    return true;
                }
                tracing::error!(route.name = %name, provider.name = %entry.provider, "a route without its provider is not served");
                return false;
            };
            if entry.route.provider != *place {
                let route = Arc::new(Route { provider: *place, ..(*entry.route).clone() });
                *entry = Arc::new(RouteEntry { route, ..(**entry).clone() });
            }
            true
        });
    }

    /// The catalog of it. `before` lends its router where it answers the same requests.
    ///
    /// # Errors
    /// Places of two routes that collide.
    pub(crate) fn catalog(&self, before: &Catalog) -> Result<Catalog, (usize, usize)> {
        let (providers, routes) = self.parts();
        Catalog::after(before, self.version, providers, routes)
    }

    /// What a catalog is made of.
    pub(crate) fn parts(&self) -> (Vec<Arc<Provider>>, Vec<Arc<Route>>) {
        let providers = self.in_order().into_iter().map(|entry| Arc::clone(&entry.provider));
        (providers.collect(), self.routes.values().map(|entry| Arc::clone(&entry.route)).collect())
    }

    /// Routes of a provider.
    pub(crate) fn routes_of(&self, provider: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<RouteEntry>)> {
        self.routes.iter().filter(move |(_, entry)| &*entry.provider == provider)
    }
}

// === impl Unread ===

impl Unread {
    fn told(&self, is_provider: bool, name: &str) -> String {
        let kind = if is_provider { "provider" } else { "route" };
        let what_to_do = match self.managed_by {
            ManagedBy::Api => format!(
                "start the version of Faregate that wrote it, and change or remove it there (`faregate {kind} remove {name}`)"
            ),
            ManagedBy::File => {
                "the configuration file brought it: put the files that it names on this host, or take it out there".to_owned()
            }
        };
        let mistakes = self.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        format!(
            "the stored {kind} `{name}` cannot be read, and nothing is put in force without it: {mistakes}; {what_to_do}"
        )
    }
}

// === impl ManagedBy ===

impl ManagedBy {
    /// `file` or `api`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::File, Self::Api].into_iter().find(|known| known.word() == word)
    }
}

impl fmt::Display for ManagedBy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

// === impl ProviderEntry ===

impl ProviderEntry {
    /// As it was written, without its secrets.
    #[must_use]
    pub fn document(&self) -> Value {
        self.document.shown()
    }

    /// As another registry may read it.
    pub(crate) fn portable(&self) -> Document {
        if self.trusted_upstream { self.document.clone() } else { self.document.clone().marked() }
    }
}

// === impl RouteEntry ===

impl RouteEntry {
    /// As it was written.
    #[must_use]
    pub fn document(&self) -> Value {
        self.document.shown()
    }
}
