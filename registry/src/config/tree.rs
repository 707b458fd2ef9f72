//! [`Section`] and [`Item`]: the parsed tree with the place and the path of every part, and the [`Report`] of
//! what is wrong.
//!
//! A section remembers which keys it was asked for; what is left when it is finished is unknown. No message
//! repeats a value here: it may be a secret. Parsers of values that are none say what they were given
//! themselves.

mod hint;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::{Environment, Variable};
use super::error::{ConfigError, ConfigErrors, Place};
use super::key_path;
use super::source::Source;
use super::value;
use crate::document::{Document, text};

/// What is wrong so far.
pub(super) struct Report<'a> {
    source: Source<'a>,
    environment: &'a Environment,
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<ConfigError>>,
    /// Paths that a variable may override.
    overridable: RefCell<BTreeSet<String>>,
    empty: DeTable<'static>,
}

/// One table. Asked key by key, then finished.
pub(super) struct Section<'a> {
    report: &'a Report<'a>,
    table: &'a DeTable<'a>,
    spot: Spot,
    overridable: bool,
    asked: RefCell<Vec<&'static str>>,
}

/// One value.
pub(super) struct Item<'a> {
    report: &'a Report<'a>,
    key: String,
    found: Found<'a>,
}

/// Where a value is, to be kept for checks that come later.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) key: String,
    place: Place,
}

#[derive(Clone, Copy)]
enum Found<'a> {
    Value(&'a Spanned<DeValue<'a>>),
    Variable(&'a Variable, &'a str),
}

// === impl Report ===

impl<'a> Report<'a> {
    pub(super) fn new(source: Source<'a>, environment: &'a Environment) -> Self {
        Self {
            source,
            environment,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            overridable: RefCell::default(),
            empty: DeTable::new(),
        }
    }

    /// The whole file.
    pub(super) fn root(&'a self, table: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        let spot = Spot { key: String::new(), place: self.source.place(0) };
        Section { report: self, table: table.get_ref(), spot, overridable: true, asked: RefCell::default() }
    }

    /// Something is wrong there.
    pub(super) fn fail(&self, spot: &Spot, message: impl Display) {
        self.errors.borrow_mut().push(spot.error(message));
    }

    /// Something is odd there, and may be meant.
    pub(super) fn warn(&self, spot: &Spot, message: impl Display) {
        self.warnings.borrow_mut().push(spot.error(message));
    }

    /// The warnings, or everything that is wrong.
    pub(super) fn end(&self) -> Result<Vec<ConfigError>, ConfigErrors> {
        match ConfigErrors::new(self.errors.take()) {
            Some(errors) => Err(errors),
            None => Ok(self.warnings.take()),
        }
    }

    fn spot(&self, key: String, span: &Range<usize>) -> Spot {
        Spot { key, place: self.source.place(span.start) }
    }
}

// === impl Spot ===

impl Spot {
    /// A key that is not there, at its table's place.
    pub(super) fn within(section: &Self, key: &str) -> Self {
        Self { key: key_path::join(&section.key, key), place: section.place.clone() }
    }

    pub(super) fn error(&self, message: impl Display) -> ConfigError {
        error(self.place.clone(), &self.key, message)
    }
}

impl fmt::Display for Spot {
    /// As another mistake names it: `line 14 (providers[0].routes[1].name)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { line, .. } => write!(out, "line {line} ({})", self.key),
            Place::Environment { variable } => write!(out, "environment variable {variable}"),
        }
    }
}

// === impl Section ===

impl<'a> Section<'a> {
    pub(super) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Where a key stands, or its table where it is not there.
    pub(super) fn spot_of(&self, key: &str) -> Spot {
        let within = Spot::within(&self.spot, key);
        self.table.get(key).map_or(within.clone(), |value| self.report.spot(within.key, &value.span()))
    }

    /// As it was written, without some of its keys.
    pub(super) fn document(&self, without: &[&str]) -> Document {
        text::document(self.table, without)
    }

