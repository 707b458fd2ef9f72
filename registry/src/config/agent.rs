//! Reads `[[agents]]`: who may pay, and what.

use std::collections::HashMap;
use std::sync::Arc;

use domain::policy::ScopedLimitsError;
use domain::{Address, Amount, KeyId, Scope, ScopedLimit, ScopedLimits, SpendingPolicy, UnixMillis, Window};

use super::error::ConfigError;
use super::section::secret_file;
use super::tree::{Item, Section, Spot};
use super::value::{self, one_of};
use crate::agent::{AgentEntry, AgentPlaces, KEY_SCOPES_MAX, KeyEntry, NewKey, POLICY_NAMES_MAX};
use crate::agent_key::{AgentKey, KeyHash};

/// Signers of one agent.
const SIGNERS_MAX: usize = 256;

/// Agents, with the places of what must be unique or known.
#[derive(Default)]
pub(super) struct Read {
    pub(super) entries: Vec<AgentEntry>,
    pub(super) routes: Vec<(Arc<str>, Spot)>,
    pub(super) providers: Vec<(Arc<str>, Spot)>,
    pub(super) categories: Vec<(Arc<str>, Spot)>,
    names: HashMap<String, Spot>,
    signers: HashMap<Address, Spot>,
    keys: HashMap<KeyId, Spot>,
}

// === impl Read ===

impl Read {
    /// All agents of a file.
    pub(super) fn all(root: &Section<'_>) -> Self {
        let mut read = Self::default();
        for section in root.sections("agents") {
            read.agent(section);
        }
        read
    }

    fn agent(&mut self, section: Section<'_>) {
        let item = section.require("name", "give the agent a name; it is found again by it");
        let name = item.as_ref().and_then(|item| item.parse(value::name));
        if let (Some(name), Some(item)) = (&name, &item)
            && self.names.insert(name.clone(), item.spot()).is_some()
        {
            item.fail(format!("there is already an agent `{name}`: choose another name"));
        }
        let (signers, signer_places) = self.signers(&section).into_iter().unzip();
        let amount = |key| section.item(key).and_then(|item| item.parse(Amount::parse_dollars));
        let (per_request, per_hour) = (amount("per_request"), amount("per_hour"));
        let (per_day, per_month) = (amount("per_day"), amount("per_month"));
        let limits = self.limits(&section);
        let routes = names(&section, "routes");
        let providers = names(&section, "providers");
        let policy = SpendingPolicy {
            per_request,
            per_hour,
            per_day,
            per_month,
            limits,
            routes: routes.as_ref().map(|list| list.iter().map(|(name, _)| Arc::clone(name)).collect()),
            providers: providers.as_ref().map(|list| list.iter().map(|(name, _)| Arc::clone(name)).collect()),
            expires_at: expiry(&section),
        };
        self.routes.extend(routes.into_iter().flatten());
        self.providers.extend(providers.into_iter().flatten());
        let (keys, key_places) =
            section.sections("keys").into_iter().filter_map(|section| self.key(section)).unzip();
        section.finish();
        let (Some(name), Some(item)) = (name, item) else { return };
        let places = AgentPlaces { name: item.spot().error(""), signers: signer_places, keys: key_places };
        self.entries.push(AgentEntry { name, policy, signers, keys, places });
    }

