//! The edges: paths, headers, methods, protocols, files. What is ambiguous is refused, what is priced is never free.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod browsers;
mod caches;
mod commands;
mod file;
mod floods;
mod forwarding;
mod headers;
mod http2;
mod interim;
mod manage;
mod paths;
mod paying;
mod pipelining;
mod prices;
mod reload;
mod renamed;
mod setup;
mod shipped;
mod slow;
mod smuggling;
mod trailers;
mod unseen;
mod versions;
mod walkthrough;
mod watched;
