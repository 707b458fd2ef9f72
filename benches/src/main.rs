//! `make bench`: what Faregate costs beside a bare Pingora proxy, measured in one run on one machine.
//!
//! Every role is a process of its own, so that its CPU time can be told from the others': this one is the load
//! generator, and starts the upstream, the bare proxy and `faregate run`. It judges nothing but statuses and the
//! ledger's audit: what a good figure is, the reader decides. Start reading at [`suite`].

mod baseline;
mod bulk;
mod chain;
mod comparison;
mod connection;
mod control;
mod cpu;
mod exchange;
mod faregate;
mod footprint;
mod ground;
mod latency;
mod lists;
mod load;
mod machine;
mod meanwhile;
mod median;
mod options;
mod payments;
mod plan;
mod poller;
mod process;
mod report;
mod requests;
mod response;
mod row;
mod run;
mod scenario;
mod settled;
mod soak;
mod suite;
mod summary;
mod told;
mod upstream;

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::options::Options;
use crate::soak::Soak;

/// Faregate beside a bare Pingora proxy: requests a second, latencies, CPU time a request.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

/// What else this program does: the parts that the bench starts as processes of their own, and the soak.
#[derive(Subcommand)]
enum Role {
    /// Prints memory, descriptors and latency for each minute of a long run.
    Soak(Soak),
    /// Answers every request with 200 bytes of JSON; prints its address.
    #[command(hide = true)]
    Upstream,
    /// A Pingora proxy that only forwards.
    #[command(hide = true)]
    Baseline {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// Where to forward to.
        #[arg(long)]
        upstream: SocketAddr,
        /// Worker threads.
        #[arg(long)]
        workers: usize,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Soak(soak)) => soak.run(),
        Some(Role::Upstream) => upstream::serve(),
        Some(Role::Baseline { listen, upstream, workers }) => baseline::serve(listen, upstream, workers),
        None => suite::run(&arguments.options),
    }
}
