//! Checks of what only makes sense together: names that must be unique or known, and conflicts, which the registry looks for
//! again when it puts the file beside what came through the API.

use std::collections::HashMap;
use std::sync::Arc;

use super::key_path::{did_you_mean, printable};
use super::tree::{Report, Spot};
use super::{agent, provider, route};
use crate::catalog::conflict::Conflict;
use crate::catalog::{RawCatalog, Source, Terms};
use crate::document::Document;

/// Reports what does not fit together, and makes the catalog. What it returns is only of use where nothing is
/// wrong.
pub(super) fn catalog(
    report: &Report<'_>,
    read: provider::Read,
    agents: &agent::Read,
    terms: Terms,
) -> RawCatalog {
    unique(report, "provider", &read.provider_names);
    unique(report, "route", &read.route_names);
    known(report, "provider", &agents.providers, &read.provider_names);
    known(report, "route", &agents.routes, &read.route_names);
    let named = |read: &route::Read| Some((read.route.category.as_deref()?.to_owned(), read.spot.clone()));
    let categories: Vec<_> = read.routes.iter().filter_map(named).collect();
    known(report, "category", &agents.categories, &categories);

    let complete =
        read.providers.len() == read.provider_names.len() && read.routes.len() == read.route_names.len();
    let (providers, provider_spots): (Vec<_>, Vec<_>) = read.providers.into_iter().unzip();
    let (routes, route_spots): (Vec<_>, Vec<_>) =
        read.routes.into_iter().map(|read| (Arc::new(read.route), read.spot)).unzip();
    for conflict in Conflict::between_providers(&providers) {
        let (one, other) = conflict.places();
        report.fail(&provider_spots[one], conflict.told(&providers[one].name, &providers[other].name));
    }
    // Indices are only right where every entry could be read.
    if complete {
        for conflict in Conflict::between_routes(&providers, &routes) {
            let (one, other) = conflict.places();
            report.fail(&route_spots[one], conflict.told(&routes[one].name, &routes[other].name));
        }
    }
    let provider_sources = sources(read.provider_documents, &read.provider_names);
    let route_sources = sources(read.route_documents, &read.route_names);
    RawCatalog { providers, routes, terms, provider_sources, route_sources }
}

/// Documents with the places of their names.
fn sources(documents: Vec<Document>, names: &[(String, Spot)]) -> Vec<Source> {
    let sources = documents.into_iter().zip(names);
    sources.map(|(document, (_, spot))| Source { document, place: spot.error("") }).collect()
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
