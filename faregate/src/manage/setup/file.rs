//! [`Setup`]: what a file says, and [`Source`]: where in it something stands.
//!
//! A member that nothing knows is refused with its line: mistyped, it would say nothing without a word.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::agents::Agent;
use super::destinations::Destination;
use super::keys::{AgentKey, ApiKey};
use super::wallets::Wallet;
use super::webhooks::Webhook;
use crate::manage::input::read_text;

/// A whole setup. Providers and routes are documents that the API reads; the others have types of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Setup {
    pub(super) providers: Vec<Map<String, Value>>,
    pub(super) routes: Vec<Map<String, Value>>,
    pub(super) wallets: Vec<Wallet>,
    pub(super) payout_destinations: Vec<Destination>,
    pub(super) agents: Vec<Agent>,
    pub(super) webhooks: Vec<Webhook>,
    pub(super) agent_keys: Vec<AgentKey>,
    pub(super) api_keys: Vec<ApiKey>,
}

/// The file's text.
pub(super) struct Source {
    name: String,
    text: String,
}

/// What keeps a file from being applied: JSON pointers into it, each with what is wrong there.
#[derive(Debug, Default)]
pub(super) struct Mistakes(BTreeMap<String, String>);

// === impl Setup ===

impl Setup {
    /// Every agent that it names.
    pub(super) fn agent_names(&self) -> BTreeSet<&str> {
        let of_keys = self.agent_keys.iter().map(|key| key.agent.as_str());
        self.agents.iter().map(|agent| agent.name.as_str()).chain(of_keys).collect()
    }
}

// === impl Source ===

impl Source {
    /// Reads a file: TOML, or JSON where its name ends so; `-` is TOML on standard input.
    pub(super) fn read(name: &str) -> anyhow::Result<(Setup, Self)> {
        let source = Self { name: name.to_owned(), text: read_text(name)? };
        Ok((source.parse()?, source))
    }

    fn parse(&self) -> anyhow::Result<Setup> {
        let read: anyhow::Result<Setup> = if self.is_json() {
            serde_json::from_str(&self.text).map_err(Into::into)
        } else {
            toml::from_str(&self.text).map_err(Into::into)
        };
        read.with_context(|| format!("{} is no setup", self.name))
    }

    /// None of the mistakes there are, or all of them, each with its line.
    pub(super) fn expect_none(&self, mistakes: &Mistakes) -> anyhow::Result<()> {
        if mistakes.0.is_empty() {
            return Ok(());
        }
        let told = mistakes.0.iter().map(|(pointer, message)| match self.line(pointer) {
            Some(line) => format!("\n  line {line}, {pointer}: {message}"),
            None if pointer.is_empty() => format!("\n  {message}"),
            None => format!("\n  {pointer}: {message}"),
        });
        anyhow::bail!("nothing was changed: {} cannot be applied{}", self.name, told.collect::<String>())
    }

    /// The line in which a pointer leads somewhere, or the last part of it that does. JSON is not looked through.
    fn line(&self, pointer: &str) -> Option<usize> {
        if self.is_json() {
            return None;
        }
        let root = DeTable::parse(&self.text).ok()?;
        let mut tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        let first = tokens.next()?;
        let (key, mut here) = root.get_ref().iter().find(|(key, _)| *key.get_ref() == *first)?;
        let mut at = key.span().start;
        for token in tokens {
            let next = match here.get_ref() {
                DeValue::Table(table) => table
                    .iter()
                    .find(|(key, _)| *key.get_ref() == *token)
                    .map(|(key, value)| (key.span(), value)),
                DeValue::Array(items) => {
                    let item = token.parse().ok().and_then(|index: usize| items.get(index));
                    item.map(|item| (item.span(), item))
                }
                _ => None,
            };
            let Some((span, value)) = next else { break };
            (at, here) = (span.start, value);
        }
        Some(self.text.get(..at)?.matches('\n').count() + 1)
    }

    fn is_json(&self) -> bool {
        self.name.ends_with(".json")
    }
}

// === impl Mistakes ===

impl Mistakes {
    /// What was said first of a place counts.
    pub(super) fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.entry(pointer.into()).or_insert_with(|| message.into());
    }
}
