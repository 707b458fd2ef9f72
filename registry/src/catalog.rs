//! [`RawCatalog`]: providers and routes of a file that passed every check but have no revisions yet, and what is
//! derived from names.
//!
//! Next: [`setup`] for all providers and routes there are, [`change`] for how they change.

mod author;
mod bundle;
pub(crate) mod change;
pub(crate) mod conflict;
mod draft;
mod edit;
mod editor;
mod file;
pub(crate) mod force;
mod history;
mod load;
pub(crate) mod misfit;
mod parting;
mod providers;
mod routes;
mod setup;
mod stored;

use std::sync::Arc;

use alloy_primitives::{Address, keccak256};
use domain::{Catalog, Provider, Route};

use crate::config::{ConfigError, ForeignSettings, Limits, NetworkSettings, SettlementSettings};
use crate::document::Document;

pub use bundle::Bundle;
pub(crate) use editor::lines;
pub use editor::{Editor, EntryChange, Outcome, Rights};
pub use history::{CatalogChange, RouteRevision};
pub use parting::Parting;
pub use setup::{ManagedBy, ProviderEntry, RouteEntry};

#[cfg(test)]
mod tests;

/// How long a superseded price stays payable, in milliseconds: the longer of `quote_ttl` (60 s) and the
/// offers' `maxTimeoutSeconds` (60 s).
pub const QUOTE_TTL_MS: i64 = 60_000;

/// Providers, or routes, of one catalog.
pub const ENTRIES_MAX: usize = 10_000;

/// Providers and routes of a file before their prices are numbered.
#[derive(Clone, Debug, Default)]
pub struct RawCatalog {
    /// In the order of the file.
    pub providers: Vec<Arc<Provider>>,
    /// In the order of the file; their revisions and superseded prices are ignored and assigned by
    /// [`crate::Registry::apply`].
    pub routes: Vec<Arc<Route>>,
    /// What the operator set for documents that come through the API.
    pub terms: Terms,
    /// Where the providers come from, in the same order.
    pub(crate) provider_sources: Vec<Source>,
    /// Where the routes come from, in the same order.
    pub(crate) route_sources: Vec<Source>,
}

/// What an entry of a file was made of.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) document: Document,
    /// A mistake at its name, still without words.
    pub(crate) place: ConfigError,
}

/// What the operator's file says to what does not stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Longest body of a request where its route says nothing, in bytes.
    pub request_bytes_max: u64,
    /// Whether providers may name upstreams on the operator's own network.
    pub private_upstreams: bool,
    /// Agents of one owner at most.
    pub agents_per_owner_max: u32,
    /// Wallets of one owner at most.
    pub wallets_per_owner_max: u32,
    /// Routes of one provider at most, where one is added through the API.
    pub routes_per_provider_max: u32,
    /// When providers are settled with that agreed on nothing else.
    pub settlement: SettlementSettings,
    /// Public networks on which providers can be paid.
    pub networks: Arc<[NetworkSettings]>,
    /// The non-EVM ones.
    pub foreign: Arc<[ForeignSettings]>,
}

/// The address that payments to a provider are made out to where none is given: nobody has its key, and none
/// is needed, as the wallet rail settles in the ledger. The same name gives the same address on every start.
#[must_use]
pub fn derived_pay_to(provider: &str) -> Address {
    let digest = keccak256(format!("faregate provider {provider}"));
    Address::from_slice(&digest[12..])
}

// === impl RawCatalog ===

impl RawCatalog {
    /// The two routes that answer the same requests, where there are such.
    ///
    /// # Errors
    /// The index of a route and that of the one it collides with.
    pub fn check(&self) -> Result<(), (usize, usize)> {
        Catalog::new(0, self.providers.clone(), self.routes.clone()).map(drop)
    }

    /// What was read, however it was written.
    #[cfg(test)]
    pub(crate) fn forget_sources(&mut self) {
        self.provider_sources.clear();
        self.route_sources.clear();
    }
}

// === impl Terms ===

impl Default for Terms {
    fn default() -> Self {
        Self {
            request_bytes_max: Limits::default().request_bytes_max,
            private_upstreams: false,
            agents_per_owner_max: Limits::default().agents_per_owner_max,
            wallets_per_owner_max: Limits::default().wallets_per_owner_max,
            routes_per_provider_max: Limits::default().routes_per_provider_max,
            settlement: SettlementSettings::default(),
            networks: Arc::default(),
            foreign: Arc::default(),
        }
    }
}
