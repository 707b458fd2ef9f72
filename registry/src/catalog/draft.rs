//! [`Draft`]: a setup as it would be after some edits, and the checks that see all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{Catalog, UnixMillis};

use super::ENTRIES_MAX;
use super::conflict::Conflict;
use super::edit::{Edit, Origin, ProviderDraft, RouteDraft, Target, Wrong};
use super::editor::EntryChange;
use super::misfit::Misfit;
use super::setup::{ManagedBy, ProviderEntry, RouteEntry, Setup};
use crate::config::NetworkSettings;
use crate::document::Document;
use crate::registry::RegistryError;

/// What would be.
pub(crate) struct Draft<'a> {
    before: &'a Setup,
    pub(crate) next: Setup,
    /// Routes whose numbers may change, and whether they must: something of their offer did.
    pub(crate) touched: BTreeMap<Arc<str>, bool>,
    edited: BTreeMap<(bool, Arc<str>), Origin>,
    /// What cannot be read and no edit wrote again, by whether it is a provider.
    pub(crate) retired: Vec<(bool, Arc<str>)>,
    at: UnixMillis,
}

/// What passed.
pub(crate) struct Checked {
    pub(crate) setup: Setup,
    pub(crate) catalog: Catalog,
    pub(crate) changes: Vec<EntryChange>,
}

// === impl Draft ===

impl<'a> Draft<'a> {
    pub(crate) fn new(before: &'a Setup, version: u64, at: UnixMillis) -> Self {
        let mut next = before.clone();
        next.version = version;
        Self { before, next, touched: BTreeMap::new(), edited: BTreeMap::new(), retired: Vec::new(), at }
    }

    /// Puts edits in, in their turns.
    pub(crate) fn apply(&mut self, edits: Vec<Edit>, is_operator: bool) -> Result<(), RegistryError> {
        let mut wrong = Wrong::default();
        for Edit { name, target, origin } in edits {
            let is_provider = matches!(target, Target::Provider(_) | Target::NoProvider);
            match target {
                Target::Provider(draft) => self.put_provider(&name, draft),
                Target::Route(draft) => self.put_route(&name, draft, &origin, is_operator, &mut wrong),
                Target::NoRoute => self.remove_route(&name),
                Target::NoProvider => self.remove_provider(&name, &mut wrong, &origin),
            }
            self.next.unread.remove(&(is_provider, Arc::clone(&name)));
            self.edited.insert((is_provider, name), origin);
        }
        self.retire(&mut wrong);
        let most = self.next.providers.len().max(self.next.routes.len());
        if let (true, Some(origin)) = (most > ENTRIES_MAX, self.edited.values().next()) {
            wrong.tell(origin, "", format!("there would be more than {ENTRIES_MAX} providers or routes"));
        }
        wrong.end()?;
        self.next.place();
        Ok(())
    }

    /// Refuses to add routes through the API to a provider that has them all. Names of routes that are gone are counted: they
    /// are kept to it for ever.
    pub(crate) fn expect_room(&self, most: u32) -> Result<(), RegistryError> {
        let is_added = |name: &Arc<str>| {
            !self.before.routes.contains_key(name) && !self.before.reserved.contains_key(name)
        };
        let added = self.edited.keys().filter(|(is_provider, name)| !is_provider && is_added(name));
        let added = added.filter_map(|(_, name)| self.next.routes.get(name));
        let of_api = added.filter(|entry| entry.managed_by == ManagedBy::Api);
        for provider in of_api.map(|entry| &entry.provider).collect::<BTreeSet<_>>() {
            let gone = self.next.reserved.values().filter(|whose| *whose == provider).count();
            if self.next.routes_of(provider).count().saturating_add(gone) > most as usize {
                return Err(RegistryError::TooMany(
                    "routes of this provider, and names of removed ones, which stay its own,",
                    most,
                ));
            }
        }
        Ok(())
    }

    /// Whether a provider's quotes have ended.
    pub(crate) fn is_suspended(&self, provider: &str) -> bool {
        self.next.providers.get(provider).is_some_and(|entry| entry.provider.suspended)
    }

