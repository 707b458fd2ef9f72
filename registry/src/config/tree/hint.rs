//! What to write in place of a value of the wrong kind, and which variable was meant.

use std::fmt::Display;

use toml::de::DeValue;

use super::{Found, Item, Report, error};
use crate::config::error::Place;
use crate::config::{environment, key_path};

// === impl Report ===

impl Report<'_> {
    /// Variables that no key asked for.
    pub(in crate::config) fn finish_environment(&self) {
        let overridable = self.overridable.borrow();
        for (path, variable) in self.environment.iter() {
            if !overridable.contains(path) {
                let hint = key_path::did_you_mean(path, overridable.iter().map(String::as_str));
                let place = Place::Environment { variable: key_path::printable(&variable.name) };
                let message =
                    format!("no setting has this name{hint} (only single settings can be overridden)");
                self.errors.borrow_mut().push(error(place, &key_path::printable(path), message));
            }
        }
        for (name, path) in self.environment.mistaken(&overridable) {
            let place = Place::Environment { variable: name };
            let message = format!("is not read: write {}", environment::variable(path));
            self.warnings.borrow_mut().push(error(place, path, message));
        }
    }
}

// === impl Item ===

impl Item<'_> {
    /// A string that `read` understands, such as `"300s"`; a bare number lacks its `unit`. Not for secrets: the number is repeated.
    pub(in crate::config) fn parse_in<T, E: Display>(
        &self,
        unit: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(number) = self.bare_number() else { return self.parse(read) };
        self.fail(format!("must be a string in quotes with its unit, such as \"{number}{unit}\""));
        None
    }

    /// Several tables under a key that are written as one, are meant as a list of one.
    pub(super) fn tables(&self) -> Vec<Self> {
        if let Found::Value(value) = self.found
            && value.get_ref().is_table()
        {
            let name: String = self
                .key
                .split('.')
                .map(|part| part.split('[').next().unwrap_or(part))
                .collect::<Vec<_>>()
                .join(".");
            self.fail(format!("must be a list: write [[{name}]], in two brackets, once for each"));
            return Vec::new();
        }
        self.list()
    }

    fn bare_number(&self) -> Option<&str> {
        let Found::Value(value) = self.found else { return None };
        match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            _ => None,
        }
    }
}
