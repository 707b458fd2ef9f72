//! [`Environment`]: `FAREGATE__SECTION__KEY` variables that stand in front of the file's scalar settings.

use std::collections::{BTreeMap, BTreeSet};

/// What every such variable begins with.
pub const PREFIX: &str = "FAREGATE__";

/// The variables that override settings. Taken once; nothing else reads the process's environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Key path, such as `listen.control`, to the variable's name and value.
    variables: BTreeMap<String, Variable>,
    /// Names of ours with one underscore where two are wanted, or of other programs of ours.
    others: BTreeSet<String>,
}

/// One variable.
#[derive(Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    /// `None` where it is not UTF-8.
    pub(super) value: Option<String>,
}

// === impl Environment ===

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self::collect(named.map(|(name, value)| (name, value.into_string().ok())))
    }

    /// These variables; those with another prefix are ignored.
    #[must_use]
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::collect(pairs.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))))
    }

    pub(super) fn get(&self, path: &str) -> Option<&Variable> {
        self.variables.get(path)
    }

    /// Key paths and their variables.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.variables.iter().map(|(path, variable)| (path.as_str(), variable))
    }

    /// Variables that were likely meant for one of these settings, each with its setting.
    pub(super) fn mistaken<'a>(
        &'a self,
        paths: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = (String, &'a str)> {
        self.others.iter().filter_map(|name| {
            let meant = paths.iter().find(|path| variable(path).replace("__", "_") == *name)?;
            Some((name.clone(), meant.as_str()))
        })
    }

    fn collect(pairs: impl Iterator<Item = (String, Option<String>)>) -> Self {
        let mut found = Self::default();
        for (name, value) in pairs.filter(|(name, _)| name.starts_with("FAREGATE_")) {
            match name.strip_prefix(PREFIX) {
                Some(path) => {
                    let path = path.to_ascii_lowercase().replace("__", ".");
                    found.variables.insert(path, Variable { name, value });
                }
                None => drop(found.others.insert(name)),
            }
        }
        found
    }
}

/// The variable that stands in front of a setting.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"))
}

impl std::fmt::Debug for Variable {
    /// Its value may be a secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)
    }
}
