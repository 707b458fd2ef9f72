//! One request's payment: what the client shows ([`credential`]), the hold that it becomes on either rail ([`held`]), what a metered call used
//! of it ([`meter`], [`counting`]), how often its payer is let off ([`leniency`]), and what its client is told of it ([`receipt`]).
//!
//! Who decides which of these comes when is in [`crate::stage`]. Next: [`crate::rail`] for what a payment on a public network takes besides.

pub(crate) mod counting;
pub(crate) mod credential;
pub(crate) mod held;
pub(crate) mod leniency;
pub(crate) mod meter;
pub(crate) mod receipt;
