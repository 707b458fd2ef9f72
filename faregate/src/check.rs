//! `faregate check`: every mistake of a configuration at once, for people, editors and pipelines. Where the database that the
//! file names can be read, what came through the management API and would keep a start with this file from working as well.

mod header;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use clap::Args;
use domain::{Price, ProviderId};
use protocol::network::is_solana;
use registry::config::{ConfigError, ConfigErrors, ForeignSettings, Loaded, Place};
use registry::{Config, Registry, RegistryError};
use serde_json::{Value, json};

use crate::clock::SystemClock;
use crate::config_file::ConfigFile;
use crate::database::{none_yet, open_to_others, place};
use crate::elsewhere;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::owed;
use crate::service::outlets;
use crate::service::settings::books;

/// Why a file with a mistake is not held against the database.
const MISTAKEN: &str = "they are looked at once the file has no mistake";

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Fail also where the database that the file names was not seen. Without it a file is judged by itself where there is
    /// no database, or none that can be reached, as in a pipeline; what was not seen is said.
    #[arg(long)]
    require_database: bool,
}

/// What was found.
#[derive(Default)]
struct Findings {
    errors: Vec<Mistake>,
    warnings: Vec<ConfigError>,
    /// What the file cannot have, without a place in it.
    notes: Vec<String>,
    /// Why nothing is said about what came through the management API; none where it was looked at.
    unseen: Option<String>,
    /// Whether there is a database of which nothing was seen, and so nothing of what providers earned either.
    is_away: bool,
    /// Why nothing is said about what providers earned and what is open on public networks; none where that was looked at, or nothing was there to look at.
    unread: Option<String>,
    /// Whether nothing opens the management API.
    control_closed: bool,
}

/// What is wrong, with its place in the file where it has one.
enum Mistake {
    Placed(ConfigError),
    Unplaced(String),
}

/// Reads the file, the files it names and the environment, and the database as it is. Starts nothing, changes nothing.
pub(crate) async fn execute(arguments: &Arguments, format: Format) -> Verdict {
    let loaded = arguments.config.load();
    let findings = match &loaded {
        Ok(loaded) => {
            let mut findings = Findings::beside(&loaded.config).await;
            let notes = outlets::warnings(&loaded.config)
                .chain(unsold(&loaded.config))
                .chain(unshown(&loaded.config))
                .chain(header::warnings(&loaded.config))
                .chain(outlived(&loaded.config))
                .chain(fronted(&loaded.config))
                .chain(open_to_others(&loaded.config.data));
            findings.notes.extend(notes);
            let warnings = loaded.warnings.clone();
            let control_closed = loaded.config.control.admin_token.is_none();
            let findings = Findings { warnings, control_closed, ..findings };
            if arguments.require_database { findings.required() } else { findings }
        }
        Err(errors) => Findings { errors: placed(errors), ..Findings::unseen(MISTAKEN.to_owned()) },
    };
    match format {
        Format::Json => print_json(&findings.object()),
        Format::Text => {
            let last = match (&loaded, findings.errors.len()) {
                (Ok(loaded), 0) => summary(arguments, loaded, findings.is_away),
                (_, 1) => "1 mistake".to_owned(),
                (_, mistakes) => format!("{mistakes} mistakes"),
            };
            print_text(&findings.lines().chain([last]).collect::<Vec<_>>().join("\n"));
        }
    }
    findings.errors.is_empty().into()
}

fn summary(arguments: &Arguments, loaded: &Loaded, is_away: bool) -> String {
    let catalog = &loaded.config.catalog;
    let (providers, routes, agents) =
        (catalog.providers.len(), catalog.routes.len(), loaded.config.agents.len());
    let file = arguments.config.path.display();
    let closed = match loaded.config.control.admin_token {
        Some(_) => "",
        None => "; the management API is closed: it has no control.admin_token or admin_token_file",
    };
    let away = if is_away { "; as far as can be told without its database" } else { "" };
    format!("{file}: ok (providers: {providers}, routes: {routes}, agents: {agents}{closed}{away})")
}

/// For how long what is signed on Solana can be settled, in seconds: its block must be one of the last 150, and some are skipped.
const SOLANA_SECONDS_MAX: u64 = 60;

/// Somebody else speaks TLS for it, and all clients have that one's address: it has a share as one client has.
fn fronted(config: &Config) -> Option<String> {
    let is_https = config.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
    let speaks_tls = config.listeners.data.iter().any(|listener| listener.tls.is_some());
    (is_https && !speaks_tls && config.limits.clients_per_address == NonZeroU32::MIN).then(|| {
        "limits: clients_per_address is 1, and public_url is https where no listener speaks TLS: whatever stands in front has the address of \
         all clients, and an eighth of what is open at once; write clients_per_address = 8 where that is so"
            .to_owned()
    })
}

/// Networks of Solana whose upstreams may take longer than a payment holds.
fn outlived(config: &Config) -> impl Iterator<Item = String> {
    solana(config).filter(|one| one.network.max_timeout_seconds > SOLANA_SECONDS_MAX).map(|one| {
        format!(
            "networks: {}: max_timeout is {} s, and what is signed there holds for about {SOLANA_SECONDS_MAX}: a call that takes longer is worked for and not paid",
            one.network.id, one.network.max_timeout_seconds
        )
    })
}

fn solana(config: &Config) -> impl Iterator<Item = &ForeignSettings> {
    config.foreign.iter().filter(|one| is_solana(&one.network.id))
}

