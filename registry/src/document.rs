//! [`Document`]: a provider or a route as people write it: the keys of the configuration file, as a JSON object.
//!
//! What the keys mean is known to the readers of the file alone ([`crate::config`]); here documents are only merged, compared
//! and shown. The values of upstream headers are secrets: [`Document::shown`] is what may leave the registry.
//! Next: [`text`] for the same as TOML.

pub(crate) mod text;

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Stands in place of a secret wherever a document is shown, and means "as it was" where one is given.
pub const SECRET: &str = "[secret]";

/// Longest document, in bytes of JSON.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Under `upstream`: it must be on the public internet, though an operator writes it here.
const PUBLIC_ONLY: &str = "public_only";

/// Tables under `upstream` whose values nobody is shown: secrets, and names of files that hold them.
const SECRETS: [&str; 2] = ["headers", "headers_file"];

/// A provider without its routes, or a route with the name of its provider.
#[derive(Clone, PartialEq)]
pub struct Document(Map<String, Value>);

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, as a JSON pointer into what was given.
    pub pointer: String,
    /// What is wrong and what to do. Never holds the value of a secret.
    pub message: String,
}

/// One place in which two documents differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What stood there; none where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What stands there; none where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

// === impl Document ===

impl Document {
    pub(crate) const fn new(keys: Map<String, Value>) -> Self {
        Self(keys)
    }

    /// Takes what somebody gave.
    pub(crate) fn given(value: Value) -> Result<Self, Mistake> {
        match value {
            Value::Object(keys) if Value::from(keys.clone()).to_string().len() <= DOCUMENT_BYTES_MAX => {
                Ok(Self(keys))
            }
            Value::Object(_) => Err(Mistake::at("", format!("is longer than {DOCUMENT_BYTES_MAX} bytes"))),
            _ => Err(Mistake::at("", "must be an object")),
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// All of it, secrets too, for the database.
    pub(crate) fn write(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }

    /// Its keys, secrets too.
    pub(crate) const fn keys(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Says that its upstream must be on the public internet, for whoever reads it elsewhere ([`Self::unmark`]). Who wrote a provider
    /// does not stand in its document.
    pub(crate) fn marked(mut self) -> Self {
        if let Some(Value::Object(upstream)) = self.0.get_mut("upstream") {
            upstream.insert(PUBLIC_ONLY.to_owned(), Value::from(true));
        }
        self
    }

    /// Takes that mark off; whether it was there.
    pub(crate) fn unmark(&mut self) -> Result<bool, Mistake> {
        let Some(Value::Object(upstream)) = self.0.get_mut("upstream") else { return Ok(false) };
        match upstream.remove(PUBLIC_ONLY) {
            None => Ok(false),
            Some(Value::Bool(marked)) => Ok(marked),
            Some(_) => Err(Mistake::at(pointer(&["upstream", PUBLIC_ONLY]), "must be true or false")),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// What may be shown, and stand in the journal: [`SECRET`] for every secret.
    #[must_use]
    pub fn shown(&self) -> Value {
        Value::from(self.hidden().0)
    }

    /// With [`SECRET`] in place of every secret.
    fn hidden(&self) -> Self {
        let mut document = self.clone();
        document.each_secret(|_, _, value| *value = Value::from(SECRET));
        document
    }

    /// With the changes of a JSON merge patch (RFC 7396): null takes a key away. [`SECRET`] stands for the secrets that the patch
    /// leaves alone ([`Self::restored`]).
    pub(crate) fn merged(&self, patch: &Map<String, Value>) -> Self {
        let mut merged = self.hidden();
        merge(&mut merged.0, patch);
        merged
    }

    /// Where [`SECRET`] stands: what is to be kept as it was.
    pub(crate) fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        self.clone().each_secret(|table, name, value| {
            if value.as_str() == Some(SECRET) {
                kept.push(pointer(&["upstream", table, name]));
            }
        });
        kept
    }

    /// With the secrets that stood in `before` where [`SECRET`] was written; a mistake where none did.
    pub(crate) fn restored(mut self, before: Option<&Self>) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        self.each_secret(|table, name, value| {
            if value.as_str() != Some(SECRET) {
                return;
            }
            let known = before.and_then(|before| before.get("upstream")?.get(table)?.get(name));
            match known {
                Some(known) => *value = known.clone(),
                None => mistakes.push(Mistake::at(
                    pointer(&["upstream", table, name]),
                    format!("{SECRET} keeps the value that is there, but there is none: write the value"),
                )),
            }
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // The secrets were not in what was given.
        Self::given(Value::Object(self.0)).map_err(|mistake| vec![mistake])
    }

    /// Where another document differs from this one, both as they may be shown.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        compare(String::new(), Some(&self.shown()), Some(&other.shown()), &mut found);
        found
    }

    fn each_secret(&mut self, mut change: impl FnMut(&str, &str, &mut Value)) {
        let Some(upstream) = self.0.get_mut("upstream").and_then(Value::as_object_mut) else { return };
        for table in SECRETS {
            let values = upstream.get_mut(table).and_then(Value::as_object_mut);
            for (name, value) in values.into_iter().flatten() {
                change(table, name, value);
            }
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.shown(), out)
    }
}

// === impl Mistake ===

impl Mistake {
    pub(crate) fn at(pointer: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { pointer: pointer.into(), message: message.to_string() }
    }

    /// In a document that is itself a part of something.
    pub(crate) fn below(self, parent: &str) -> Self {
        Self { pointer: format!("{parent}{}", self.pointer), message: self.message }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            return out.write_str(&self.message);
        }
        write!(out, "{}: {}", self.pointer, self.message)
    }
}

/// The JSON pointer (RFC 6901) of these keys.
pub(crate) fn pointer(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let inner = target.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()));
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Some(inner) = inner.as_object_mut() {
                    merge(inner, patch);
                }
            }
            value => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Objects key by key; anything else, lists too, as a whole.
fn compare(at: String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                compare(format!("{at}{}", pointer(&[key])), old.get(key), new.get(key), found);
            }
        }
        (old, new) if old == new => {}
        (old, new) => found.push(Difference { pointer: at, old: old.cloned(), new: new.cloned() }),
    }
}

#[cfg(test)]
mod tests;
