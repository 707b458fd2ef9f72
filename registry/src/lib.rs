//! What people edit: the configuration file, providers, routes and their revisions, agents, keys, signers,
//! policies. Beside it what processes that share a database leave for each other: the settler's outbox and errands, whose
//! turn it is, how far events were made, counts of traffic.
//!
//! No balance stands here, and nothing of HTTP: the ledger's writer is the authority over every balance and
//! every limit's counter. The file becomes a [`Config`], its catalog goes through [`Registry::apply`], which
//! numbers the prices and hands the [`domain::Catalog`] out; agents are looked up through the [`Directory`].

mod access;
pub mod actor;
pub mod agent;
pub mod agent_key;
pub mod alert;
pub mod api_key;
pub mod backup;
pub mod catalog;
pub mod config;
mod database;
mod directory;
pub mod document;
pub mod duty;
pub mod errands;
mod follow;
mod frost;
pub mod idempotency;
pub mod journal;
pub mod outbox;
pub mod payout;
mod registry;
pub mod sequence;
mod traffic;
mod wallet;
pub mod watch;
pub mod webhook;

mod key_text;
mod revision;
mod store;
mod writing;

pub use access::{Access, Objection};
pub use actor::{Actor, ActorKind};
pub use agent::{Agent, KeyGrant, Listing, NewAgent, NewKey, ShownKey};
pub use agent_key::{AgentKey, AgentKeyError, KeyHash};
pub use alert::{Alert, Threshold};
pub use api_key::{ApiKey, ApiKeyGrant, NewApiKey, Role};
pub use catalog::{
    Bundle, Editor, EntryChange, ManagedBy, Outcome, ProviderEntry, RawCatalog, Rights, RouteEntry,
};
pub use config::{Config, ConfigErrors, Environment};
pub use database::Database;
pub use directory::{Directory, DirectoryError};
pub use frost::Freezer;
pub use journal::Tenant;
pub use payout::{DestinationEntry, PayoutDestinations};
pub use registry::{Registry, RegistryError};
pub use store::StoreError;
pub use traffic::{Requests, RouteLatency, RouteSums, TrafficSums};
pub use wallet::Wallet;
pub use webhook::{NewWebhook, Webhook, WebhookChange};
