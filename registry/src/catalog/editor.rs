//! [`Editor`]: who changes the catalog and what they may, and what comes of a change.

use serde::Serialize;
use serde_json::Value;

use crate::document::{Difference, Mistake};
use crate::journal::{Actor, ActorKind};

/// Who changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Editor {
    /// Who the journal says it was.
    pub actor: Actor,
    /// What they may write.
    pub rights: Rights,
    /// Everything is checked and nothing is kept.
    pub dry_run: bool,
}

/// What somebody may write. Whose entries they may touch is asked where the call comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Everything but files of the gateway's host, which only the configuration file names.
    Operator,
    /// A provider their own API and routes: not the fee, the hosts, the recipient or the suspension, and no upstream on the
    /// operator's own network unless the operator lets them.
    Provider,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The version of the catalog from which on it holds. That one is in force in this process; of a dry run it is the one
    /// that would be made, and where nothing changes the one that is in force.
    pub version: u64,
    /// What changed.
    pub changes: Vec<EntryChange>,
}

/// How one provider or route changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntryChange {
    /// `provider` or `route`.
    pub kind: &'static str,
    /// Which.
    pub name: String,
    /// Whose: its provider's name.
    pub provider: String,
    /// `added`, `changed` or `removed`.
    pub change: &'static str,
    /// Its price as it was written; none for a provider, and where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_price: Option<Value>,
    /// Its price as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_price: Option<Value>,
    /// Where it changed, secrets left out; nothing for what was added or removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

// === impl Editor ===

impl Editor {
    /// The operator, whose change is meant.
    #[must_use]
    pub const fn operator(actor: Actor) -> Self {
        Self { actor, rights: Rights::Operator, dry_run: false }
    }

    /// A provider, whose change is meant.
    #[must_use]
    pub const fn provider(actor: Actor) -> Self {
        Self { actor, rights: Rights::Provider, dry_run: false }
    }

    /// The configuration file.
    pub(crate) const fn file() -> Self {
        Self::operator(Actor::new(ActorKind::File))
    }

    pub(crate) fn is_file(&self) -> bool {
        self.actor.kind == ActorKind::File
    }

    pub(crate) fn is_operator(&self) -> bool {
        self.rights == Rights::Operator
    }
}

/// All mistakes on lines of their own, as the text of an error.
pub(crate) fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
