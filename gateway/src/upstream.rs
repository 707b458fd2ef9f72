//! The APIs that requests are forwarded to: their addresses ([`pool`]), how they are ([`health`]), and how long one may take for a payment that
//! has to be settled in time ([`until`]).
//!
//! Next: [`crate::stage::forward`] for what is sent there.

pub(crate) mod health;
pub(crate) mod pool;
pub(crate) mod until;
