//! [`Config`]: the one TOML file, read whole and checked whole. Every mistake is reported in one run, with
//! its place.
//!
//! The spanned tree of the parser is the validator: a deserializer stops at its first failure. Sections read
//! their keys from [`tree`], which knows where everything stands; [`check`] looks at what only makes sense
//! together. What a key means and its default stand in `configs/faregate.toml`, which is tested against this
//! code.

mod agent;
mod check;
mod database;
mod deposit;
pub(crate) mod document;
pub mod environment;
mod error;
mod header;
mod key_path;
mod metered;
pub mod network;
mod payee;
mod profile;
mod provider;
mod rate;
mod route;
mod section;
pub mod settings;
mod settlement;
mod source;
mod tree;
mod upstream;
pub mod value;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use self::source::Source;
use self::tree::Report;
use crate::agent::AgentEntry;
use crate::catalog::{RawCatalog, Terms};
use crate::database::Database;

pub use deposit::DepositSettings;
pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, Place};
pub use network::{EvmSettings, FacilitatorSettings, ForeignSettings, NetworkSettings, SettlerSettings};
pub use settings::{
    ControlSettings, Coordination, DataCare, DataListener, Limits, Listeners, SettlementSettings,
    ShutdownSettings, TlsFiles, WalletNetwork, WebhookSettings,
};

/// Longest configuration file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Everything the file says, checked, with defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// What clients call this gateway by, such as `https://api.example.com`; the request's own host where not
    /// set.
    pub public_url: Option<String>,
    /// Where everything is kept.
    pub data: Database,
    /// How that is looked after.
    pub care: DataCare,
    /// Where is listened.
    pub listeners: Listeners,
    /// Every limit that can be set.
    pub limits: Limits,
    /// How the end is gone about.
    pub shutdown: ShutdownSettings,
    /// The network that the wallet looks like to clients.
    pub network: WalletNetwork,
    /// Public networks on which payments are taken.
    pub networks: Arc<[NetworkSettings]>,
    /// Public non-EVM networks, on which payments are taken.
    pub foreign: Arc<[ForeignSettings]>,
    /// The management API.
    pub control: ControlSettings,
    /// Where webhooks may be sent.
    pub webhooks: WebhookSettings,
    /// When providers are settled with.
    pub settlement: SettlementSettings,
    /// What wallets may be topped up with.
    pub deposits: DepositSettings,
    /// Providers and routes, revisions not assigned yet.
    pub catalog: RawCatalog,
    /// Agents to be upserted.
    pub agents: Vec<AgentEntry>,
}

/// A file that passed every check.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What is allowed and yet likely a mistake. No secret stands in it.
    pub warnings: Vec<ConfigError>,
    /// BLAKE3 of the text, by which a change is noticed.
    pub text_hash: [u8; 32],
}

// === impl Config ===

impl Config {
    /// Reads and checks a file, with the process's environment in front of its single settings.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
        Self::load_with(path, &Environment::from_process())
    }

    /// Reads and checks a file, with this environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load_with(path: &Path, environment: &Environment) -> Result<Loaded, ConfigErrors> {
        let text = read(path).map_err(|reason| {
            let place = Place::File { file: path.to_owned(), line: 1, column: 1 };
            ConfigErrors::one(ConfigError {
                place,
                key: String::new(),
                message: format!("cannot read the file: {reason}"),
            })
        })?;
        Self::parse(path, &text, environment)
    }

    /// Checks a text. `path` is what errors call it; files that it names are looked for from the working
    /// directory.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Loaded, ConfigErrors> {
        let source = Source::new(path, text);
        let (table, syntax) = DeTable::parse_recoverable(text);
        if let Some(errors) =
            ConfigErrors::new(syntax.iter().map(|error| source.syntax_error(error)).collect())
        {
            return Err(errors);
        }
        let report = Report::new(source, environment);
        let config = read_config(&report, &table);
        report.finish_environment();
        let warnings = report.end()?;
        Ok(Loaded { config, warnings, text_hash: *blake3::hash(text.as_bytes()).as_bytes() })
    }

    /// What a file says as far as it can be read, its mistakes left out: for looking where something is, never for serving. What
    /// cannot be read is as if nothing were said.
    #[must_use]
    pub fn glance(path: &Path) -> Self {
        let text = read(path).unwrap_or_default();
        let (table, _) = DeTable::parse_recoverable(&text);
        let environment = Environment::from_process();
        read_config(&Report::new(Source::new(path, &text), &environment), &table)
    }

    /// The sections that differ from those in force and are only read at start. Told, so that nobody waits
    /// for them.
    #[must_use]
    pub fn needs_restart(&self, in_force: &Self) -> Vec<&'static str> {
        let changed = [
            ("public_url", self.public_url != in_force.public_url),
            ("data", self.data != in_force.data || self.care != in_force.care),
            ("listen", self.listeners != in_force.listeners),
            ("limits", self.limits != in_force.limits),
            ("shutdown", self.shutdown != in_force.shutdown),
            ("wallet", self.network != in_force.network),
            ("networks", self.networks != in_force.networks || self.foreign != in_force.foreign),
            ("control", self.control != in_force.control),
            ("webhooks", self.webhooks != in_force.webhooks),
            ("settlement", self.settlement != in_force.settlement),
            ("deposits", self.deposits != in_force.deposits),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(section, _)| section).collect()
    }
}

fn read_config(report: &Report<'_>, table: &toml::Spanned<DeTable<'_>>) -> Config {
    let root = report.root(table);
    let limits = section::limits(root.section("limits", true));
    let settlement = settlement::settings(root.section("settlement", true));
    let (data, care) = database::data(root.section("data", true));
    let network = section::network(root.section("wallet", true));
    let public = network::all(&root, network.chain_id, care.coordination);
    let judged = public.as_ref().map(|public| Arc::clone(&public.networks));
    let network::Public { networks, foreign } = public.unwrap_or_default();
    let control = section::control(root.section("control", true));
    let terms = Terms {
        request_bytes_max: limits.request_bytes_max,
        private_upstreams: control.private_upstreams,
        agents_per_owner_max: limits.agents_per_owner_max,
        wallets_per_owner_max: limits.wallets_per_owner_max,
        routes_per_provider_max: limits.routes_per_provider_max,
        settlement,
        networks: Arc::clone(&networks),
        foreign: Arc::clone(&foreign),
    };
    let providers = provider::Read::all(&root, &terms, judged.as_deref());
    let agents = agent::Read::all(&root);
    if providers.routes.is_empty() {
        report.warn(root.spot(), "there are no routes in the file: only those that are made through the API answer, any other request gets 404");
    }
    let config = Config {
        public_url: section::public_url(&root),
        data,
        care,
        listeners: section::listeners(root.section("listen", true)),
        limits,
        shutdown: section::shutdown(root.section("shutdown", true)),
        network,
        networks,
        foreign,
        control,
        webhooks: section::webhooks(root.section("webhooks", true)),
        settlement,
        deposits: deposit::settings(root.section("deposits", true)),
        catalog: check::catalog(report, providers, &agents, terms),
        agents: agents.entries,
    };
    root.finish();
    config
}

/// The text of a configuration file, not longer than [`FILE_BYTES_MAX`].
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{error}; name the configuration with -c FILE"),
        _ => error.to_string(),
    })?;
    let mut text = String::new();
    let length =
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(format!("it is longer than {}", value::print_size(FILE_BYTES_MAX)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
