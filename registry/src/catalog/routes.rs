//! Routes through the API: made, changed, removed, brought back to what they were, read.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::author::patched;
use super::change::Plan;
use super::edit::{Edit, Origin, RouteDraft, Target};
use super::editor::{Editor, Outcome};
use super::providers::invalid;
use super::setup::{ManagedBy, RouteEntry, Setup};
use crate::document::Document;
use crate::registry::{Registry, RegistryError};

// === impl Registry ===

impl Registry {
    /// Makes a route of a document with the keys of `[[providers.routes]]` and `provider`. That may be a provider of the file.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`], [`RegistryError::Taken`], or the database does not work.
    pub async fn create_route(&self, editor: &Editor, document: Value) -> Result<Outcome, RegistryError> {
        let document = Document::given(document).map_err(invalid)?;
        let author = self.author(editor);
        let plan: Plan = Box::new(move |setup| {
            let draft = author.route(document, None).map_err(RegistryError::Invalid)?;
            author.takes_nothing(setup, &draft, None).map_err(RegistryError::Invalid)?;
            let name = Arc::clone(&draft.route.name);
            if setup.routes.contains_key(&name) {
                return Err(RegistryError::Taken { kind: "route", name: name.to_string() });
            }
            Ok(vec![put(name, draft)])
        });
        self.change(editor, self.now(), plan).await
    }

    /// Changes a route by a JSON merge patch of its document.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`], [`RegistryError::UnknownRoute`], [`RegistryError::ManagedByFile`], or the database does
    /// not work.
    pub async fn update_route(
        &self,
        editor: &Editor,
        name: &str,
        patch: Map<String, Value>,
    ) -> Result<Outcome, RegistryError> {
        let (name, author) = (name.to_owned(), self.author(editor));
        let plan: Plan = Box::new(move |setup| {
            let entry = of_the_api(setup, &name)?;
            let document = patched(&entry.document, &patch).map_err(RegistryError::Invalid)?;
            let draft = author.route(document, Some(entry)).map_err(RegistryError::Invalid)?;
            author.takes_nothing(setup, &draft, Some(entry)).map_err(RegistryError::Invalid)?;
            Ok(vec![put(name.into(), draft)])
        });
        self.change(editor, self.now(), plan).await
    }

    /// Takes a route away: its quotes end at once, its name stays its provider's.
    ///
    /// # Errors
    /// [`RegistryError::UnknownRoute`], [`RegistryError::ManagedByFile`], or the database does not work.
    pub async fn remove_route(&self, editor: &Editor, name: &str) -> Result<Outcome, RegistryError> {
        let name = name.to_owned();
        let plan: Plan = Box::new(move |setup| {
            of_the_api(setup, &name)?;
            let origin = Origin::Document(String::new());
            Ok(vec![Edit { name: name.into(), target: Target::NoRoute, origin }])
        });
        self.change(editor, self.now(), plan).await
    }

    /// Makes a route what it was in a revision, as its next revision.
    ///
    /// # Errors
    /// [`RegistryError::UnknownRevision`], and as [`Self::update_route`]: what was right then may be wrong now.
    pub async fn rollback_route(
        &self,
        editor: &Editor,
        name: &str,
        revision: u32,
    ) -> Result<Outcome, RegistryError> {
        let document = self.revision_document(name, revision).await?;
        let (name, author) = (name.to_owned(), self.author(editor));
        let plan: Plan = Box::new(move |setup| {
            let entry = of_the_api(setup, &name)?;
            let draft = author.route(document, Some(entry)).map_err(RegistryError::Invalid)?;
            author.takes_nothing(setup, &draft, Some(entry)).map_err(RegistryError::Invalid)?;
            Ok(vec![put(name.into(), draft)])
        });
        self.change(editor, self.now(), plan).await
    }

    /// All routes, by name; those of one provider where given.
    #[must_use]
    pub fn routes(&self, provider: Option<&str>) -> Vec<Arc<RouteEntry>> {
        let state = self.shared.state.load();
        let is_wanted =
            |entry: &&Arc<RouteEntry>| provider.is_none_or(|provider| *entry.provider == *provider);
        state.setup.routes.values().filter(is_wanted).cloned().collect()
    }

    /// One route.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<Arc<RouteEntry>> {
        self.shared.state.load().setup.routes.get(name).cloned()
    }
}

fn put(name: Arc<str>, draft: RouteDraft) -> Edit {
    Edit { name, target: Target::Route(draft), origin: Origin::Document(String::new()) }
}

fn of_the_api<'a>(setup: &'a Setup, name: &str) -> Result<&'a RouteEntry, RegistryError> {
    match setup.routes.get(name) {
        None => Err(RegistryError::UnknownRoute(name.to_owned())),
        Some(entry) if entry.managed_by == ManagedBy::File => {
            Err(RegistryError::ManagedByFile { kind: "route", name: name.to_owned() })
        }
        Some(entry) => Ok(entry),
    }
}