/// Networks of Solana without nodes: their facilitators are believed.
fn unshown(config: &Config) -> impl Iterator<Item = String> {
    solana(config).filter(|one| one.nodes.is_empty()).map(|one| {
        format!(
            "networks: {}: rpc names no nodes, so that its facilitator is believed: a payment may be served whose transaction failed",
            one.network.id
        )
    })
}

/// Who sells, and not on the public networks of the file: that is easily forgotten.
fn unsold(config: &Config) -> impl Iterator<Item = String> {
    let catalog = &config.catalog;
    let priced = catalog.routes.iter().filter(|route| route.price != Price::Free);
    let sellers: HashSet<_> = priced.map(|route| route.provider).collect();
    let has_networks = !config.networks.is_empty() || !config.foreign.is_empty();
    let silent = (0..).map(ProviderId).zip(&catalog.providers).filter(move |(id, provider)| {
        let is_paid = provider.payee.is_some() || !provider.foreign.is_empty();
        has_networks && !provider.suspended && !is_paid && sellers.contains(id)
    });
    silent.map(|(_, provider)| {
        format!(
            "providers: {}: is not sold on public networks, because nobody is paid there: write address = \"0x...\", the provider's own, \
             or custody = \"treasury\", or foreign_addresses for a non-EVM network",
            provider.name
        )
    })
}

fn placed(errors: &ConfigErrors) -> Vec<Mistake> {
    errors.iter().cloned().map(Mistake::Placed).collect()
}

fn object(error: &ConfigError) -> Value {
    let place = match &error.place {
        Place::File { file, line, column } => json!({ "file": file, "line": line, "column": column }),
        Place::Environment { variable } => json!({ "variable": variable }),
    };
    let mut object = place;
    object["key"] = json!(error.key);
    object["message"] = json!(error.message);
    object
}

// === impl Findings ===

impl Findings {
    /// A file without mistakes, beside what is stored.
    async fn beside(config: &Config) -> Self {
        let tried = match Registry::try_file(config, Arc::new(SystemClock)).await {
            Ok(Some(providers)) => return Self::owed(config, &providers).await,
            Ok(None) => return Self::unseen(none_yet(&config.data)),
            Err(tried) => tried,
        };
        let mut findings = Self::default();
        for error in tried {
            match error {
                RegistryError::File(errors) => findings.errors.extend(placed(&errors)),
                RegistryError::Invalid(mistakes) => {
                    findings
                        .errors
                        .extend(mistakes.iter().map(|mistake| Mistake::Unplaced(mistake.to_string())));
                }
                RegistryError::Unreadable(told) => {
                    findings.errors.extend(told.lines().map(|line| Mistake::Unplaced(line.to_owned())));
                }
                // It was reached: no start with this file would be let in.
                RegistryError::Store(error) if error.is_refused() => {
                    let told =
                        format!("data.database: {} lets nobody in with this URL: {error}", config.data);
                    findings.errors.push(Mistake::Unplaced(told));
                }
                error => {
                    findings.unseen = Some(format!("{} cannot be read: {error}", place(&config.data)));
                    findings.is_away = true;
                }
            }
        }
        findings
    }

    /// Who would be gone with this file, and is owed something, and which networks would be, with payments that are open there.
    async fn owed(config: &Config, providers: &HashSet<Arc<str>>) -> Self {
        let books = books(&config.data);
        match (ledger::owed_of(&books).await, ledger::open_on_of(&books).await) {
            (Ok(owed), Ok(open)) => {
                let owed = owed::warnings(&owed, |name| providers.contains(name));
                let notes = owed.chain(elsewhere::warnings(config, &open)).collect();
                Self { notes, ..Self::default() }
            }
            (Err(error), _) | (_, Err(error)) => Self { unread: Some(error.to_string()), ..Self::default() },
        }
    }

    fn unseen(why: String) -> Self {
        Self { unseen: Some(why), ..Self::default() }
    }

    /// What was not seen is a mistake.
    fn required(mut self) -> Self {
        let unseen: Vec<_> = self.not_seen().collect();
        self.errors.extend(unseen.into_iter().map(Mistake::Unplaced));
        (self.unseen, self.unread) = (None, None);
        self
    }

    fn not_seen(&self) -> impl Iterator<Item = String> {
        let earned =
            if self.is_away { ", what providers earned, and what is open on public networks" } else { "" };
        let unseen = self.unseen.iter().map(move |why| {
            format!("not seen: routes, providers and agents of the management API{earned}, because {why}")
        });
        let unread = self.unread.iter().map(|why| {
            format!("not seen: what providers earned, and what is open on public networks, because {why}")
        });
        unseen.chain(unread)
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let errors = self.errors.iter().map(|error| match error {
            Mistake::Placed(error) => error.to_string(),
            Mistake::Unplaced(message) => message.clone(),
        });
        let warnings = self.warnings.iter().map(ToString::to_string).chain(self.notes.iter().cloned());
        let warnings = warnings.map(|warning| format!("warning: {warning}"));
        errors.chain(warnings).chain(self.not_seen())
    }

    fn object(&self) -> Value {
        let unplaced = |message: &String| json!({ "key": "", "message": message });
        let errors = self.errors.iter().map(|error| match error {
            Mistake::Placed(error) => object(error),
            Mistake::Unplaced(message) => unplaced(message),
        });
        let warnings = self.warnings.iter().map(object).chain(self.notes.iter().map(unplaced));
        json!({
            "ok": self.errors.is_empty(),
            "errors": errors.collect::<Vec<_>>(),
            "warnings": warnings.collect::<Vec<_>>(),
            "not_seen": self.unseen.as_ref().or(self.unread.as_ref()),
            "control_closed": self.control_closed,
        })
    }
}

#[cfg(test)]
mod tests;