    /// Looks at all of it; `basis` is a catalog to take the router of, where it answers the same requests.
    pub(crate) fn check(
        self,
        basis: &Catalog,
        networks: &[NetworkSettings],
        is_operator: bool,
    ) -> Result<Checked, RegistryError> {
        let mut wrong = Wrong::default();
        self.tell_misfits(&mut wrong, networks);
        let (providers, routes) = self.next.parts();
        if self.edited.keys().any(|(is_provider, _)| *is_provider) {
            for conflict in Conflict::between_providers(&providers) {
                let (one, other) = conflict.places();
                let names = [&providers[one].name, &providers[other].name];
                self.tell(&mut wrong, &conflict, names, is_operator);
            }
        }
        let catalog = match self.next.catalog(basis) {
            Ok(catalog) => Some(catalog),
            Err(_) => {
                for conflict in Conflict::between_routes(&providers, &routes) {
                    let (one, other) = conflict.places();
                    self.tell(&mut wrong, &conflict, [&routes[one].name, &routes[other].name], is_operator);
                }
                None
            }
        };
        wrong.end()?;
        let changes = self.changes();
        let catalog = catalog.ok_or(RegistryError::Stored)?;
        Ok(Checked { setup: self.next, catalog, changes })
    }

    fn put_provider(&mut self, name: &Arc<str>, draft: ProviderDraft) {
        let before = self.before.providers.get(name);
        let ProviderDraft { managed_by, document, provider, trusted_upstream } = draft;
        if let Some(before) = before {
            let is_paid_elsewhere = before.provider.pay_to != provider.pay_to
                || before.provider.payee != provider.payee
                || before.provider.foreign != provider.foreign;
            if is_paid_elsewhere || before.provider.suspended != provider.suspended {
                let routes =
                    self.next.routes_of(name).map(|(route, _)| (Arc::clone(route), is_paid_elsewhere));
                self.touched.extend(routes.collect::<Vec<_>>());
            }
        }
        let created_at = before.map_or(self.at, |before| before.created_at);
        let entry = ProviderEntry {
            managed_by,
            provider,
            created_at,
            updated_at: self.at,
            document,
            trusted_upstream,
        };
        self.next.providers.insert(Arc::clone(name), Arc::new(entry));
    }

    fn put_route(
        &mut self,
        name: &Arc<str>,
        draft: RouteDraft,
        origin: &Origin,
        is_operator: bool,
        wrong: &mut Wrong,
    ) {
        let RouteDraft { managed_by, document, provider, route } = draft;
        if !self.next.providers.contains_key(&provider) {
            wrong.tell(origin, "/provider", format!("there is no provider `{provider}`"));
            return;
        }
        let other = self.next.reserved.get(name).filter(|other| **other != provider);
        if let (ManagedBy::Api, Some(other)) = (managed_by, other) {
            let whose = if is_operator { format!("`{other}`") } else { "another provider".to_owned() };
            let told = format!("a route of {whose} had this name, which stays its own: choose another name");
            wrong.tell(origin, "/name", told);
            return;
        }
        self.next.reserved.remove(name);
        let before = self.before.routes.get(name);
        self.touched.insert(Arc::clone(name), before.is_some());
        let created_at = before.map_or(self.at, |before| before.created_at);
        let entry = RouteEntry { managed_by, provider, route, created_at, updated_at: self.at, document };
        self.next.routes.insert(Arc::clone(name), Arc::new(entry));
    }

    fn remove_route(&mut self, name: &Arc<str>) {
        if let Some(entry) = self.next.routes.remove(name) {
            self.next.reserved.insert(Arc::clone(name), Arc::clone(&entry.provider));
            self.touched.insert(Arc::clone(name), false);
        }
    }

    /// What cannot be read and stands in the way of nothing is let go of.
    fn retire(&mut self, wrong: &mut Wrong) {
        for ((is_provider, name), unread) in std::mem::take(&mut self.next.unread) {
            if is_provider {
                self.remove_provider(&name, wrong, &Origin::Absence);
            } else {
                self.next.reserved.insert(Arc::clone(&name), unread.provider);
                self.touched.insert(Arc::clone(&name), false);
            }
            self.retired.push((is_provider, name));
        }
    }

    fn remove_provider(&mut self, name: &Arc<str>, wrong: &mut Wrong, origin: &Origin) {
        let left: Vec<&str> = self.next.routes_of(name).map(|(route, _)| &**route).take(8).collect();
        if left.is_empty() {
            self.next.providers.remove(name);
            return;
        }
        let told = format!(
            "provider `{name}` is to go, but has routes that were made through the API ({}): keep the provider in the file \
             until they are removed (`faregate route remove`)",
            left.join(", ")
        );
        wrong.tell(origin, "", told);
    }