    /// The value of a key, or of the variable in front of it.
    pub(super) fn item(&self, key: &'static str) -> Option<Item<'a>> {
        self.asked.borrow_mut().push(key);
        let path = key_path::join(&self.spot.key, key);
        if self.overridable {
            self.report.overridable.borrow_mut().insert(path.clone());
            if let Some(variable) = self.report.environment.get(&path) {
                return self.variable(path, variable);
            }
        }
        let value = self.table.get(key)?;
        Some(Item { report: self.report, key: path, found: Found::Value(value) })
    }

    /// The value of a key that must be there. `hint` says what to write.
    pub(super) fn require(&self, key: &'static str, hint: &str) -> Option<Item<'a>> {
        let item = self.item(key);
        if item.is_none() {
            self.report.fail(&Spot::within(&self.spot, key), format!("is missing: {hint}"));
        }
        item
    }

    /// The table under a key; an empty one where it is not there. `overridable`: variables may stand in front
    /// of its keys.
    pub(super) fn section(&self, key: &'static str, overridable: bool) -> Section<'a> {
        self.asked.borrow_mut().push(key);
        let path = key_path::join(&self.spot.key, key);
        let value = self.table.get(key);
        let item =
            value.map(|value| Item { report: self.report, key: path.clone(), found: Found::Value(value) });
        let found = item.and_then(|item| item.section());
        let mut section = found.unwrap_or_else(|| Section {
            report: self.report,
            table: &self.report.empty,
            spot: Spot { key: path, place: self.spot.place.clone() },
            overridable,
            asked: RefCell::default(),
        });
        section.overridable = overridable;
        section
    }

    /// The tables of an array of tables.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        self.asked.borrow_mut().push(key);
        let path = key_path::join(&self.spot.key, key);
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let item = Item { report: self.report, key: path, found: Found::Value(value) };
        item.tables().iter().filter_map(Item::section).collect()
    }

    /// All keys with their values, for tables whose keys are names.
    pub(super) fn entries(&self) -> Vec<(String, Item<'a>)> {
        let named = self.table.iter().map(|(name, value)| {
            let key = key_path::join(&self.spot.key, name.get_ref());
            let item = Item { report: self.report, key, found: Found::Value(value) };
            (name.get_ref().to_string(), item)
        });
        named.collect()
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.take();
        for name in self.table.keys().filter(|name| !asked.contains(&&**name.get_ref())) {
            let near = key_path::did_you_mean(name.get_ref(), asked.iter().copied());
            let hint = if near.is_empty() { format!("; known here: {}", asked.join(", ")) } else { near };
            let spot = self.report.spot(key_path::join(&self.spot.key, name.get_ref()), &name.span());
            self.report.fail(&spot, format!("unknown key{hint}"));
        }
    }

    fn variable(&self, path: String, variable: &'a Variable) -> Option<Item<'a>> {
        let Some(value) = &variable.value else {
            let place = Place::Environment { variable: variable.name.clone() };
            self.report.fail(&Spot { key: path, place }, "is not UTF-8");
            return None;
        };
        Some(Item { report: self.report, key: path, found: Found::Variable(variable, value) })
    }
}

// === impl Item ===

impl<'a> Item<'a> {
    /// Where it is.
    pub(super) fn spot(&self) -> Spot {
        match self.found {
            Found::Value(value) => self.report.spot(self.key.clone(), &value.span()),
            Found::Variable(variable, _) => {
                let place = Place::Environment { variable: variable.name.clone() };
                Spot { key: self.key.clone(), place }
            }
        }
    }

    /// Something is wrong with it.
    pub(super) fn fail(&self, message: impl Display) {
        self.report.fail(&self.spot(), message);
    }

    /// Something is odd with it.
    pub(super) fn warn(&self, message: impl Display) {
        self.report.warn(&self.spot(), message);
    }

    pub(super) fn is_text(&self) -> bool {
        match self.found {
            Found::Value(value) => value.get_ref().is_str(),
            Found::Variable(..) => true,
        }
    }

    /// A string.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        match self.found {
            Found::Variable(_, text) => Some(Cow::Borrowed(text)),
            Found::Value(value) => match value.get_ref() {
                DeValue::String(text) => Some(text.clone()),
                other => self.mistyped("a string in quotes", other),
            },
        }
    }

    /// A string that `read` understands.
    pub(super) fn parse<T, E: Display>(&self, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match read(&self.text()?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match self.found {
            Found::Variable(_, text) => text.trim().parse().ok(),
            Found::Value(value) => match value.get_ref() {
                DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
                other => return self.mistyped("a whole number", other),
            },
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.fail(format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Option<bool> {
        let value = match self.found {
            Found::Variable(_, text) => text.trim().parse().ok(),
            Found::Value(value) => match value.get_ref() {
                DeValue::Boolean(value) => Some(*value),
                other => return self.mistyped("true or false", other),
            },
        };
        if value.is_none() {
            self.fail("must be true or false");
        }
        value
    }

    /// A date with a time and an offset, in quotes or without.
    pub(super) fn date_time(&self) -> Option<String> {
        match self.found {
            Found::Value(value) if value.get_ref().is_datetime() => {
                value.get_ref().as_datetime().map(ToString::to_string)
            }
            _ => self.text().map(Cow::into_owned),
        }
    }

    /// The elements of an array.
    pub(super) fn list(&self) -> Vec<Item<'a>> {
        let array = match self.found {
            Found::Variable(..) => {
                self.fail("is a list: it can only be set in the file");
                return Vec::new();
            }
            Found::Value(value) => match value.get_ref() {
                DeValue::Array(array) => array,
                other => return self.mistyped("a list", other).unwrap_or_default(),
            },
        };
        let items = array.iter().enumerate().map(|(index, value)| Item {
            report: self.report,
            key: key_path::index(&self.key, index),
            found: Found::Value(value),
        });
        items.collect()
    }

    /// A list of 1 to `most` items; `told` is said of anything else, once.
    pub(super) fn filled_list(&self, most: usize, told: impl Display) -> Option<Vec<Item<'a>>> {
        let is_list =
            matches!(self.found, Found::Value(value) if matches!(value.get_ref(), DeValue::Array(_)));
        let items = if is_list { self.list() } else { Vec::new() };
        if items.is_empty() || items.len() > most {
            self.fail(told);
            return None;
        }
        Some(items)
    }

    /// A table.
    pub(super) fn section(&self) -> Option<Section<'a>> {
        let Found::Value(value) = self.found else {
            self.fail("is a table: it can only be set in the file");
            return None;
        };
        match value.get_ref() {
            DeValue::Table(table) => Some(Section {
                report: self.report,
                table,
                spot: self.spot(),
                overridable: false,
                asked: RefCell::default(),
            }),
            other => self.mistyped("a table", other),
        }
    }

    fn mistyped<T>(&self, wanted: &str, given: &DeValue<'_>) -> Option<T> {
        self.fail(format!("must be {wanted}, not {}", value::type_name(given)));
        None
    }
}

fn error(place: Place, key: &str, message: impl Display) -> ConfigError {
    ConfigError { place, key: key.to_owned(), message: message.to_string() }
}
