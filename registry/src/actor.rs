//! [`Actor`]: who changes something, as the audit log names them.

use std::fmt;
use std::str::FromStr;

use domain::ApiKeyId;
use thiserror::Error;

/// Who makes a change.
///
/// Its text is what the ledger keeps with money that somebody moves, until the journal has it: `key key_01... req_01...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Which kind.
    pub kind: ActorKind,
    /// The id of the call that asked for it, if one did.
    pub request: Option<String>,
}

/// The kinds of those who change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// Whoever holds the administrator's token of the configuration.
    Token,
    /// Whoever holds this key of the management API.
    Key(ApiKeyId),
    /// The configuration file.
    File,
    /// Faregate itself, by a rule that somebody set before.
    System,
}

/// A text that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it does not say who")]
pub struct NobodyError;

/// Stands in the text for what is not there.
const NOTHING: &str = "-";

// === impl Actor ===

impl Actor {
    /// One that no call asked.
    #[must_use]
    pub const fn new(kind: ActorKind) -> Self {
        Self { kind, request: None }
    }

    /// The kind as a word, and who of it.
    pub(crate) fn words(&self) -> (&'static str, String) {
        match self.kind {
            ActorKind::Token => ("token", String::new()),
            ActorKind::Key(id) => ("key", id.to_string()),
            ActorKind::File => ("file", String::new()),
            ActorKind::System => ("system", String::new()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, of_it) = self.words();
        let of_it = if of_it.is_empty() { NOTHING } else { &of_it };
        write!(out, "{kind} {of_it} {}", self.request.as_deref().unwrap_or(NOTHING))
    }
}

impl FromStr for Actor {
    type Err = NobodyError;

    fn from_str(text: &str) -> Result<Self, NobodyError> {
        let mut words = text.split(' ');
        let (Some(kind), Some(of_it), Some(request), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NobodyError);
        };
        let kind = match (kind, of_it) {
            ("token", NOTHING) => ActorKind::Token,
            ("key", id) => ActorKind::Key(id.parse().map_err(|_| NobodyError)?),
            ("file", NOTHING) => ActorKind::File,
            ("system", NOTHING) => ActorKind::System,
            _ => return Err(NobodyError),
        };
        let request = match request {
            "" => return Err(NobodyError),
            NOTHING => None,
            request => Some(request.to_owned()),
        };
        Ok(Self { kind, request })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_as_it_was_written_and_nobody_is_made_up() {
        let key = ActorKind::Key(ApiKeyId::from_bytes([7; 16]));
        for kind in [ActorKind::Token, key, ActorKind::File, ActorKind::System] {
            for request in [None, Some("req_1".to_owned())] {
                let actor = Actor { kind, request };
                assert_eq!(actor.to_string().parse(), Ok(actor));
            }
        }
        for text in ["", "token", "token - ", "token - - -", "token x -", "key - -", "nobody - -"] {
            assert_eq!(text.parse::<Actor>(), Err(NobodyError), "{text}");
        }
    }
}