    /// Limits on routes, providers and categories.
    fn limits(&mut self, section: &Section<'_>) -> ScopedLimits {
        let read = |section: Section<'_>| {
            let item = section
                .require("scope", "say on what: \"route:quotes\", \"provider:acme\" or \"category:data\"");
            let scope = item.as_ref().and_then(|item| self.scope(item));
            let per = section.require("per", "say in which window: \"hour\", \"day\" or \"month\"");
            let window = per.and_then(|item| item.parse(window));
            let amount = section.require("amount", "say how much, such as \"$1\"");
            let limit = amount.and_then(|item| item.parse(Amount::parse_dollars));
            let spot = section.spot().clone();
            section.finish();
            Some((ScopedLimit { scope: scope?, window: window?, limit: limit? }, spot))
        };
        let (limits, spots): (Vec<_>, Vec<_>) =
            section.sections("limits").into_iter().filter_map(read).unzip();
        ScopedLimits::new(limits).unwrap_or_else(|error| {
            let twice = match &error {
                ScopedLimitsError::Twice(place, ..) => spots.get(*place),
                ScopedLimitsError::Many => spots.last(),
            };
            section.report().fail(twice.unwrap_or(section.spot()), error);
            ScopedLimits::default()
        })
    }

    fn scope(&mut self, item: &Item<'_>) -> Option<Scope> {
        let scope = item.parse(str::parse::<Scope>)?;
        let names = match &scope {
            Scope::Route(_) => &mut self.routes,
            Scope::Provider(_) => &mut self.providers,
            Scope::Category(_) => &mut self.categories,
        };
        names.push((Arc::clone(scope.name()), item.spot()));
        Some(scope)
    }

    fn signers(&mut self, section: &Section<'_>) -> Vec<(Address, ConfigError)> {
        let Some(item) = section.item("signers") else { return Vec::new() };
        let mut signers = Vec::new();
        for item in bounded(&item, SIGNERS_MAX) {
            let Some(address) = item.parse(value::address) else { continue };
            if self.signers.insert(address, item.spot()).is_some() {
                item.fail(format!("{address} already signs for an agent: each address belongs to one"));
            }
            signers.push((address, item.spot().error("")));
        }
        signers
    }

    fn key(&mut self, section: Section<'_>) -> Option<(KeyEntry, ConfigError)> {
        let given = section.item("hash");
        let in_file = section.item("file");
        let item = match (&given, &in_file) {
            (Some(hash), Some(_)) => {
                hash.fail("stands beside file: keep one of them");
                None
            }
            (Some(item), None) | (None, Some(item)) => Some(item.spot()),
            (None, None) => {
                let hint = "names no key: write hash = \"key_...:...\", or file = \"/run/secrets/agent-key\"";
                section.report().fail(section.spot(), hint);
                None
            }
        };
        let hash = match (&given, &in_file) {
            (Some(item), _) => item.parse(str::parse::<KeyHash>),
            (None, Some(item)) => key_file(item),
            (None, None) => None,
        };
        let per_request = section.item("per_request").and_then(|item| item.parse(Amount::parse_dollars));
        let listed = section.item("scopes").map(|item| bounded(&item, KEY_SCOPES_MAX)).unwrap_or_default();
        let scopes = listed.iter().filter_map(|item| self.scope(item)).collect();
        let expires_at = expiry(&section);
        let report = section.report();
        section.finish();
        let (spot, hash) = (item?, hash?);
        if self.keys.insert(hash.id(), spot.clone()).is_some() {
            report.fail(&spot, format!("{} is named twice", hash.id()));
        }
        let per_request = per_request.unwrap_or(NewKey::default().per_request);
        Some((KeyEntry { hash, per_request, scopes, expires_at }, spot.error("")))
    }
}

fn key_file(item: &Item<'_>) -> Option<KeyHash> {
    let secret = secret_file(item)?;
    match AgentKey::parse(secret.expose().trim()) {
        Ok(key) => Some(key.hash()),
        Err(error) => {
            item.fail(format!("the file holds no usable key: {error}"));
            None
        }
    }
}

fn expiry(section: &Section<'_>) -> Option<UnixMillis> {
    let item = section.item("expires_at")?;
    match value::time(&item.date_time()?) {
        Ok(at) => Some(at),
        Err(error) => {
            item.fail(error);
            None
        }
    }
}

fn names(section: &Section<'_>, key: &'static str) -> Option<Vec<(Arc<str>, Spot)>> {
    let item = section.item(key)?;
    let listed = bounded(&item, POLICY_NAMES_MAX);
    let named = listed.iter().filter_map(|item| Some((Arc::from(item.text()?), item.spot())));
    Some(named.collect())
}

fn window(text: &str) -> Result<Window, String> {
    let unknown = || one_of(text, &["hour", "day", "month"]).to_string();
    Window::parse(text).ok_or_else(unknown)
}

fn bounded<'a>(item: &Item<'a>, most: usize) -> Vec<Item<'a>> {
    let listed = item.list();
    if listed.len() > most {
        item.fail(format!("lists more than {most}"));
    }
    listed
}
