//! Checks of what only makes sense together: names that must be unique or known, routes that collide, and
//! upstreams that a Host header could choose the price of.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalog::UpstreamAddress;
use domain::{Address, Provider};

use super::key_path::{did_you_mean, printable};
use super::tree::{Report, Spot};
use super::{agent, provider};
use crate::catalog::RawCatalog;

/// Reports what does not fit together, and makes the catalog. What it returns is only of use where nothing is
/// wrong.
pub(super) fn catalog(report: &Report<'_>, read: provider::Read, agents: &agent::Read) -> RawCatalog {
    unique(report, "provider", &read.provider_names);
    unique(report, "route", &read.route_names);
    known(report, "provider", &agents.providers, &read.provider_names);
    known(report, "route", &agents.routes, &read.route_names);
    pay_to(report, &read.providers);
    shared_upstreams(report, &read.providers);

    let complete =
        read.providers.len() == read.provider_names.len() && read.routes.len() == read.route_names.len();
    let (routes, spots): (Vec<_>, Vec<_>) =
        read.routes.into_iter().map(|read| (Arc::new(read.route), read.spot)).unzip();
    let providers = read.providers.into_iter().map(|(provider, _)| provider).collect();
    let catalog = RawCatalog { providers, routes };
    // Indices are only right where every entry could be read.
    if complete {
        collisions(report, &catalog, &spots);
    }
    catalog
}

/// Every collision: the route that collides is taken out, and the rest looked at again.
fn collisions(report: &Report<'_>, catalog: &RawCatalog, spots: &[Spot]) {
    let mut left: Vec<usize> = (0..catalog.routes.len()).collect();
    loop {
        let routes = left.iter().map(|index| Arc::clone(&catalog.routes[*index])).collect();
        let rest = RawCatalog { providers: catalog.providers.clone(), routes };
        let Err((second, first)) = rest.check() else { return };
        let (Some(&index), Some(&other)) = (left.get(second), left.get(first)) else { return };
        report.fail(
            &spots[index],
            format!(
                "route `{}` answers the same requests as route `{}`, or differs only in case or a trailing slash: \
                 change its path, its methods or its provider's hosts",
                catalog.routes[index].name, catalog.routes[other].name
            ),
        );
        left.remove(second);
    }
}

fn unique(report: &Report<'_>, kind: &str, names: &[(String, Spot)]) {
    let mut seen: HashMap<&str, &Spot> = HashMap::new();
    for (name, spot) in names {
        match seen.get(name.as_str()) {
            Some(first) => {
                report.fail(
                    spot,
                    format!(
                        "there is already a {kind} `{}` on {first}: choose another name",
                        printable(name)
                    ),
                );
            }
            None => {
                seen.insert(name, spot);
            }
        }
    }
}

fn known(report: &Report<'_>, kind: &str, given: &[(Arc<str>, Spot)], names: &[(String, Spot)]) {
    for (name, spot) in given {
        if !names.iter().any(|(known, _)| **known == **name) {
            let hint = did_you_mean(name, names.iter().map(|(name, _)| name.as_str()));
            report.fail(spot, format!("there is no {kind} `{}`{hint}", printable(name)));
        }
    }
}

/// A payment made out to one provider must be void at another.
fn pay_to(report: &Report<'_>, providers: &[(Arc<Provider>, Spot)]) {
    let mut seen: HashMap<Address, &Arc<Provider>> = HashMap::new();
    for (provider, spot) in providers {
        match seen.get(&provider.pay_to) {
            Some(other) if other.name != provider.name => report.fail(
                spot,
                format!(
                    "`{}` and `{}` have the same pay_to: a payment for one would pay for the other",
                    other.name, provider.name
                ),
            ),
            _ => {
                seen.insert(provider.pay_to, provider);
            }
        }
    }
}

/// Two providers before one API, on other hosts: the caller's Host header would choose the price.
fn shared_upstreams(report: &Report<'_>, providers: &[(Arc<Provider>, Spot)]) {
    let mut seen: HashMap<&UpstreamAddress, &Arc<Provider>> = HashMap::new();
    for (provider, spot) in providers {
        for address in &provider.upstream.addresses {
            match seen.get(address) {
                Some(other) if !same_hosts(other, provider) => {
                    report.fail(
                        spot,
                        format!(
                            "`{}` and `{}` stand before the same address {}:{} but serve other hosts, so that a caller could \
                             choose the cheaper one: give them the same hosts, or make them one provider",
                            other.name, provider.name, address.host, address.port
                        ),
                    );
                    break;
                }
                _ => {
                    seen.insert(address, provider);
                }
            }
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
