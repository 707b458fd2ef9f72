//! From the configuration's words to those of ledger and gateway.

use std::path::Path;

use registry::{Config, Database};

/// Where the ledger is.
pub(crate) fn books(database: &Database) -> anyhow::Result<&Path> {
    match database {
        Database::Sqlite { directory } => Ok(directory),
        Database::Postgres { .. } => anyhow::bail!("the ledger cannot be kept in PostgreSQL yet"),
    }
}

/// One agent may fill this part of the queue: one eighth.
const AGENT_SHARE: usize = 8;

/// How the ledger is opened.
pub(super) fn ledger(config: &Config) -> anyhow::Result<ledger::Settings> {
    let limits = &config.limits;
    Ok(ledger::Settings {
        chain_id: config.network.chain_id,
        asset_name: config.network.name.clone(),
        asset_version: config.network.version.clone(),
        queue_max: limits.holds_max,
        agent_holds_max: u32::try_from(limits.holds_max / AGENT_SHARE).unwrap_or(u32::MAX),
        batch_max: limits.batch_max,
        skew_ms_max: i64::try_from(limits.clock_skew_max.as_millis()).unwrap_or(i64::MAX),
        commit_age_max: limits.commit_age_max,
        accounts_max: limits.accounts_max,
        ..ledger::Settings::new(books(&config.data)?.to_owned())
    })
}

/// How the gateway serves.
pub(super) fn gateway(config: &Config) -> gateway::Settings {
    gateway::Settings {
        limits: config.limits.clone(),
        shutdown: config.shutdown,
        public_url: config.public_url.clone(),
    }
}
