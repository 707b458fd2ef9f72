//! The way of every change of the catalog, whoever makes it: validated whole, numbered, written, journaled and put in force.
//!
//! One transaction a change, one version each. Who asked is answered once that version, or a later one, is in force in this
//! process; [`super::force`] puts several in force at once. Next: [`super::draft`] for the checks of the whole.

use std::sync::Arc;

use domain::{Catalog, UnixMillis};

use super::draft::{Checked, Draft};
use super::edit::Edit;
use super::editor::{Editor, EntryChange, Outcome};
use super::force::State;
use super::load::numbered;
use super::setup::{ProviderEntry, RouteEntry, Setup};
use crate::journal::{Actor, Entry, Subject, Tenant};
use crate::registry::{Registry, RegistryError};
use crate::revision::{self, Moment, Wanted};
use crate::store::setup::{self as rows, HistoryRow, ProviderRow, RouteRow, signed};
use crate::store::{StoreError, revisions};
use crate::writing::Writing;
use crate::{api_key, payout, webhook};

/// Says what is to change, given what there is.
pub(crate) type Plan = Box<dyn FnOnce(&Setup) -> Result<Vec<Edit>, RegistryError> + Send>;

/// What is written while a change is under way.
struct Writer<'a, 'b> {
    writing: &'a mut Writing<'b>,
    actor: &'a Actor,
    moment: Moment,
}

// === impl Registry ===

impl Registry {
    /// Makes a change, and waits until it is in force here.
    pub(crate) async fn change(
        &self,
        editor: &Editor,
        at: UnixMillis,
        plan: Plan,
    ) -> Result<Outcome, RegistryError> {
        let (registry, editor, dry_run) = (self.clone(), editor.clone(), editor.dry_run);
        // A task of its own: who asked may leave, and what is committed must be put in force all the same.
        let change = tokio::spawn(async move { registry.make(&editor, at, plan).await });
        let outcome = change.await.map_err(|_| RegistryError::Interrupted)??;
        if !dry_run {
            self.served(outcome.version).await;
        }
        Ok(outcome)
    }

    async fn make(&self, editor: &Editor, at: UnixMillis, plan: Plan) -> Result<Outcome, RegistryError> {
        let mut writing = self.write().await?;
        let state = self.shared.state.load_full();
        let newer = self.newer(&mut writing.session(), &state.setup).await?;
        let known = newer.unwrap_or_else(|| state.setup.clone());
        known.readable(editor.is_file())?;
        let mut edits = plan(&known)?;
        edits.retain(|edit| !edit.is_done(&known));
        // The first version is made even of nothing: who waits for one must not wait for ever.
        if edits.is_empty() && known.version > 0 && known.unread.is_empty() {
            let version = known.version;
            if version > state.setup.version {
                let catalog = known.catalog(&state.catalog).map_err(|_| RegistryError::Stored)?;
                self.put_in_force(State { setup: known, catalog: Arc::new(catalog) });
            }
            return Ok(Outcome { version, changes: Vec::new() });
        }
        edits.sort_by_key(Edit::turn);
        let version = revisions::next_version(&mut writing.session()).await?;
        let mut draft = Draft::new(&known, version, at);
        draft.apply(edits, editor.is_operator())?;
        if !editor.is_operator() {
            draft.expect_room(self.terms().routes_per_provider_max)?;
        }
        let mut writer =
            Writer { writing: &mut writing, actor: &editor.actor, moment: Moment { at, version } };
        writer.retire(&draft.retired).await?;
        writer.number(&mut draft).await?;
        let Checked { setup, catalog, changes } =
            draft.check(&state.catalog, &self.terms().networks, editor.is_operator())?;
        if editor.dry_run {
            return Ok(Outcome { version, changes });
        }
        writer.write(&known, &setup, &changes).await?;
        writing.notify(&format!("catalog {version}")).await?;
        writing.commit().await?;
        self.put_in_force(State { setup, catalog: Arc::new(catalog) });
        Ok(Outcome { version, changes })
    }
}

