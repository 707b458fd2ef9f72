//! From the configuration's words to those of ledger and gateway.

use registry::config::Coordination;
use registry::{Config, Database};

use super::outlets;
use super::role::Role;

/// Where the ledger is: in the database that the registry is in.
pub(crate) fn books(database: &Database) -> ledger::Database {
    match database {
        Database::Sqlite { directory } => ledger::Database::Sqlite { directory: directory.clone() },
        Database::Postgres { url } => ledger::Database::Postgres { url: url.clone() },
    }
}

const fn coordination(coordination: Coordination) -> ledger::Coordination {
    match coordination {
        Coordination::Owner => ledger::Coordination::Alone,
        Coordination::Db => ledger::Coordination::Several,
    }
}

/// One agent may fill this part of the queue: one eighth.
const AGENT_SHARE: usize = 8;

/// How the ledger is opened by a process of this role.
pub(super) fn ledger(config: &Config, role: Role) -> ledger::Settings {
    let limits = &config.limits;
    ledger::Settings {
        chain_id: config.network.chain_id,
        asset_name: config.network.name.clone(),
        asset_version: config.network.version.clone(),
        queue_max: limits.holds_max,
        agent_holds_max: u32::try_from(limits.holds_max / AGENT_SHARE).unwrap_or(u32::MAX),
        batch_max: limits.batch_max,
        skew_ms_max: i64::try_from(limits.clock_skew_max.as_millis()).unwrap_or(i64::MAX),
        commit_age_max: limits.commit_age_max,
        accounts_max: limits.accounts_max,
        coordination: coordination(config.care.coordination),
        delivers: role.serves_data(),
        outlets: outlets::all(config),
        ..ledger::Settings::new(books(&config.data))
    }
}

/// Where webhooks may be sent.
pub(super) fn egress(config: &Config) -> control_plane::egress::Rules {
    let registry::config::WebhookSettings { allow_private, allow_http } = config.webhooks;
    control_plane::egress::Rules { allow_private, allow_http }
}

/// How the gateway serves.
pub(super) fn gateway(config: &Config) -> gateway::Settings {
    gateway::Settings {
        limits: config.limits.clone(),
        shutdown: config.shutdown,
        public_url: config.public_url.clone(),
        networks: config.networks.iter().map(|settings| settings.network.clone()).collect(),
    }
}
