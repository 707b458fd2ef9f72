//! [`Currency`]: what a payment can be made in: the wallet's dollar, or a token of a public network.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{Asset, Network};
use ledger::Ledger;
use protocol::eip712::Domain;
use protocol::offer::MAX_TIMEOUT_SECONDS;

/// Something that payments are made in.
#[derive(Debug)]
pub(crate) struct Currency {
    pub(crate) asset: Asset,
    /// What its payments are signed over.
    pub(crate) domain: Domain,
    /// Where it is; none for the wallet's dollar, which is on no network.
    pub(crate) network: Option<Arc<Network>>,
}

/// Everything that payments are made in.
pub(crate) struct Currencies {
    pub(crate) wallet: Arc<Currency>,
    /// Tokens of public networks, as they stand in the configuration.
    pub(crate) tokens: Vec<Arc<Currency>>,
    /// Networks (CAIP-2) on which what came into our treasury can be given back.
    pub(crate) outlets: HashSet<Arc<str>>,
}

// === impl Currency ===

impl Currency {
    fn new(asset: &Asset, network: Option<&Arc<Network>>) -> Arc<Self> {
        Arc::new(Self { asset: asset.clone(), domain: Domain::new(asset), network: network.map(Arc::clone) })
    }

    /// How long a payment in it may be valid.
    pub(crate) fn max_timeout_seconds(&self) -> u64 {
        self.network.as_ref().map_or(MAX_TIMEOUT_SECONDS, |network| network.max_timeout_seconds)
    }

    /// How many seconds of its time a payment in it must have left: what it takes to settle it.
    pub(crate) fn margin_seconds(&self) -> u64 {
        self.network.as_ref().map_or(0, |network| network.margin_seconds)
    }
}

// === impl Currencies ===

impl Currencies {
    pub(crate) fn new(wallet: &Asset, networks: &[Network]) -> Self {
        let mut tokens = Vec::new();
        for network in networks {
            let network = Arc::new(network.clone());
            tokens.extend(network.tokens.iter().map(|token| Currency::new(token, Some(&network))));
        }
        Self { wallet: Currency::new(wallet, None), tokens, outlets: HashSet::new() }
    }

    /// With what these books can give back.
    pub(crate) fn giving_back(self, ledger: &Ledger) -> Self {
        let networks = self.tokens.iter().map(|token| Arc::clone(&token.asset.network));
        let outlets = networks.filter(|network| ledger.outlet(network).is_some()).collect();
        Self { outlets, ..self }
    }
}
