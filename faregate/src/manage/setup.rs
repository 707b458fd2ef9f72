//! `faregate export` and `faregate apply FILE`: the whole setup as one document, as people keep it in a repository: providers
//! and routes that came through the API, wallets, payout destinations, agents with their policies and signers, webhooks, and
//! what keys there are.
//!
//! Neither money nor secrets stand in it. `[secret]` stands in place of the value of an upstream header, and applied to the same
//! Faregate it means that it stays as it is. [`file`] is what is read, [`plan`] what is to be done; each other module is one
//! kind of thing. Everything that can be known to be wrong is told before anything is changed.

mod agents;
mod catalog;
mod destinations;
mod file;
mod gone;
mod keys;
mod lists;
mod names;
mod plan;
mod signers;
mod value;
mod wallets;
mod webhooks;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::command::{common, of_changes};
use super::refusal::Refusal;
use super::{Api, table};
use crate::output::{Format, Verdict, print_json, print_text};
use file::Source;
use plan::{Outcome, Plan};

/// Writes it.
pub(super) const EXPORT: &str = "export";

/// Makes what is there what a document says.
pub(super) const APPLY: &str = "apply";

/// Begins an exported file.
const HEAD: &str = "# The setup of a Faregate: `faregate apply` makes another one the same. What its configuration file brings, money and\n\
                    # secrets are not in it.\n\n";

/// Names of what was not done that an error lists.
const NAMES_MAX: usize = 20;

/// What the key that is shown may read. A tenant exports what is its own.
#[derive(Default)]
struct Readable {
    left_out: Vec<&'static str>,
}

pub(super) fn commands() -> [Command; 2] {
    let file = Arg::new("file")
        .long("file")
        .value_name("FILE")
        .help("Write it here; standard output where not given");
    let export = Command::new(EXPORT).about(
        "Write the whole setup that came through the management API as TOML, without money and secrets",
    );
    let document = Arg::new("document").value_name("FILE").required(true);
    let document = document.help("TOML, or JSON where its name ends so; - for TOML on standard input");
    let prune = Arg::new("prune").long("prune").action(ArgAction::SetTrue);
    let prune = prune.help(
        "Take away providers, routes and webhooks that came through the API and do not stand in the document",
    );
    let apply =
        Command::new(APPLY).about("Make the setup what a document says; applied again it changes nothing");
    [common(export.arg(file)), common(apply.args([document, prune]).args(of_changes("PUT", true)))]
}

/// `faregate export`.
pub(super) async fn export(matches: &ArgMatches) -> anyhow::Result<Verdict> {
    let api = Api::new(matches)?;
    let mut readable = Readable::default();
    let catalog = readable.read("providers and routes", catalog::export(&api).await)?;
    let wallets = readable.read("wallets", wallets::read(&api).await)?;
    let destinations = readable.read("payout destinations", destinations::export(&api, &wallets).await)?;
    let (agents, agent_keys) = readable.read("agents", agents::export(&api, &wallets).await)?;
    let webhooks = webhooks::export(readable.read("webhooks", webhooks::read(&api).await)?)?;
    let keys = agent_keys + &readable.read("keys of the API", keys::export(&api).await)?;
    let keys = if keys.is_empty() { keys } else { format!("{}{keys}", keys::NOTE) };
    let parts = [HEAD, &readable.told(), &catalog, &wallets::export(&wallets)?, &destinations, &agents];
    let text = parts.concat() + &webhooks + &keys;
    let text = text.trim();
    match matches.get_one::<String>("file") {
        Some(file) => {
            std::fs::write(file, format!("{text}\n")).with_context(|| format!("cannot write {file}"))?
        }
        None => print_text(text),
    }
    Ok(Verdict::Yes)
}

