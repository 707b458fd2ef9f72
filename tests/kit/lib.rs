//! What the end-to-end tests are made of: a scripted [`Upstream`], the real binary under [`Faregate`], a client that
//! sends exact bytes ([`Wire`]) and a [`Payer`] that signs.
//!
//! It knows the gateway only from outside: its file, its listeners, its exit code. Every test ends with
//! [`Faregate::finish`], which audits the ledger alive and stopped; a harness that is dropped without it panics.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

pub mod agent;
pub mod audit;
pub mod certificate;
pub mod chain;
pub mod clock;
pub mod companion;
pub mod config;
pub mod crowd;
pub mod database;
pub mod disk;
pub mod event_stream;
pub mod facilitator;
pub mod faregate;
pub mod frames;
pub mod front;
pub mod gate;
pub mod h2;
pub mod message;
pub mod metrics;
pub mod names;
pub mod packages;
pub mod payer;
mod permit;
pub mod ports;
pub mod process;
pub mod public;
pub mod request;
pub mod script;
pub mod several;
mod shim;
pub mod solana;
pub mod strict;
pub mod upstream;
pub mod wait;
pub mod walkthrough;
mod wallet;
pub mod wire;
pub mod world;

pub use agent::Agent;
pub use clock::Clock;
pub use config::{Config, Provider, Route};
pub use database::Database;
pub use disk::Disk;
pub use event_stream::EventStream;
pub use faregate::Faregate;
pub use front::{Front, Speaks};
pub use gate::Gate;
pub use message::Response;
pub use names::Names;
pub use payer::{Payer, Payment};
pub use public::{PublicWorld, Setting};
pub use request::Request;
pub use script::Script;
pub use several::Several;
pub use upstream::Upstream;
pub use wait::within;
pub use wire::Wire;
pub use world::World;

#[cfg(test)]
mod tests;
