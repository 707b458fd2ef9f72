//! Providers through the API: made, changed, suspended, read.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::author::{Author, patched};
use super::change::Plan;
use super::edit::{Edit, Origin, ProviderDraft, Target};
use super::editor::{Editor, Outcome};
use super::setup::{ManagedBy, ProviderEntry, Setup};
use crate::document::{Document, Mistake};
use crate::registry::{Registry, RegistryError};

// === impl Registry ===

impl Registry {
    /// Makes a provider of a document with the keys of `[[providers]]` without its routes.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`], [`RegistryError::Taken`], or the database does not work.
    pub async fn create_provider(&self, editor: &Editor, document: Value) -> Result<Outcome, RegistryError> {
        let document = Document::given(document).map_err(invalid)?;
        let author = self.author(editor);
        let plan: Plan = Box::new(move |setup| {
            let draft = author.provider(document, None).map_err(RegistryError::Invalid)?;
            let name = Arc::clone(&draft.provider.name);
            if setup.providers.contains_key(&name) {
                return Err(RegistryError::Taken { kind: "provider", name: name.to_string() });
            }
            Ok(vec![put(name, draft)])
        });
        self.change(editor, self.now(), plan).await
    }

    /// Changes a provider by a JSON merge patch of its document. [`crate::document::SECRET`] keeps a secret as it is.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`], [`RegistryError::UnknownProvider`], [`RegistryError::ManagedByFile`], or the database
    /// does not work.
    pub async fn update_provider(
        &self,
        editor: &Editor,
        name: &str,
        patch: Map<String, Value>,
    ) -> Result<Outcome, RegistryError> {
        let (name, author) = (name.to_owned(), self.author(editor));
        let plan: Plan = Box::new(move |setup| {
            let entry = of_the_api(setup, &name)?;
            let document = patched(&entry.document, &patch).map_err(RegistryError::Invalid)?;
            let draft = author.provider(document, Some(entry)).map_err(RegistryError::Invalid)?;
            Ok(vec![put(name.into(), draft)])
        });
        self.change(editor, self.now(), plan).await
    }

    /// Suspends a provider, whose quotes end at once and whose routes answer 503, or lets it go on. Again is no error.
    ///
    /// # Errors
    /// As [`Self::update_provider`].
    pub async fn suspend_provider(
        &self,
        editor: &Editor,
        name: &str,
        suspended: bool,
    ) -> Result<Outcome, RegistryError> {
        let value = if suspended { Value::from(true) } else { Value::Null };
        self.update_provider(editor, name, Map::from_iter([("suspended".to_owned(), value)])).await
    }

    /// All providers, by name.
    #[must_use]
    pub fn providers(&self) -> Vec<Arc<ProviderEntry>> {
        self.shared.state.load().setup.providers.values().cloned().collect()
    }

    /// One provider.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<Arc<ProviderEntry>> {
        self.shared.state.load().setup.providers.get(name).cloned()
    }

    pub(crate) fn author(&self, editor: &Editor) -> Author {
        Author { rights: editor.rights, terms: self.terms() }
    }
}

pub(crate) fn invalid(mistake: Mistake) -> RegistryError {
    RegistryError::Invalid(vec![mistake])
}

fn put(name: Arc<str>, draft: ProviderDraft) -> Edit {
    Edit { name, target: Target::Provider(draft), origin: Origin::Document(String::new()) }
}

fn of_the_api<'a>(setup: &'a Setup, name: &str) -> Result<&'a ProviderEntry, RegistryError> {
    match setup.providers.get(name) {
        None => Err(RegistryError::UnknownProvider(name.to_owned())),
        Some(entry) if entry.managed_by == ManagedBy::File => {
            Err(RegistryError::ManagedByFile { kind: "provider", name: name.to_owned() })
        }
        Some(entry) => Ok(entry),
    }
}
