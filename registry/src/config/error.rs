//! [`ConfigErrors`]: everything that is wrong with a configuration, each with its place and what to do.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a mistake stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file. Lines and columns count from 1, columns in characters.
    File {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The character in it.
        column: usize,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

/// One mistake. Never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// The path of its key, such as `providers[0].routes[2].price`.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// All mistakes of one configuration, in the order of their places; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ConfigErrors(Vec<ConfigError>);

// === impl ConfigError ===

impl ConfigError {
    /// The line, where it is in a file.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match &self.place {
            Place::File { line, .. } => Some(*line),
            Place::Environment { .. } => None,
        }
    }
}

impl fmt::Display for ConfigError {
    /// `faregate.toml:12:9: providers[0].routes[2].price: what to do`, as editors and terminals follow it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { file, line, column } => write!(out, "{}:{line}:{column}: ", file.display())?,
            Place::Environment { variable } => write!(out, "environment variable {variable}: ")?,
        }
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.message)
    }
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// `None` where there is nothing wrong.
    pub(crate) fn new(mut errors: Vec<ConfigError>) -> Option<Self> {
        errors.sort();
        errors.dedup();
        if errors.is_empty() { None } else { Some(Self(errors)) }
    }

    /// One mistake.
    pub(crate) fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{error}")?;
        }
        Ok(())
    }
}
