//! Answers of the gateway's own: what it refuses ([`refusal`], the one place that maps errors to HTTP), what browsers ask before they pay
//! ([`cors`]), what ends a request that failed in a phase of Pingora's ([`failure`]), how all of them are written ([`reply`]), and the names and
//! the version that stand in them ([`field`], [`http_version`]).
//!
//! What a payer asks for under the reserved prefix is in [`crate::payer_view`], the 402 of a route in [`crate::offer`].

pub(crate) mod cors;
pub(crate) mod failure;
pub(crate) mod field;
pub(crate) mod http_version;
pub(crate) mod refusal;
pub(crate) mod reply;
