//! Webhooks: events, sent to whoever asked for them until they arrive.
//!
//! What is to be sent stands in the registry: the log of events, each endpoint's place in it, and a row for each event that
//! must be sent again. Nothing is kept here that a crash could lose. Next: [`signature`] for how a body is signed.

pub mod signature;
