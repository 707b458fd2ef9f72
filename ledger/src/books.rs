//! The books as either database has them: rows, and what is read of them, in one SQL for both.
//!
//! `$1` works on either. Where SQLite has a function that PostgreSQL lacks (`unhex`, `json_each` of a text), the
//! PostgreSQL migration makes one of that name. What is written differs and stands in [`crate::commit`].

pub(crate) mod away;
pub(crate) mod differences;
pub(crate) mod holds;
pub(crate) mod intents;
pub(crate) mod load;
pub(crate) mod outgoing;
pub(crate) mod resolutions;
pub(crate) mod rows;
pub(crate) mod session;
pub(crate) mod settlements;
pub(crate) mod shares;
pub(crate) mod start;
pub(crate) mod transfers;
pub(crate) mod windows;
