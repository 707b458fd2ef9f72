//! What is fuzzed: one function for each parser that reads a stranger's bytes, and what must be true of every input.
//!
//! `fuzz/` runs them under libFuzzer, on nightly. The test beside this file replays `fuzz/corpus/` and mutations of it on
//! stable, in every `make test`. A function panics where something is not true; it knows nothing of who calls it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod config;
mod header;
pub mod mutator;
mod path;
mod payload;

pub use config::config;
pub use header::header;
pub use path::path;
pub use payload::payload;

/// A parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The folder of its corpus.
    pub name: &'static str,
    /// Panics where something that must be true of every input is not.
    pub run: fn(&[u8]),
    /// Mutations of each file of its corpus in every `make test`: a few seconds for all.
    pub mutations: usize,
}

/// Every target.
pub const TARGETS: [Target; 4] = [
    Target { name: "header", run: header, mutations: 4_000 },
    Target { name: "payload", run: payload, mutations: 3_000 },
    Target { name: "path", run: path, mutations: 4_000 },
    Target { name: "config", run: config, mutations: 250 },
];
