//! `faregate`: the command line, and the one package that knows both planes.
//!
//! Each command is a file; [`service`] puts ledger, registry, gateway and control plane together. Nothing about money is
//! decided here.

mod address;
mod audit;
mod check;
mod cli;
mod client;
mod clock;
mod completions;
mod config_file;
mod database;
mod db;
mod demo;
mod doctor;
mod elsewhere;
mod explain;
mod key;
mod logging;
mod manage;
mod output;
mod owed;
mod pay;
mod progress;
mod random;
mod reconcile;
mod run;
mod service;
mod target;
mod token;

use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};

use crate::output::Format;

/// Many small, short-lived values per request: a tenth of the proxy's CPU against glibc's allocator (notes: limits 2).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes: 0 is yes, 1 is no or a failure, 2 is a command line that makes no sense (clap's).
fn main() -> ExitCode {
    // Before any file is made: keys of upstreams, secrets and balances stand in most of ours, also where the directory is open.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let (output, asked) = cli::read();
    let log = match logging::start(output) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("faregate: cannot log: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Two crypto providers could be linked in one day; which one is used must not depend on it.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::warn!("another TLS provider was installed first");
    }
    let done = cli::execute(asked, output);
    log.flush();
    match done {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            if output == Format::Json {
                output::print_json(&serde_json::json!({ "error": format!("{error:#}") }));
            }
            eprintln!("faregate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
