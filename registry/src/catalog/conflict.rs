//! [`Conflict`]: what does not fit together in a whole catalog, whoever wrote its parts. The one place for these rules.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use domain::catalog::UpstreamAddress;
use domain::{Address, Catalog, Provider, Route};

/// Two entries that cannot stand beside each other, by their places. The first one is the later of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// A payment for one provider would pay for the other.
    PayTo(usize, usize),
    /// Two providers stand before one API on other hosts: a caller's Host header would choose the price.
    Upstream(usize, usize, UpstreamAddress),
    /// Two routes answer the same requests.
    Routes(usize, usize),
}

/// A conflict in words, with the names of both.
pub(crate) struct Told<'a> {
    conflict: &'a Conflict,
    names: [&'a str; 2],
}

// === impl Conflict ===

impl Conflict {
    /// Every conflict between providers.
    pub(crate) fn between_providers(providers: &[Arc<Provider>]) -> Vec<Self> {
        let mut payees: HashMap<Address, usize> = HashMap::new();
        let mut addresses: HashMap<&UpstreamAddress, usize> = HashMap::new();
        let mut found = Vec::new();
        for (index, provider) in providers.iter().enumerate() {
            if let Some(other) = payees.insert(provider.pay_to, index)
                && providers[other].name != provider.name
            {
                found.push(Self::PayTo(index, other));
            }
            let taken = provider.upstream.addresses.iter().find_map(|address| {
                let other = addresses.insert(address, index)?;
                (!same_hosts(&providers[other], provider)).then_some((address, other))
            });
            found.extend(taken.map(|(address, other)| Self::Upstream(index, other, address.clone())));
        }
        found
    }

    /// Every conflict between routes: the route that collides is taken out, and the rest looked at again.
    pub(crate) fn between_routes(providers: &[Arc<Provider>], routes: &[Arc<Route>]) -> Vec<Self> {
        let mut left: Vec<usize> = (0..routes.len()).collect();
        let mut found = Vec::new();
        loop {
            let rest = left.iter().map(|index| Arc::clone(&routes[*index])).collect();
            let Err((second, first)) = Catalog::new(0, providers.to_vec(), rest) else { return found };
            let (Some(&index), Some(&other)) = (left.get(second), left.get(first)) else { return found };
            found.push(Self::Routes(index, other));
            left.remove(second);
        }
    }

    /// The two, the later one first.
    pub(crate) const fn places(&self) -> (usize, usize) {
        match self {
            Self::PayTo(one, other) | Self::Upstream(one, other, _) | Self::Routes(one, other) => {
                (*one, *other)
            }
        }
    }

    /// The key whose value is to be changed, in a document.
    pub(crate) const fn pointer(&self) -> &'static str {
        match self {
            Self::PayTo(..) => "/pay_to",
            Self::Upstream(..) => "/upstream/addresses",
            Self::Routes(..) => "/path",
        }
    }

    /// In words, for who wrote `mine`.
    pub(crate) const fn told<'a>(&'a self, mine: &'a str, other: &'a str) -> Told<'a> {
        Told { conflict: self, names: [mine, other] }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mine, other] = self.names;
        match self.conflict {
            Conflict::PayTo(..) => write!(
                out,
                "`{other}` and `{mine}` have the same pay_to: a payment for one would pay for the other"
            ),
            Conflict::Upstream(_, _, UpstreamAddress { host, port }) => write!(
                out,
                "`{other}` and `{mine}` stand before the same address {host}:{port} but serve other hosts, so that a caller \
                 could choose the cheaper one: give them the same hosts, or make them one provider"
            ),
            Conflict::Routes(..) => write!(
                out,
                "route `{mine}` answers the same requests as route `{other}`, or differs only in case or a trailing slash: \
                 change its path, its methods or its provider's hosts"
            ),
        }
    }
}

fn same_hosts(one: &Provider, other: &Provider) -> bool {
    let sorted = |provider: &Provider| {
        let mut hosts = provider.hosts.clone();
        hosts.sort();
        hosts
    };
    sorted(one) == sorted(other)
}
