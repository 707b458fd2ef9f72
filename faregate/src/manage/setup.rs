//! `faregate export` and `faregate apply FILE`: the whole setup as one document, as people keep it in a repository: providers
//! and routes that came through the API, in one version, then [`agents`].
//!
//! Values that are secrets are not exported: `[secret]` stands in their place, and applied to the same Faregate it means that
//! they stay as they are.

mod agents;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command};
use reqwest::Method;

use super::command::{common, of_changes};
use super::input::{Input, read_body};
use super::{Api, table};
use crate::output::{Format, Verdict, print_json, print_text};
use crate::random;

/// Writes it.
pub(super) const EXPORT: &str = "export";

/// Makes what is there what a document says.
pub(super) const APPLY: &str = "apply";

pub(super) fn commands() -> [Command; 2] {
    let file = Arg::new("file")
        .long("file")
        .value_name("FILE")
        .help("Write it here; standard output where not given");
    let export = Command::new(EXPORT)
        .about("Write providers and routes that came through the management API, and agents, as TOML");
    let document = Arg::new("document").value_name("FILE").required(true);
    let document = document.help("TOML, or JSON where its name ends so; - for TOML on standard input");
    let prune = Arg::new("prune").long("prune").action(ArgAction::SetTrue);
    let prune = prune.help("Take away what came through the API and does not stand in the document");
    let apply = Command::new(APPLY).about("Make providers, routes and agents what a document says");
    [common(export.arg(file)), common(apply.args([document, prune]).args(of_changes("POST", true)))]
}

/// `faregate export`.
pub(super) async fn export(matches: &ArgMatches) -> anyhow::Result<Verdict> {
    let input = Input::of(Method::GET, "/v1/catalog/export", vec![("format".to_owned(), "toml".to_owned())]);
    let api = Api::new(matches)?;
    let text = api.text(&input).await? + &agents::export(&api).await?;
    match matches.get_one::<String>("file") {
        Some(file) => std::fs::write(file, text).with_context(|| format!("cannot write {file}"))?,
        None => print_text(text.trim()),
    }
    Ok(Verdict::Yes)
}

/// `faregate apply FILE`.
pub(super) async fn apply(matches: &ArgMatches, format: Format) -> anyhow::Result<Verdict> {
    let file = matches.get_one::<String>("document").context("name the document")?;
    let flags = [("dry_run", matches.get_flag("dry-run")), ("prune", matches.get_flag("prune"))];
    let query =
        flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| (name.to_owned(), "true".to_owned()));
    let key = matches.get_one::<String>("idempotency-key").cloned();
    let api = Api::new(matches)?;
    let mut setup = read_body(file, !file.ends_with(".json"))?;
    let agents = agents::take(&mut setup)?;
    let input = Input {
        body: Some(setup.into()),
        idempotency_key: Some(key.map_or_else(|| random::hex().map(|hex| format!("cli-{hex}")), Ok)?),
        ..Input::of(Method::POST, "/v1/catalog/apply", query.collect())
    };
    let mut outcome = api.ask(&input).await?;
    let changed = agents::apply(&api, agents, matches.get_flag("dry-run")).await?;
    if let Some(changes) = outcome["changes"].as_array_mut() {
        changes.extend(changed);
    }
    match format {
        Format::Json => print_json(&outcome),
        Format::Text => print_text(&table::of_changes(&outcome)),
    }
    Ok(Verdict::Yes)
}
