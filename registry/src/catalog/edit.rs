//! [`Edit`]: one entry of a setup that is to be put or taken away, and where what is wrong with it is told.

use std::sync::Arc;

use domain::{Provider, Route};

use super::setup::{ManagedBy, ProviderEntry, RouteEntry, Setup};
use crate::config::{ConfigError, ConfigErrors};
use crate::document::{Document, Mistake};
use crate::registry::RegistryError;

/// A change of one entry.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) name: Arc<str>,
    pub(crate) target: Target,
    pub(crate) origin: Origin,
}

/// What is to become of it.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Provider(ProviderDraft),
    Route(RouteDraft),
    NoRoute,
    NoProvider,
}

#[derive(Clone, Debug)]
pub(crate) struct ProviderDraft {
    pub(crate) managed_by: ManagedBy,
    pub(crate) document: Document,
    pub(crate) provider: Arc<Provider>,
    pub(crate) trusted_upstream: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RouteDraft {
    pub(crate) managed_by: ManagedBy,
    pub(crate) document: Document,
    pub(crate) provider: Arc<str>,
    /// Without numbers and without its provider's place.
    pub(crate) route: Arc<Route>,
}

/// Where an edit comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A document, or a part of one: the JSON pointer to it.
    Document(String),
    /// A name in the file: a mistake there, still without words.
    File(ConfigError),
    /// What the file no longer names.
    Absence,
}

/// What is wrong with a change, told to where it comes from.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    mistakes: Vec<Mistake>,
    in_file: Vec<ConfigError>,
}

// === impl Edit ===

impl Edit {
    /// Whether the setup already is as it wants it. What is read is compared too: a file that a document names may have
    /// changed.
    pub(crate) fn is_done(&self, setup: &Setup) -> bool {
        match &self.target {
            Target::Provider(draft) => setup.providers.get(&self.name).is_some_and(|entry| draft.is(entry)),
            Target::Route(draft) => setup.routes.get(&self.name).is_some_and(|entry| draft.is(entry)),
            Target::NoRoute => !setup.routes.contains_key(&self.name),
            Target::NoProvider => !setup.providers.contains_key(&self.name),
        }
    }

    /// Providers are there before their routes come, and routes are gone before their provider goes.
    pub(crate) const fn turn(&self) -> u8 {
        match self.target {
            Target::Provider(_) => 0,
            Target::Route(_) => 1,
            Target::NoRoute => 2,
            Target::NoProvider => 3,
        }
    }
}

// === impl ProviderDraft ===

impl ProviderDraft {
    fn is(&self, entry: &ProviderEntry) -> bool {
        self.managed_by == entry.managed_by
            && self.document == entry.document
            && self.trusted_upstream == entry.trusted_upstream
            && self.provider == entry.provider
    }
}

// === impl RouteDraft ===

impl RouteDraft {
    fn is(&self, entry: &RouteEntry) -> bool {
        let written = self.managed_by == entry.managed_by
            && self.document == entry.document
            && self.provider == entry.provider;
        let known = &*entry.route;
        // Its numbers and its provider's place are not the draft's to say.
        let read = Route {
            provider: known.provider,
            revision: known.revision,
            since: known.since,
            superseded: known.superseded.clone(),
            ..(*self.route).clone()
        };
        written && read == *known
    }
}

// === impl Wrong ===

impl Wrong {
    /// Something is wrong with an edit, at this place of its document.
    pub(crate) fn tell(&mut self, origin: &Origin, pointer: &str, message: impl ToString) {
        let message = message.to_string();
        match origin {
            Origin::Document(parent) => {
                self.mistakes.push(Mistake { pointer: format!("{parent}{pointer}"), message })
            }
            Origin::File(place) => self.in_file.push(ConfigError { message, ..place.clone() }),
            Origin::Absence => self.mistakes.push(Mistake { pointer: String::new(), message }),
        }
    }

    /// What an edit's own document is wrong in.
    pub(crate) fn extend(&mut self, parent: &str, mistakes: Vec<Mistake>) {
        self.mistakes.extend(mistakes.into_iter().map(|mistake| mistake.below(parent)));
    }

    pub(crate) fn end(self) -> Result<(), RegistryError> {
        if let Some(errors) = ConfigErrors::new(self.in_file) {
            return Err(RegistryError::File(errors));
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(RegistryError::Invalid(self.mistakes)) }
    }
}
