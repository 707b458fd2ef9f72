//! Reads documents of the management API and of the database: through TOML, by the same readers as the file.

use std::path::Path;
use std::sync::Arc;

use domain::{Provider, ProviderId, Route, SettlementRules};
use toml::de::DeTable;

use super::environment::Environment;
use super::key_path;
use super::route::Judge;
use super::source::Source;
use super::tree::{Report, Section};
use super::{provider, route, value};
use crate::document::{Document, Mistake, text};

/// A provider; `rules` hold where it agrees on no others. Files that it names are opened: see that nobody names some who may not.
pub(crate) fn read_provider(document: &Document, rules: SettlementRules) -> Result<Provider, Vec<Mistake>> {
    read(document, |section| {
        let entry = provider::entry(&section, rules);
        section.finish();
        entry.provider
    })
}

/// A route that somebody writes, and the name of its provider.
pub(crate) fn read_route(
    document: &Document,
    request_bytes_max: u64,
) -> Result<(Arc<str>, Route), Vec<Mistake>> {
    any_route(document, request_bytes_max, Judge::New)
}

/// A route that was written before, and the name of its provider.
pub(crate) fn read_stored_route(
    document: &Document,
    request_bytes_max: u64,
) -> Result<(Arc<str>, Route), Vec<Mistake>> {
    any_route(document, request_bytes_max, Judge::Stored)
}

fn any_route(
    document: &Document,
    request_bytes_max: u64,
    judge: Judge,
) -> Result<(Arc<str>, Route), Vec<Mistake>> {
    read(document, |section| {
        let item = section.require("provider", "name the provider whose route it is");
        let provider = item.and_then(|item| item.parse(value::name));
        let read = route::read(&section, ProviderId(0), request_bytes_max, judge);
        section.finish();
        let read = read?;
        Some((provider?.into(), read.route))
    })
}

fn read<T>(document: &Document, reader: impl FnOnce(Section<'_>) -> Option<T>) -> Result<T, Vec<Mistake>> {
    let nulls = text::nulls(document.keys());
    if !nulls.is_empty() {
        return Err(nulls);
    }
    let text = text::body(document.keys());
    let (table, syntax) = DeTable::parse_recoverable(&text);
    if !syntax.is_empty() {
        return Err(syntax.iter().map(|error| Mistake::at("", error.message())).collect());
    }
    let environment = Environment::default();
    let report = Report::new(Source::new(Path::new(""), &text), &environment);
    let found = reader(report.root(&table));
    if let Err(errors) = report.end() {
        let mistake = |error: &super::ConfigError| Mistake::at(key_path::pointer(&error.key), &error.message);
        return Err(errors.iter().map(mistake).collect());
    }
    found.ok_or_else(|| vec![Mistake::at("", "cannot be read")])
}

#[cfg(test)]
mod tests;
