//! [`Environment`]: `FAREGATE__SECTION__KEY` variables that stand in front of the file's scalar settings.

use std::collections::BTreeMap;

/// What every such variable begins with.
pub const PREFIX: &str = "FAREGATE__";

/// The variables that override settings. Taken once; nothing else reads the process's environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Key path, such as `listen.control`, to the variable's name and value.
    variables: BTreeMap<String, Variable>,
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

    fn collect(pairs: impl Iterator<Item = (String, Option<String>)>) -> Self {
        let variables = pairs.filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
            Some((path, Variable { name, value }))
        });
        Self { variables: variables.collect() }
    }
}

impl std::fmt::Debug for Variable {
    /// Its value may be a secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)
    }
}
