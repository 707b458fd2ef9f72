//! The way of a request, one file a stage: `admit -> route -> verify -> prove -> rate -> hold -> forward -> capture -> record`.
//!
//! Each stage is a function of what the one before it gave. Only [`prove`], [`rate`] and [`hold`] may wait for a read, only [`capture`] for a
//! commit.

pub(crate) mod admit;
pub(crate) mod capture;
pub(crate) mod forward;
pub(crate) mod hold;
pub(crate) mod location;
pub(crate) mod prepay;
pub(crate) mod prove;
pub(crate) mod rate;
pub(crate) mod record;
pub(crate) mod route;
pub(crate) mod verify;
