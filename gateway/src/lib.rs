//! The data plane: a reverse proxy on Pingora that answers unpaid requests with 402, takes payments, forwards,
//! and charges for what was delivered.
//!
//! A library: the binary brings sockets, ledger, registry, clock and metrics. It never talks to the control plane;
//! both share the registry's catalog and the ledger. The way of a request is one file a stage in [`stage`]:
//! `admit -> route -> verify -> rate -> hold -> forward -> capture -> record`; [`proxy`] calls them in Pingora's phases.
//! [`answer::refusal`] is the one place that maps errors to HTTP.
//!
//! From outside to inside: [`connection`] lets clients in, [`proxy`] takes their requests through the stages, [`offer`] tells them what to pay,
//! [`payment`] and [`rail`] hold what they pay, [`upstream`] knows whom to forward to, [`answer`] is what we say ourselves, [`payer_view`] what
//! a payer may read of its own. [`snapshot`] is the catalog that all of this uses, [`gateway`] puts it together, and [`shutdown`] ends it.

mod answer;
mod connection;
mod context;
mod gateway;
mod last_uses;
mod limits;
mod metrics;
mod offer;
mod payer_view;
mod payment;
mod proxy;
mod rail;
mod rate;
#[cfg(test)]
mod samples;
mod shutdown;
mod snapshot;
mod stage;
mod traffic;
mod upstream;

pub use connection::listener::Listener;
pub use gateway::{Gateway, Parts, StartError};
pub use limits::Settings;
pub use metrics::Metrics;
pub use rail::{PublicNetworks, PublicRail};
pub use shutdown::Shutdown;