    /// Tells a conflict to whoever edited one of the two: the later one, where both were.
    fn tell(&self, wrong: &mut Wrong, conflict: &Conflict, names: [&Arc<str>; 2], is_operator: bool) {
        let is_provider = !matches!(conflict, Conflict::Routes(..));
        let [one, other] = names;
        let origin = |name: &Arc<str>| self.edited.get(&(is_provider, Arc::clone(name)));
        let provider = |name: &Arc<str>| match self.next.routes.get(name) {
            Some(entry) if !is_provider => Arc::clone(&entry.provider),
            _ => Arc::clone(name),
        };
        let (mine, theirs, origin) = match (origin(one), origin(other)) {
            (Some(origin), _) => (one, other, origin),
            (None, Some(origin)) => (other, one, origin),
            // A provider's hosts changed, and with them the requests that its routes answer.
            (None, None) => {
                let hosts = self.edited.iter().find(|((is_provider, _), _)| *is_provider);
                let Some((_, origin)) = hosts else { return };
                (one, other, origin)
            }
        };
        let may_know = is_operator || provider(mine) == provider(theirs);
        let shown = if may_know { &**theirs } else { "another provider's" };
        wrong.tell(origin, conflict.pointer(), conflict.told(mine, shown));
    }

    /// Tells what these edits ask of public networks and cannot have there. What is as it was is left alone: the networks may
    /// have changed under it. What stands in the file was looked at with the file's own networks.
    fn tell_misfits(&self, wrong: &mut Wrong, networks: &[NetworkSettings]) {
        let payee =
            |setup: &Setup, name: &str| setup.providers.get(name).and_then(|entry| entry.provider.payee);
        let is_paid_otherwise = |name: &str| payee(self.before, name) != payee(&self.next, name);
        let of_api = self.next.providers.iter().filter(|(_, entry)| entry.managed_by == ManagedBy::Api);
        for (name, entry) in of_api.filter(|(name, _)| is_paid_otherwise(name)) {
            if let Some(origin) = self.edited.get(&(true, Arc::clone(name)))
                && let Some(Misfit { key, told }) = Misfit::of_provider(&entry.provider, networks)
            {
                wrong.tell(origin, &format!("/{key}"), told);
            }
        }
        let asked = |entry: &Arc<RouteEntry>| (entry.route.settle, entry.route.offer_order);
        for (name, entry) in self.next.routes.iter().filter(|(_, entry)| entry.managed_by == ManagedBy::Api) {
            let is_as_before = self.before.routes.get(name).map(asked) == Some(asked(entry));
            if is_as_before && !is_paid_otherwise(&entry.provider) {
                continue;
            }
            let payee = payee(&self.next, &entry.provider);
            let Some(Misfit { key, told }) = Misfit::of_route(&entry.route, payee, networks) else {
                continue;
            };
            if let Some(origin) = self.edited.get(&(false, Arc::clone(name))) {
                wrong.tell(origin, &format!("/{key}"), told);
            } else if let Some(origin) = self.edited.get(&(true, Arc::clone(&entry.provider))) {
                wrong.tell(origin, "", format!("{key} of its route `{name}` {told}"));
            }
        }
    }

    /// What differs, entry by entry.
    fn changes(&self) -> Vec<EntryChange> {
        let edited: BTreeSet<_> = self.edited.keys().collect();
        let mut changes = Vec::with_capacity(edited.len());
        for (is_provider, name) in edited {
            if *is_provider {
                let document = |setup: &Setup| setup.providers.get(name).map(|entry| entry.document.clone());
                let documents = (document(self.before), document(&self.next));
                changes.push(change("provider", name, name, &documents));
            } else {
                let entry = |setup: &Setup| setup.routes.get(name).cloned();
                let (before, after) = (entry(self.before), entry(&self.next));
                let Some(provider) =
                    after.as_ref().or(before.as_ref()).map(|entry| Arc::clone(&entry.provider))
                else {
                    continue;
                };
                let document = |entry: Option<Arc<RouteEntry>>| entry.map(|entry| entry.document.clone());
                changes.push(change("route", name, &provider, &(document(before), document(after))));
            }
        }
        changes
    }
}

fn change(
    kind: &'static str,
    name: &str,
    provider: &str,
    (before, after): &(Option<Document>, Option<Document>),
) -> EntryChange {
    let price = |document: &Option<Document>| {
        document
            .as_ref()
            .and_then(|document| ["price", "tiers", "metered"].iter().find_map(|key| document.get(key)))
            .cloned()
    };
    let differences = match (before, after) {
        (Some(before), Some(after)) => before.differences(after),
        _ => Vec::new(),
    };
    let change = match (before, after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    EntryChange {
        kind,
        name: name.to_owned(),
        provider: provider.to_owned(),
        change,
        old_price: price(before),
        new_price: price(after),
        differences,
    }
}
