//! A file's providers and routes beside those of the API: put, changed and taken away as the file says, in one version.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{Catalog, Provider, Route, UnixMillis};

use super::change::Plan;
use super::edit::{Edit, Origin, ProviderDraft, RouteDraft, Target, Wrong};
use super::editor::{Editor, Outcome};
use super::parting::Parting;
use super::setup::{ManagedBy, Setup};
use super::{RawCatalog, Source, Terms};
use crate::config::document;
use crate::registry::{Registry, RegistryError};

// === impl Registry ===

impl Registry {
    /// Puts a file's catalog in force beside what came through the API. What the file does not name any more is gone. Where
    /// nothing changed, the catalog in force stays; what did not change is the same `Arc` as before.
    ///
    /// # Errors
    /// [`RegistryError::File`] where it does not go with what came through the API; the database does not work. The catalog
    /// in force stays.
    pub async fn apply(&self, raw: &RawCatalog, at: UnixMillis) -> Result<Arc<Catalog>, RegistryError> {
        let outcome = self.put(&Editor::file(), raw, at).await?;
        let mut catalogs = self.catalogs();
        let in_force = catalogs.wait_for(|catalog| catalog.version() >= outcome.version).await;
        in_force.map(|catalog| Arc::clone(&catalog)).map_err(|_| RegistryError::Interrupted)
    }

    /// Whether [`Self::apply`] would put this file's catalog in force; nothing is kept. What is not `meant` is refused as well where
    /// providers would lose what nobody brings back ([`Parting`]).
    ///
    /// # Errors
    /// As [`Self::apply`]; [`RegistryError::Parting`].
    pub async fn try_apply(
        &self,
        raw: &RawCatalog,
        at: UnixMillis,
        meant: bool,
    ) -> Result<(), RegistryError> {
        let editor = Editor { dry_run: true, ..Editor::file() };
        let changes = self.put(&editor, raw, at).await?.changes;
        let gone = changes.iter().filter(|change| (change.kind, change.change) == ("provider", "removed"));
        let mut connection = self.shared.pool.acquire().await?;
        let lost = Parting::of(&mut connection.session(), gone.map(|change| &*change.name), at).await?;
        if meant || lost.is_empty() { Ok(()) } else { Err(RegistryError::Parting(lost)) }
    }

    async fn put(&self, editor: &Editor, raw: &RawCatalog, at: UnixMillis) -> Result<Outcome, RegistryError> {
        self.shared.terms.get_or_init(|| raw.terms.clone());
        let file = raw.clone().on_terms(&self.terms());
        let plan: Plan = Box::new(move |setup| file.plan(setup));
        self.change(editor, at, plan).await
    }
}

// === impl RawCatalog ===

impl RawCatalog {
    /// On the terms of this process, which wait for a restart as `[settlement]` does: no provider's own are new before the others'.
    fn on_terms(mut self, terms: &Terms) -> Self {
        if self.terms.settlement.rules == terms.settlement.rules {
            return self;
        }
        for (provider, source) in self.providers.iter_mut().zip(&self.provider_sources) {
            if let Ok(read) = document::read_provider(&source.document, terms.settlement.rules) {
                *provider = Arc::new(Provider { settlement: read.settlement, ..(**provider).clone() });
            }
        }
        self
    }

    /// What is to be changed so that the file's part of a setup is what the file says.
    pub(crate) fn plan(&self, setup: &Setup) -> Result<Vec<Edit>, RegistryError> {
        let mut wrong = Wrong::default();
        let edits = self.plan_free(setup, &mut wrong);
        wrong.end()?;
        Ok(edits)
    }

    /// The same without what cannot be, because the API made something of its name: that is told.
    pub(crate) fn plan_free(&self, setup: &Setup, wrong: &mut Wrong) -> Vec<Edit> {
        let mut edits = Vec::with_capacity(self.routes.len() + self.providers.len());
        let mut taken = HashSet::new();
        for (provider, source) in self.providers.iter().zip(&self.provider_sources) {
            let known = setup.providers.get(&provider.name).map(|entry| entry.managed_by);
            if is_taken("provider", &provider.name, known, source, wrong) {
                taken.insert(&*provider.name);
            } else {
                edits.push(self.provider_edit(provider, source));
            }
        }
        for (route, source) in self.routes.iter().zip(&self.route_sources) {
            let known = setup.routes.get(&route.name).map(|entry| entry.managed_by);
            let is_taken = is_taken("route", &route.name, known, source, wrong);
            let edit = self.route_edit(route, source).filter(|_| !is_taken);
            edits.extend(edit.filter(|_| !self.provider_of(route).is_some_and(|name| taken.contains(name))));
        }
        let named: HashSet<&str> = self.routes.iter().map(|route| &*route.name).collect();
        let gone = setup
            .routes
            .iter()
            .filter(|(name, entry)| entry.managed_by == ManagedBy::File && !named.contains(&***name));
        edits.extend(gone.map(|(name, _)| absent(name, Target::NoRoute)));
        let named: HashSet<&str> = self.providers.iter().map(|provider| &*provider.name).collect();
        let gone = setup
            .providers
            .iter()
            .filter(|(name, entry)| entry.managed_by == ManagedBy::File && !named.contains(&***name));
        edits.extend(gone.map(|(name, _)| absent(name, Target::NoProvider)));
        edits
    }

    fn provider_of(&self, route: &Route) -> Option<&str> {
        self.providers.get(route.provider.0 as usize).map(|provider| &*provider.name)
    }

    fn provider_edit(&self, provider: &Arc<Provider>, source: &Source) -> Edit {
        let draft = ProviderDraft {
            managed_by: ManagedBy::File,
            document: source.document.clone(),
            provider: Arc::clone(provider),
            trusted_upstream: true,
        };
        let origin = Origin::File(source.place.clone());
        Edit { name: Arc::clone(&provider.name), target: Target::Provider(draft), origin }
    }

    fn route_edit(&self, route: &Arc<Route>, source: &Source) -> Option<Edit> {
        let provider = self.providers.get(route.provider.0 as usize)?;
        let draft = RouteDraft {
            managed_by: ManagedBy::File,
            document: source.document.clone(),
            provider: Arc::clone(&provider.name),
            route: Arc::clone(route),
        };
        let origin = Origin::File(source.place.clone());
        Some(Edit { name: Arc::clone(&route.name), target: Target::Route(draft), origin })
    }
}

/// Whether the API made one of this name, which is told then.
fn is_taken(kind: &str, name: &str, known: Option<ManagedBy>, source: &Source, wrong: &mut Wrong) -> bool {
    let is_taken = known == Some(ManagedBy::Api);
    if is_taken {
        let way_out = match kind {
            "route" => format!(
                ", or leave it out of the file, start, and remove that one first (`faregate route remove {name}`)"
            ),
            _ => String::new(),
        };
        let told =
            format!("there is already a {kind} `{name}`, made through the API: choose another name{way_out}");
        wrong.tell(&Origin::File(source.place.clone()), "", told);
    }
    is_taken
}

fn absent(name: &Arc<str>, target: Target) -> Edit {
    Edit { name: Arc::clone(name), target, origin: Origin::Absence }
}