// === impl Writer ===

impl Writer<'_, '_> {
    /// Takes away what cannot be read and the file does not name any more.
    async fn retire(&mut self, retired: &[(bool, Arc<str>)]) -> Result<(), StoreError> {
        for (is_provider, name) in retired {
            let kind = if *is_provider { "provider" } else { "route" };
            tracing::warn!(kind, name = %name, "what the file brought before could not be read, and is taken away");
            let Moment { at, version } = self.moment;
            rows::remove(&mut self.writing.session(), *is_provider, name, version, at).await?;
        }
        Ok(())
    }

    /// Numbers every route whose terms change.
    async fn number(&mut self, draft: &mut Draft<'_>) -> Result<(), RegistryError> {
        let touched: Vec<_> =
            draft.touched.iter().map(|(name, renewed)| (Arc::clone(name), *renewed)).collect();
        let names: Vec<_> = touched.iter().map(|(name, _)| Arc::clone(name)).collect();
        let kept = revisions::load(&mut self.writing.session(), &names).await?;
        for (name, renewed) in touched {
            let rows = kept.get(&name).map_or(&[][..], Vec::as_slice);
            let changed = match draft.next.routes.get(&name).cloned() {
                None => revision::end(rows, self.moment.at),
                Some(entry) => {
                    let price = &entry.route.price;
                    let suspended = draft.is_suspended(&entry.provider);
                    let wanted = Wanted { route: &name, price, suspended, renewed };
                    let (assigned, changed) = revision::number(rows, &wanted, self.moment);
                    let route = Arc::new(numbered(&entry.route, assigned));
                    draft
                        .next
                        .routes
                        .insert(Arc::clone(&name), Arc::new(RouteEntry { route, ..(*entry).clone() }));
                    changed
                }
            };
            revisions::save(&mut self.writing.session(), &name, &changed, self.moment.at).await?;
        }
        Ok(())
    }

    /// Writes each entry that differs, with its entry in the journal, and what the version is about.
    async fn write(
        &mut self,
        before: &Setup,
        after: &Setup,
        changes: &[EntryChange],
    ) -> Result<(), RegistryError> {
        let changed = after.providers.iter().filter(|(name, entry)| {
            before.providers.get(*name).is_none_or(|known| !Arc::ptr_eq(known, entry))
        });
        for (name, entry) in changed {
            self.put_provider(name, entry, None).await?;
        }
        let changed = after
            .routes
            .iter()
            .filter(|(name, entry)| before.routes.get(*name).is_none_or(|known| !Arc::ptr_eq(known, entry)));
        for (name, entry) in changed {
            self.put_route(name, entry, before.routes.get(name), None).await?;
        }
        let gone = Some(self.moment.at.0);
        for (name, entry) in before.routes.iter().filter(|(name, _)| !after.routes.contains_key(*name)) {
            self.put_route(name, entry, None, gone).await?;
        }
        for (name, entry) in before.providers.iter().filter(|(name, _)| !after.providers.contains_key(*name))
        {
            self.put_provider(name, entry, gone).await?;
        }
        for change in changes.iter().filter(|change| differs(change, before, after)) {
            self.record(change, before, after).await?;
            if change.kind == "provider" {
                self.part(&change.name, before, after).await?;
            }
        }
        let difference = serde_json::json!({ "entries": changes }).to_string();
        let Moment { at, version } = self.moment;
        rows::put_change(&mut self.writing.session(), version, at, self.actor, &difference).await?;
        Ok(())
    }

    /// Nobody gets hold of what was another's of the same name. Keys end with their provider, and its receivers hear nothing
    /// more: they would be told of whoever comes under its name. Where its money goes stays in force, since it is settled with
    /// for what it earned, until a provider of the same name comes.
    async fn part(&mut self, name: &str, before: &Setup, after: &Setup) -> Result<(), RegistryError> {
        let at = self.moment.at;
        if !after.providers.contains_key(name) {
            api_key::revoke_of_provider(self.writing, self.actor, name, at).await?;
            webhook::edit::disable_of_provider(self.writing, self.actor, name, at).await?;
        } else if !before.providers.contains_key(name) {
            payout::clear(self.writing, self.actor, name, at).await?;
        }
        Ok(())
    }

