//! [`Misfit`]: what a provider or a route asks of public networks and cannot have there, whoever wrote it. The one place for these
//! rules.

use domain::{OfferOrder, Payee, Provider, Route, Settle};

use crate::config::NetworkSettings;

/// Said of an address that is a token's own: what is sent there never comes out again.
pub(crate) fn to_a_token(network: &str) -> String {
    format!(
        "is the contract of a token on {network}, and what is sent there is lost: write the address of an account"
    )
}

/// What cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The key that asks for it.
    pub(crate) key: &'static str,
    /// Why not, and what to do.
    pub(crate) told: String,
}

// === impl Misfit ===

impl Misfit {
    /// What a provider asks for, where these are the networks.
    pub(crate) fn of_provider(provider: &Provider, networks: &[NetworkSettings]) -> Option<Self> {
        let payee = provider.payee?;
        let key = match payee {
            Payee::Direct(_) => "address",
            Payee::Treasury => "custody",
        };
        if networks.is_empty() {
            return Some(Self::new(
                key,
                "is for public networks, and there is none: write [[networks]] in the file, or leave it out",
            ));
        }
        let treasuries =
            || networks.iter().filter_map(|at| at.network.treasury.map(|address| (address, &at.network.id)));
        match payee {
            Payee::Treasury if treasuries().next().is_none() => Some(Self::new(
                key,
                "is \"treasury\", and no network has one: write treasury = \"0x...\" in [[networks]]",
            )),
            Payee::Direct(address) => {
                let is_token = |at: &&NetworkSettings| {
                    at.network.tokens.iter().any(|token| token.asset.address == address)
                };
                if let Some(at) = networks.iter().find(is_token) {
                    return Some(Self::new(key, to_a_token(&at.network.id)));
                }
                let (_, id) = treasuries().find(|(treasury, _)| *treasury == address)?;
                Some(Self::new(
                    key,
                    format!(
                        "is the operator's treasury on {id}: write custody = \"treasury\" in place of it"
                    ),
                ))
            }
            Payee::Treasury => None,
        }
    }

    /// What a route asks for, where its provider is paid like this.
    pub(crate) fn of_route(
        route: &Route,
        payee: Option<Payee>,
        networks: &[NetworkSettings],
    ) -> Option<Self> {
        let Some(payee) = payee else {
            let is_asked = [
                ("settle", route.settle != Settle::default()),
                ("offer_order", route.offer_order != OfferOrder::default()),
            ];
            let (key, _) = is_asked.into_iter().find(|(_, is_asked)| *is_asked)?;
            return Some(Self::new(
                key,
                "is for public networks, and its provider is not paid there: give the provider an `address`, or leave it out",
            ));
        };
        match (route.settle, payee) {
            (Settle::Before, Payee::Direct(_)) => Some(Self::new(
                "settle",
                "cannot be \"before\" where payments go to the provider's own address: if the upstream fails, the gateway could not \
                 give back what it does not have; write \"after\", or custody = \"treasury\" of the provider",
            )),
            (Settle::Before, Payee::Treasury) if !networks.iter().any(NetworkSettings::can_give_back) => {
                Some(Self::new(
                    "settle",
                    "cannot be \"before\" where nothing can be given back: on no network with a treasury the gateway settles by itself; \
                     write settler = \"evm\" with the treasury's own key there, or \"after\"",
                ))
            }
            (Settle::Deferred, _) => {
                let is_paid_there = |at: &&NetworkSettings| payee.address(&at.network).is_some();
                let short = networks.iter().filter(is_paid_there).find(|at| !at.can_defer())?;
                Some(Self::new(
                    "settle",
                    format!(
                        "is \"deferred\", for which payments on {} are too short: make its max_timeout longer than margin and two \
                         attempts to settle (settle_timeout, or batch_interval and 15s) together",
                        short.network.id
                    ),
                ))
            }
            _ => None,
        }
    }

    fn new(key: &'static str, told: impl Into<String>) -> Self {
        Self { key, told: told.into() }
    }
}
