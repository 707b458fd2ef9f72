//! Documents that come through the API become drafts: what their author may write, then what every reader asks.

use std::net::IpAddr;
use std::sync::Arc;

use domain::Provider;
use domain::catalog::Upstream;
use domain::internet::is_public;
use serde_json::{Map, Value};

use super::Terms;
use super::edit::{ProviderDraft, RouteDraft};
use super::editor::Rights;
use super::load::public_only;
use super::setup::{ManagedBy, ProviderEntry, RouteEntry, Setup};
use crate::config::document as reader;
use crate::document::{Document, Mistake};

/// What only the operator sets of a provider.
const OPERATORS: [&str; 8] =
    ["address", "custody", "fee", "foreign_addresses", "hosts", "pay_to", "settlement", "suspended"];

/// Under `upstream`: files of the gateway's host. What one process reads there another one may not find, and whoever may
/// write a document must not read the operator's disk.
const FILES: [&str; 2] = ["headers_file", "ca_file"];

/// Who writes, and on which terms.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) rights: Rights,
    pub(crate) terms: Terms,
}

// === impl Author ===

impl Author {
    /// A provider's document; `before` is what it replaces.
    pub(crate) fn provider(
        &self,
        mut document: Document,
        before: Option<&ProviderEntry>,
    ) -> Result<ProviderDraft, Vec<Mistake>> {
        let is_marked = document.unmark().map_err(|mistake| vec![mistake])?;
        let known = before.map(|before| &before.document);
        let kept = document.kept();
        let document = document.restored(known)?;
        let mut mistakes = unchanged(&document, known, "name");
        if self.rights == Rights::Provider {
            mistakes.extend(self.not_theirs(&document, known));
        }
        let upstream = document.get("upstream");
        for key in
            FILES.into_iter().filter(|key| upstream.is_some_and(|upstream| upstream.get(key).is_some()))
        {
            let told = "names a file of the gateway's host: only the configuration file may do that";
            mistakes.push(Mistake::at(format!("/upstream/{key}"), told));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut provider = reader::read_provider(&document, self.terms.settlement.rules)?;
        if before.is_some_and(|before| reaches_others(&before.provider.upstream, &provider.upstream)) {
            stay_here(kept)?;
        }
        let is_same_place = before.is_some_and(|before| same_addresses(&before.provider, &provider));
        // An operator who applies what a tenant wrote elsewhere does not vouch for it.
        let trusted_upstream = match before {
            _ if is_marked => false,
            Some(before) if is_same_place => before.trusted_upstream,
            _ => self.rights == Rights::Operator,
        };
        provider.upstream.public_only = public_only(trusted_upstream, &self.terms);
        if (is_marked || !is_same_place) && provider.upstream.public_only {
            only_public(&provider)?;
        }
        let provider = Arc::new(provider);
        Ok(ProviderDraft { managed_by: ManagedBy::Api, document, provider, trusted_upstream })
    }

    /// A route's document; `before` is what it replaces.
    pub(crate) fn route(
        &self,
        document: Document,
        before: Option<&RouteEntry>,
    ) -> Result<RouteDraft, Vec<Mistake>> {
        let known = before.map(|before| &before.document);
        let mut mistakes = unchanged(&document, known, "name");
        mistakes.extend(unchanged(&document, known, "provider"));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let (provider, route) = reader::read_route(&document, self.terms.request_bytes_max)?;
        Ok(RouteDraft { managed_by: ManagedBy::Api, document, provider, route: Arc::new(route) })
    }

    /// Whether a provider writes a route that could take calls from another one's: the most specific route wins, whosever it
    /// is. Only the operator, who gives out hosts, decides that two providers share a path.
    pub(crate) fn takes_nothing(
        &self,
        setup: &Setup,
        draft: &RouteDraft,
        before: Option<&RouteEntry>,
    ) -> Result<(), Vec<Mistake>> {
        let is_the_same = before.is_some_and(|before| before.route.pattern == draft.route.pattern);
        if self.rights == Rights::Operator || is_the_same {
            return Ok(());
        }
        let hosts = |name: &str| setup.providers.get(name).map_or(&[][..], |entry| &entry.provider.hosts);
        let own = hosts(&draft.provider);
        let shares_hosts = |name: &str| {
            let others = hosts(name);
            (own.is_empty() && others.is_empty()) || own.iter().any(|host| others.contains(host))
        };
        let takes = setup.routes.values().any(|entry| {
            entry.provider != draft.provider
                && entry.route.pattern.overlaps(&draft.route.pattern)
                && shares_hosts(&entry.provider)
        });
        let told = "could match calls of another provider's route: ask the operator for `hosts` of your own";
        if takes { Err(vec![Mistake::at("/path".to_owned(), told)]) } else { Ok(()) }
    }

    /// What a provider would change though it is the operator's.
    fn not_theirs(&self, document: &Document, before: Option<&Document>) -> Vec<Mistake> {
        let changed = |key: &&str| document.get(key) != before.and_then(|before| before.get(key));
        let mistake =
            |key: &str| Mistake::at(format!("/{key}"), "is the operator's to set: leave it as it is");
        OPERATORS.iter().filter(|key| changed(key)).map(|key| mistake(key)).collect()
    }
}

/// What somebody gave, as a patch of what is there.
pub(crate) fn patched(before: &Document, patch: &Map<String, Value>) -> Result<Document, Vec<Mistake>> {
    let merged = before.merged(patch);
    // Its length is looked at again.
    Document::given(Value::from(merged.keys().clone())).map_err(|mistake| vec![mistake])
}

fn unchanged(document: &Document, before: Option<&Document>, key: &str) -> Vec<Mistake> {
    let differs = before.is_some_and(|before| before.get(key) != document.get(key));
    let mistake = || Mistake::at(format!("/{key}"), "cannot be changed");
    differs.then(mistake).into_iter().collect()
}

fn same_addresses(one: &Provider, other: &Provider) -> bool {
    one.upstream.addresses == other.upstream.addresses
}

/// Whether requests come to somebody to whom they did not come before.
fn reaches_others(before: &Upstream, after: &Upstream) -> bool {
    let who = |upstream: &Upstream| (upstream.tls.clone(), upstream.host.clone(), upstream.base_path.clone());
    let is_new = |address| !before.addresses.contains(address);
    after.addresses.iter().any(is_new) || who(before) != who(after)
}

/// A secret that was written for one place is not sent to another one by whoever cannot say it.
fn stay_here(kept: Vec<String>) -> Result<(), Vec<Mistake>> {
    let told = "was written for the place where the upstream was: write its value again for the new one, or take it away (null)";
    let mistakes: Vec<_> = kept.into_iter().map(|pointer| Mistake::at(pointer, told)).collect();
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Addresses that say themselves that they are not public. What names lead to is judged where it is connected to.
fn only_public(provider: &Provider) -> Result<(), Vec<Mistake>> {
    let is_private = |host: &str| match host.parse::<IpAddr>() {
        Ok(address) => !is_public(address),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    let addresses = provider.upstream.addresses.iter().enumerate();
    let mistakes: Vec<_> = addresses
        .filter(|(_, address)| is_private(&address.host))
        .map(|(index, _)| {
            Mistake::at(format!("/upstream/addresses/{index}"), "must be an address of the public internet")
        })
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}
