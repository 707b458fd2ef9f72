//! The management API and the ops listener: two axum routers, and nothing of the data plane.
//!
//! [`control::router`] is for whoever administers agents and wallets; it writes through the registry and the ledger
//! and decides nothing about money. [`ops::router`] is for Prometheus and for whoever asks whether this process is
//! well. [`server::serve`] runs either on a socket that the caller bound. Next: [`problem`], the one place that maps
//! errors to HTTP; [`call`] for what every call goes through.

mod agent_keys;
mod agents;
mod alerts;
mod analytics;
mod api_keys;
pub mod audit;
mod body;
mod call;
mod catalog_body;
mod catalogs;
mod changes;
pub mod control;
mod differences;
pub mod egress;
pub mod events;
mod fields;
mod freezing;
pub mod history;
pub mod metrics;
mod money;
mod networks;
pub mod ops;
mod outgoing;
mod payments;
mod payout_destinations;
mod payouts;
mod places;
mod policy;
mod problem;
mod providers;
mod revenue;
mod routes;
pub mod sequencer;
pub mod server;
mod settlements;
pub mod settling;
mod signers;
mod trials;
pub mod upkeep;
mod wallets;
pub mod watch;
pub mod webhooks;

#[cfg(test)]
mod tests;
