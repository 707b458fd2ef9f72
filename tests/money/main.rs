//! Money, end to end: who is charged what, once, and who is not. Every test ends with the audit of the ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod binding;
mod books;
mod clock;
mod concurrency;
mod earlier;
mod frozen;
mod hangup;
mod keys;
mod leniency;
mod limits;
mod load;
mod metered;
mod paid;
mod quotes;
mod rates;
mod replay;
mod repriced;
mod settlements;
mod several;
mod stored;
mod streams;
mod taken;
mod tampering;
mod told;
mod traffic;
mod trials;
mod upstreams;
mod windows;
