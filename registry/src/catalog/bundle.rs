//! [`Bundle`]: everything that came through the API as one document, as people keep it in a repository: exported as TOML,
//! and applied as a whole.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::de::DeTable;

use super::author::Author;
use super::change::Plan;
use super::edit::{Edit, Origin, Target, Wrong};
use super::editor::{Editor, Outcome};
use super::setup::{ManagedBy, Setup};
use crate::document::{Document, Mistake, pointer, text};
use crate::registry::{Registry, RegistryError};

/// Providers and routes as documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    /// With the keys of `[[providers]]`, without routes.
    pub providers: Vec<Document>,
    /// With the keys of `[[providers.routes]]`, and `provider`.
    pub routes: Vec<Document>,
}

// === impl Bundle ===

impl Bundle {
    /// Reads `[[providers]]` and `[[routes]]`.
    ///
    /// # Errors
    /// It is no TOML, or holds something else.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Mistake>> {
        let table = DeTable::parse(text).map_err(|error| vec![Mistake::at("", error.to_string().trim())])?;
        Self::from_json(Value::Object(text::object(table.get_ref())))
    }

    /// Reads `{"providers": [...], "routes": [...]}`.
    ///
    /// # Errors
    /// It holds something else.
    pub fn from_json(value: Value) -> Result<Self, Vec<Mistake>> {
        let Value::Object(mut keys) = value else { return Err(vec![Mistake::at("", "must be an object")]) };
        let mut mistakes = Vec::new();
        let mut bundle = Self::default();
        for (kind, documents) in [("providers", &mut bundle.providers), ("routes", &mut bundle.routes)] {
            documents.extend(objects(&mut keys, kind, &mut mistakes).into_iter().map(Document::new));
        }
        mistakes.extend(
            keys.keys().map(|key| Mistake::at(pointer(&[key]), "unknown key; known here: providers, routes")),
        );
        if mistakes.is_empty() { Ok(bundle) } else { Err(mistakes) }
    }

    /// As TOML, secrets left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut toml = String::new();
        for (kind, documents) in [("providers", &self.providers), ("routes", &self.routes)] {
            for document in documents {
                if let Value::Object(keys) = document.shown() {
                    toml.push_str(&format!("[[{kind}]]\n{}\n", text::body(&keys)));
                }
            }
        }
        toml
    }

    /// As JSON, secrets left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let shown = |documents: &[Document]| documents.iter().map(Document::shown).collect::<Vec<_>>();
        serde_json::json!({ "providers": shown(&self.providers), "routes": shown(&self.routes) })
    }

    fn plan(self, setup: &Setup, author: Author, prune: bool) -> Result<Vec<Edit>, RegistryError> {
        let mut wrong = Wrong::default();
        let mut edits = Vec::with_capacity(self.providers.len() + self.routes.len());
        let mut named: BTreeMap<&'static str, HashSet<Arc<str>>> = BTreeMap::new();
        let kinds = [("provider", self.providers), ("route", self.routes)];
        for (kind, documents) in kinds {
            for (index, document) in documents.into_iter().enumerate() {
                let at = format!("/{kind}s/{index}");
                match target(kind, document, setup, &author) {
                    Ok((name, target)) if named.entry(kind).or_default().insert(Arc::clone(&name)) => {
                        edits.push(Edit { name, target, origin: Origin::Document(at) });
                    }
                    Ok((name, _)) => {
                        wrong.extend(&at, vec![Mistake::at("/name", format!("`{name}` stands here twice"))])
                    }
                    Err(mistakes) => wrong.extend(&at, mistakes),
                }
            }
        }
        wrong.end()?;
        if prune {
            let is_named = |kind, name: &Arc<str>| named.get(kind).is_some_and(|names| names.contains(name));
            let routes = setup
                .routes
                .iter()
                .filter(|(name, entry)| entry.managed_by == ManagedBy::Api && !is_named("route", name));
            edits.extend(routes.map(|(name, _)| absent(name, Target::NoRoute)));
            let providers = setup
                .providers
                .iter()
                .filter(|(name, entry)| entry.managed_by == ManagedBy::Api && !is_named("provider", name));
            edits.extend(providers.map(|(name, _)| absent(name, Target::NoProvider)));
        }
        Ok(edits)
    }
}

// === impl Registry ===

impl Registry {
    /// All providers and routes that came through the API. An upstream that the operator did not name is marked: who applies this is
    /// an operator too.
    #[must_use]
    pub fn export(&self) -> Bundle {
        let state = self.shared.state.load();
        let is_ours = |managed_by| managed_by == ManagedBy::Api;
        let providers = state.setup.providers.values().filter(|entry| is_ours(entry.managed_by));
        let routes = state.setup.routes.values().filter(|entry| is_ours(entry.managed_by));
        Bundle {
            providers: providers.map(|entry| entry.portable()).collect(),
            routes: routes.map(|entry| entry.document.clone()).collect(),
        }
    }

    /// Makes providers and routes what a bundle says, in one version: each document replaces what is there. `prune` takes
    /// away what came through the API and does not stand in it.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] with pointers into the bundle, or the database does not work.
    pub async fn apply_bundle(
        &self,
        editor: &Editor,
        bundle: Bundle,
        prune: bool,
    ) -> Result<Outcome, RegistryError> {
        let author = self.author(editor);
        let plan: Plan = Box::new(move |setup| bundle.plan(setup, author, prune));
        self.change(editor, self.now(), plan).await
    }
}

fn target(
    kind: &str,
    document: Document,
    setup: &Setup,
    author: &Author,
) -> Result<(Arc<str>, Target), Vec<Mistake>> {
    let document = Document::given(Value::from(document.keys().clone())).map_err(|mistake| vec![mistake])?;
    let name = document.text("name").unwrap_or_default().to_owned();
    let of_the_file =
        || vec![Mistake::at("/name", format!("the {kind} `{name}` is the configuration file's"))];
    if kind == "provider" {
        let before = setup.providers.get(name.as_str());
        if before.is_some_and(|entry| entry.managed_by == ManagedBy::File) {
            return Err(of_the_file());
        }
        let draft = author.provider(document, before.map(|entry| &**entry))?;
        return Ok((Arc::clone(&draft.provider.name), Target::Provider(draft)));
    }
    let before = setup.routes.get(name.as_str());
    if before.is_some_and(|entry| entry.managed_by == ManagedBy::File) {
        return Err(of_the_file());
    }
    let draft = author.route(document, before.map(|entry| &**entry))?;
    Ok((Arc::clone(&draft.route.name), Target::Route(draft)))
}

fn absent(name: &Arc<str>, target: Target) -> Edit {
    Edit { name: Arc::clone(name), target, origin: Origin::Absence }
}

/// Takes a list of objects out of a document.
fn objects(keys: &mut Map<String, Value>, key: &str, mistakes: &mut Vec<Mistake>) -> Vec<Map<String, Value>> {
    let items = match keys.remove(key) {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => {
            mistakes.push(Mistake::at(pointer(&[key]), "must be a list"));
            return Vec::new();
        }
    };
    let mut found = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Value::Object(keys) => found.push(keys),
            _ => mistakes.push(Mistake::at(format!("/{key}/{index}"), "must be an object")),
        }
    }
    found
}
