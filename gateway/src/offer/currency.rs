//! [`Currency`]: what a payment can be made in: the wallet's dollar, or a token of a public network.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{Asset, Network, Token, TransferMethod};
use ledger::Ledger;
use protocol::eip712::Domain;
use protocol::offer::MAX_TIMEOUT_SECONDS;
use protocol::permit::PermitDomain;
use settlement::Foreign;
use settlement::foreign::OfferTerms;
use settlement::rail::Settlers;
use tokio::sync::watch;

use crate::rail::PublicRail;

/// Something that payments are made in.
#[derive(Debug)]
pub(crate) struct Currency {
    pub(crate) asset: Asset,
    /// The asset's address as it is written (EIP-55): a refusal names it often, and each time it would be a hash.
    pub(crate) address: Arc<str>,
    /// What its payments are signed over.
    pub(crate) domain: Domain,
    /// What those by Permit2 are signed over.
    pub(crate) permits: PermitDomain,
    /// How it may be moved, the preferred way first.
    pub(crate) methods: Vec<TransferMethod>,
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
    /// Who knows who settles there.
    rail: Option<Arc<dyn PublicRail>>,
    /// Non-EVM networks.
    foreign: Option<Foreign>,
}

/// What offers on non-EVM networks carry; none where that is not known.
pub(crate) type Extras = Vec<Option<Arc<OfferTerms>>>;

/// Who tells of changes: of EVM networks, and of others.
pub(crate) type Changes = (Option<watch::Receiver<u64>>, Option<watch::Receiver<u64>>);

/// Returns once there was one; never, where nobody tells.
async fn change(changes: &mut Option<watch::Receiver<u64>>) {
    let has_changed = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
}

// === impl Currency ===

impl Currency {
    fn new(token: Token, network: Option<&Arc<Network>>) -> Arc<Self> {
        let Token { asset, methods } = token;
        let (domain, permits) = (Domain::new(&asset), PermitDomain::new(asset.chain_id));
        let address = asset.address.to_checksum(None).into();
        Arc::new(Self { asset, address, domain, permits, methods, network: network.map(Arc::clone) })
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
            tokens.extend(network.tokens.iter().map(|token| Currency::new(token.clone(), Some(&network))));
        }
        Self {
            wallet: Currency::new(Token::new(wallet.clone()), None),
            tokens,
            outlets: HashSet::new(),
            rail: None,
            foreign: None,
        }
    }

    /// With what these books can give back.
    pub(crate) fn giving_back(self, ledger: &Ledger) -> Self {
        let networks = self.tokens.iter().map(|token| Arc::clone(&token.asset.network));
        let outlets = networks.filter(|network| ledger.outlet(network).is_some()).collect();
        Self { outlets, ..self }
    }

    /// With this rail below the tokens.
    pub(crate) fn settled_by(self, rail: Arc<dyn PublicRail>) -> Self {
        Self { rail: Some(rail), ..self }
    }

    /// With these networks beside them.
    pub(crate) fn with_foreign(self, foreign: Option<Foreign>) -> Self {
        Self { foreign, ..self }
    }

    /// Non-EVM networks, where there are some.
    pub(crate) const fn foreign(&self) -> Option<&Foreign> {
        self.foreign.as_ref()
    }

    /// What offers on each of them carry, in their order.
    pub(crate) fn extras(&self) -> Extras {
        let lines = self.foreign.iter().flat_map(|foreign| {
            foreign.lines().map(|line| foreign.terms(&line.network().id)).collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// Who may settle payments of `upto` in each of the tokens, in their order.
    pub(crate) fn settlers(&self) -> Vec<Settlers> {
        self.tokens.iter().map(|token| self.settlers_of(token)).collect()
    }

    /// Who may settle payments of `upto` in a currency; none where nobody does.
    pub(crate) fn settlers_of(&self, currency: &Currency) -> Settlers {
        let settlers = self.rail.as_ref().filter(|_| currency.methods.contains(&TransferMethod::Permit2));
        settlers.map(|rail| rail.settlers(&currency.asset.network)).unwrap_or_default()
    }

    /// Returns once who may settle payments of `upto`, or what offers carry, may have changed; never, where nobody tells.
    pub(crate) async fn changed(changes: &mut Changes) {
        let (rail, foreign) = changes;
        tokio::select! {
            () = change(rail) => {}
            () = change(foreign) => {}
        }
    }

    /// What tells of such changes.
    pub(crate) fn changes(&self) -> Changes {
        (self.rail.as_ref().map(|rail| rail.changes()), self.foreign.as_ref().map(Foreign::changes))
    }
}
