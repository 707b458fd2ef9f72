//! Webhooks: events, sent to whoever asked for them until they arrive.
//!
//! What is to be sent stands in the registry: the log of events, each receiver's place in it, and a row for each event that
//! must be sent again. Nothing is kept here that a crash could lose, and a backlog costs no memory. Next: [`dispatcher`] for
//! who sends when, `turn` for one receiver's deliveries, `send` for one attempt, [`signature`] for how a body is signed.

pub(crate) mod api;
pub mod dispatcher;
pub mod message;
pub mod metrics;
mod pace;
mod schedule;
mod send;
pub mod signature;
mod turn;
mod worker;

pub use dispatcher::{Dispatcher, Parts};
pub use message::{CapturedBatch, Members, MembersError};
pub use metrics::WebhookMetrics;

#[cfg(test)]
mod tests;
