//! The data plane: a reverse proxy on Pingora that answers unpaid requests with 402, takes payments, forwards,
//! and charges for what was delivered.
//!
//! A library: the binary brings sockets, ledger, registry, clock and metrics. It never talks to the control plane;
//! both share the registry's catalog and the ledger. The way of a request is one file a stage in [`stage`]:
//! `admit -> route -> verify -> rate -> hold -> forward -> capture -> record`; [`proxy`] calls them in Pingora's phases.
//! [`refusal`] is the one place that maps errors to HTTP.

mod buffered;
mod challenge;
mod context;
mod cors;
mod counting;
mod credential;
mod currency;
mod customers;
mod decision;
mod deposit_view;
mod drain;
mod exposure;
mod failure;
mod field;
mod foreign_way;
mod gateway;
mod header_clock;
mod health;
mod held;
mod http_version;
mod last_uses;
mod leniency;
mod limits;
mod listener;
mod meter;
mod metrics;
mod newer;
mod offer;
mod overdue;
mod payer_view;
mod pool;
mod proxy;
mod rail;
mod rate;
mod receipt;
mod refusal;
mod reply;
#[cfg(test)]
mod samples;
mod shutdown;
mod sign_in;
mod signed_hold;
mod snapshot;
mod stage;
mod streams;
mod traffic;
mod unanswered;
mod until;
mod verifying;
mod views;
mod way;
mod worker;

pub use gateway::{Gateway, Parts, StartError};
pub use limits::Settings;
pub use listener::Listener;
pub use metrics::Metrics;
pub use rail::{PublicNetworks, PublicRail};
pub use shutdown::Shutdown;
