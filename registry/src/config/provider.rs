//! Reads `[[providers]]`.

use std::sync::Arc;

use domain::{Provider, ProviderId, Settle, SettlementRules};

use super::payee;
use super::profile;
use super::rate;
use super::route::{self, Judge};
use super::settlement;
use super::tree::{Section, Spot};
use super::upstream;
use super::value;
use crate::catalog::misfit::Misfit;
use crate::catalog::{ENTRIES_MAX, Terms, derived_pay_to};
use crate::config::NetworkSettings;
use crate::document::Document;

/// Hosts of one provider.
const HOSTS_MAX: usize = 64;

/// Providers and routes with their places, for the checks that see all of them.
#[derive(Default)]
pub(super) struct Read {
    pub(super) providers: Vec<(Arc<Provider>, Spot)>,
    pub(super) routes: Vec<route::Read>,
    /// Every name that was given, also of entries that are wrong elsewhere.
    pub(super) provider_names: Vec<(String, Spot)>,
    pub(super) route_names: Vec<(String, Spot)>,
    /// As they were written, in the order of `providers`.
    pub(super) provider_documents: Vec<Document>,
    /// As they were written, in the order of `routes` where all could be read.
    pub(super) route_documents: Vec<Document>,
}

/// One provider without its routes, as far as it could be read.
pub(super) struct Entry {
    pub(super) name: Option<String>,
    pub(super) provider: Option<Provider>,
    spot: Spot,
}

// === impl Read ===

impl Read {
    /// All providers of a file; `networks` where they are known, by which is judged what is asked of them.
    pub(super) fn all(root: &Section<'_>, terms: &Terms, networks: Option<&[NetworkSettings]>) -> Self {
        let mut read = Self::default();
        for (index, section) in root.sections("providers").into_iter().enumerate() {
            if index >= ENTRIES_MAX || read.route_names.len() >= ENTRIES_MAX {
                root.report().fail(section.spot(), format!("more than {ENTRIES_MAX} providers or routes"));
                break;
            }
            read.provider(section, terms, networks);
        }
        read
    }

    fn provider(&mut self, section: Section<'_>, terms: &Terms, networks: Option<&[NetworkSettings]>) {
        // Where this one will stand if nothing is wrong; if something is, no catalog is made.
        let id = ProviderId(u32::try_from(self.providers.len()).unwrap_or(u32::MAX));
        let entry = entry(&section, terms.settlement.rules);
        let is_told = |provider: &Provider| provider.payee.is_none() && payee::is_written(&section);
        let judged = entry.provider.as_ref().filter(|provider| !is_told(provider)).zip(networks);
        tell(&section, judged.and_then(|(provider, networks)| Misfit::of_provider(provider, networks)));
        let of_others = entry.provider.as_ref().map(|provider| &*provider.foreign).unwrap_or_default();
        let is_there = |id: &str| terms.foreign.iter().any(|other| *other.network.id == *id);
        if let Some((id, _)) = of_others.iter().find(|(id, _)| networks.is_some() && !is_there(id)) {
            let told = format!(
                "names {id}, and the file has no such network: write it in [[networks]], or leave it out"
            );
            section.report().fail(&section.spot_of("foreign_addresses"), told);
        }
        let is_foreign = !of_others.is_empty();
        for section in section.sections("routes") {
            let route_name = section.item("name").filter(|item| item.is_text());
            if let Some(item) = &route_name
                && let Some(name) = item.text()
            {
                self.route_names.push((name.into_owned(), item.spot()));
            }
            let mut document = section.document(&[]);
            document.set("provider", entry.name.as_deref().unwrap_or_default());
            self.route_documents.push(document);
            let read = route::read(&section, id, terms.request_bytes_max, Judge::New);
            if let (true, Some(read)) = (is_foreign, &read)
                && read.route.settle != Settle::After
            {
                let told = "must be \"after\" where the provider has `foreign_addresses`: nothing can be given back there, or collected later";
                section.report().fail(&section.spot_of("settle"), told);
            }
            if let (Some((provider, networks)), Some(read)) = (judged, &read)
                && (provider.payee.is_some() || !is_foreign)
            {
                tell(&section, Misfit::of_route(&read.route, provider.payee, networks));
            }
            section.finish();
            self.routes.extend(read);
        }
        let document = section.document(&["routes"]);
        section.finish();
        self.provider_names.extend(entry.name.map(|name| (name, entry.spot.clone())));
        if let Some(provider) = entry.provider {
            self.provider_documents.push(document);
            self.providers.push((Arc::new(provider), entry.spot));
        }
    }
}

fn tell(section: &Section<'_>, misfit: Option<Misfit>) {
    if let Some(Misfit { key, told }) = misfit {
        section.report().fail(&section.spot_of(key), told);
    }
}

/// Reads all keys but `routes`. The section is not finished. `rules` hold where it agrees on no others.
pub(super) fn entry(section: &Section<'_>, rules: SettlementRules) -> Entry {
    let name_item = section.require("name", "give the provider a name; its accounts are kept under it");
    let name = name_item.as_ref().and_then(|item| item.parse(value::name));
    let pay_to = section.item("pay_to").and_then(|item| item.parse(value::address));
    let payee = payee::read(section);
    let foreign = payee::read_foreign(section);
    let fee = section.item("fee").and_then(|item| item.parse_in("%", value::share)).unwrap_or_default();
    let hosts = hosts(section);
    let suspended = section.item("suspended").and_then(|item| item.boolean()).unwrap_or(false);
    let rate_limit = rate::read(section);
    let settlement = settlement::agreed(section, rules);
    profile::check(section);
    let upstream =
        section.require("upstream", "write [providers.upstream] with addresses = [\"https://...\"]");
    let upstream = upstream.and_then(|item| item.section()).and_then(upstream::read);
    let spot = name_item.map_or_else(|| section.spot().clone(), |item| item.spot());
    let provider = name.clone().zip(upstream).map(|(name, upstream)| {
        let pay_to = pay_to.unwrap_or_else(|| derived_pay_to(&name));
        Provider {
            name: name.into(),
            pay_to,
            payee,
            foreign,
            fee,
            hosts,
            suspended,
            rate_limit,
            settlement,
            upstream,
        }
    });
    Entry { name, provider, spot }
}

fn hosts(section: &Section<'_>) -> Vec<String> {
    let Some(item) = section.item("hosts") else { return Vec::new() };
    let told =
        format!("must list 1 to {HOSTS_MAX} hosts; leave it out to serve every host that nobody names");
    let listed = item.filled_list(HOSTS_MAX, told).unwrap_or_default();
    let mut hosts: Vec<String> = Vec::new();
    for item in &listed {
        let Some(host) = item.parse(value::host) else { continue };
        if hosts.contains(&host) {
            item.fail(format!("names {host} twice"));
        }
        hosts.push(host);
    }
    hosts
}
