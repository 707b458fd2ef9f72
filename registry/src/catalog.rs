//! [`RawCatalog`]: providers and routes that passed every check but have no revisions yet, and what is
//! derived from names.

use std::sync::Arc;

use alloy_primitives::{Address, keccak256};
use domain::{Catalog, Provider, Route};

/// How long a superseded price stays payable, in milliseconds: the longer of `quote_ttl` (60 s) and the
/// offers' `maxTimeoutSeconds` (60 s).
pub const QUOTE_TTL_MS: i64 = 60_000;

/// Providers and routes before their prices are numbered.
#[derive(Clone, Debug, Default)]
pub struct RawCatalog {
    /// In the order of the file.
    pub providers: Vec<Arc<Provider>>,
    /// In the order of the file; their revisions and superseded prices are ignored and assigned by
    /// [`crate::Registry::apply`].
    pub routes: Vec<Arc<Route>>,
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
}