/// `faregate apply FILE`.
pub(super) async fn apply(matches: &ArgMatches, format: Format) -> anyhow::Result<Verdict> {
    let file = matches.get_one::<String>("document").context("name the document")?;
    let (dry_run, prune) = (matches.get_flag("dry-run"), matches.get_flag("prune"));
    let api = Api::new(matches)?.patient();
    let (setup, source) = Source::read(file)?;
    let mut plan = Plan::default();
    let version = catalog::plan(&api, &setup, prune, &mut plan).await?;
    plan.names = names::Names::read(&api, &setup, prune).await?;
    if !setup.wallets.is_empty() {
        wallets::plan(&setup.wallets, &wallets::read(&api).await?, &mut plan);
    }
    destinations::plan(&api, &setup.payout_destinations, &setup.providers, &mut plan).await?;
    let agents = agents::Known::read(&api, setup.agent_names()).await?;
    agents::plan(&setup.agents, &agents, &mut plan)?;
    signers::expect_free(&api, &setup.agents, &mut plan.mistakes).await?;
    if prune || !setup.webhooks.is_empty() {
        let trials = webhooks::plan(&setup.webhooks, webhooks::read(&api).await?, prune, &mut plan);
        for trial in trials {
            trial.run(&api, &mut plan.mistakes).await?;
        }
    }
    let keys = keys::missing(&api, setup.agent_keys, setup.api_keys, &agents, &mut plan).await?;
    source.expect_none(&plan.mistakes)?;
    let gone = gone::Gone::read(&api, &plan).await?;
    gone.say_before();

    let is_trial = dry_run && !plan.steps.is_empty();
    let outcome =
        if dry_run { plan.tried() } else { plan.run(&api, |secret| say_secret(secret, format)).await };
    let is_gone = !dry_run && outcome.stopped.is_none();
    let said = say(outcome, &version, &keys.told(), &gone, format);
    if is_gone {
        gone.say_after();
    }
    if is_trial {
        eprintln!("{}", super::UNCHANGED);
    }
    said
}

/// A secret as soon as it is there: whoever is interrupted has it.
fn say_secret(secret: &Value, format: Format) {
    let word = |name: &str| secret[name].as_str().unwrap_or_default();
    if format == Format::Text {
        print_text(&format!(
            "secret of the webhook {} ({}), shown here and never again: {}",
            word("webhook"),
            word("url"),
            word("secret")
        ));
    }
}

fn say(
    outcome: Outcome,
    version: &Value,
    keys: &[Value],
    gone: &gone::Gone,
    format: Format,
) -> anyhow::Result<Verdict> {
    let Outcome { done, left, secrets, stopped } = outcome;
    let stopped = stopped.map(|error| told(error, &done, &left));
    if format == Format::Json {
        let is_whole = stopped.is_none();
        print_json(&json!({
            "version": version, "changes": done, "not_done": left, "webhook_secrets": secrets,
            "keys_not_made": keys, "owed_by_removed": gone.object(), "error": stopped.map(|error| format!("{error:#}")),
        }));
        return Ok(is_whole.into());
    }
    if stopped.is_none() || !done.is_empty() {
        print_text(&table::of_changes(&json!({ "changes": done })));
    }
    if !keys.is_empty() {
        eprintln!(
            "faregate: {} keys of the file are not there, and were not made: nobody can copy a key. These commands make new \
             ones, each of which is shown once:",
            keys.len()
        );
        keys.iter().for_each(|key| eprintln!("  {}", key["command"].as_str().unwrap_or_default()));
    }
    stopped.map_or(Ok(Verdict::Yes), Err)
}

/// Where an apply stopped, and what is left.
fn told(error: anyhow::Error, done: &[Value], left: &[Value]) -> anyhow::Error {
    let name = |change: &Value| {
        let word = |name: &str| change[name].as_str().unwrap_or_default();
        format!("{} {}", word("kind"), word("name"))
    };
    let mut names: Vec<String> = left.iter().take(NAMES_MAX).map(name).collect();
    if left.len() > NAMES_MAX {
        names.push(format!("{} more", left.len() - NAMES_MAX));
    }
    let first = names.first().cloned().unwrap_or_default();
    error.context(format!(
        "stopped at {first}, which may be done in part. Done: {} of {} changes. Not done: {}. Applied again, the file goes on from \
         here",
        done.len(),
        done.len() + left.len(),
        names.join(", ")
    ))
}

// === impl Readable ===

impl Readable {
    /// Nothing in place of what may not be read.
    fn read<T: Default>(&mut self, what: &'static str, read: anyhow::Result<T>) -> anyhow::Result<T> {
        match read {
            Err(error) if Refusal::is(StatusCode::FORBIDDEN, &error) => {
                self.left_out.push(what);
                Ok(T::default())
            }
            read => read,
        }
    }

    fn told(&self) -> String {
        if self.left_out.is_empty() {
            return String::new();
        }
        format!("# Not in it either, because the key may not read it: {}.\n\n", self.left_out.join(", "))
    }
}

#[cfg(test)]
mod tests;
