//! Clients' connections, from the socket to Pingora: let in ([`listener`]), as many as an address may have ([`customers`]), given to a thread
//! ([`worker`]), bounded in time and bytes ([`header_clock`], [`streams`]), and written to in few pieces ([`buffered`]).
//!
//! Nothing here knows of payments. Next: [`crate::proxy`], to which the requests go, and [`crate::shutdown`], which ends connections.

mod buffered;
pub(crate) mod customers;
pub(crate) mod header_clock;
pub(crate) mod listener;
pub(crate) mod streams;
pub(crate) mod worker;
