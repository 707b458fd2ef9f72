//! What every call of the management API goes through, before and after its handler.
//!
//! [`caller`] finds out who calls, and [`pace`] whether too often. [`operations`] holds the call against the OpenAPI document: its scope, its parameters.
//! [`idempotent`] does a named call once, [`changing`] tells a dry run. [`listing`] answers lists, a page as JSON or all as CSV. A handler sees
//! none of it but the [`caller::Caller`].

pub(crate) mod caller;
pub(crate) mod changing;
pub(crate) mod csv;
pub(crate) mod document;
pub(crate) mod idempotent;
pub(crate) mod listing;
pub(crate) mod moment;
pub(crate) mod operations;
pub(crate) mod pace;
pub(crate) mod path;
pub(crate) mod query;