    async fn put_provider(
        &mut self,
        name: &str,
        entry: &ProviderEntry,
        gone: Option<i64>,
    ) -> Result<(), StoreError> {
        let row = ProviderRow {
            name: name.to_owned(),
            managed_by: entry.managed_by.word().to_owned(),
            document: entry.document.write(),
            trusted_upstream: entry.trusted_upstream,
            version: signed(self.moment.version),
            created_at: entry.created_at.0,
            updated_at: entry.updated_at.0,
            removed_at: gone,
        };
        rows::put_provider(&mut self.writing.session(), &row).await
    }

    async fn put_route(
        &mut self,
        name: &str,
        entry: &RouteEntry,
        before: Option<&Arc<RouteEntry>>,
        gone: Option<i64>,
    ) -> Result<(), StoreError> {
        let (version, document) = (signed(self.moment.version), entry.document.write());
        let row = RouteRow {
            name: name.to_owned(),
            provider: entry.provider.to_string(),
            managed_by: entry.managed_by.word().to_owned(),
            document: document.clone(),
            version,
            created_at: entry.created_at.0,
            updated_at: entry.updated_at.0,
            removed_at: gone,
        };
        rows::put_route(&mut self.writing.session(), &row).await?;
        let is_as_before = before.is_some_and(|before| before.route.revision == entry.route.revision);
        if gone.is_some() || is_as_before {
            return Ok(());
        }
        let revision = i64::from(entry.route.revision);
        let row = HistoryRow { revision, document, version, at: self.moment.at.0 };
        rows::put_history(&mut self.writing.session(), name, &row).await
    }

    async fn record(
        &mut self,
        change: &EntryChange,
        before: &Setup,
        after: &Setup,
    ) -> Result<(), RegistryError> {
        let name = change.name.as_str();
        let (action, before, after) = if change.kind == "provider" {
            let (before, after) = (before.providers.get(name), after.providers.get(name));
            let suspended =
                |entry: Option<&Arc<ProviderEntry>>| entry.is_some_and(|entry| entry.provider.suspended);
            let action = match (suspended(before), suspended(after)) {
                _ if before.is_none() => "provider.created",
                _ if after.is_none() => "provider.removed",
                (false, true) => "provider.suspended",
                (true, false) => "provider.resumed",
                _ => "provider.updated",
            };
            (action, before.map(|entry| entry.document()), after.map(|entry| entry.document()))
        } else {
            let (before, after) = (before.routes.get(name), after.routes.get(name));
            let price = |entry: Option<&Arc<RouteEntry>>| entry.map(|entry| entry.route.price.clone());
            let action = match (before, after) {
                (None, _) => "route.created",
                (_, None) => "route.removed",
                _ if price(before) == price(after) => "route.updated",
                _ => "route.price_changed",
            };
            (action, before.map(|entry| entry.document()), after.map(|entry| entry.document()))
        };
        let subject = Subject::new(change.kind, name);
        let (tenant, at) = (Tenant::provider(&change.provider), self.moment.at);
        self.writing.record(&Entry { actor: self.actor, action, subject, tenant, before, after, at }).await
    }
}

/// Whether something else is written than before; what a named file holds may change without.
fn differs(change: &EntryChange, before: &Setup, after: &Setup) -> bool {
    let name = change.name.as_str();
    if change.kind == "provider" {
        let document = |setup: &Setup| setup.providers.get(name).map(|entry| entry.document.clone());
        return document(before) != document(after);
    }
    let document = |setup: &Setup| setup.routes.get(name).map(|entry| entry.document.clone());
    document(before) != document(after)
}

/// Nothing at all.
pub(crate) fn empty() -> State {
    State { setup: Setup::default(), catalog: Arc::new(Catalog::empty()) }
}
