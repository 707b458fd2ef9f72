//! `make bench`: what Faregate costs beside a bare Pingora proxy, measured in one run on one machine.
//!
//! Every role is a process of its own, so that its CPU time can be told from the others': this one is the load
//! generator, and starts the upstream, the bare proxy and `faregate run`. It judges nothing but statuses and the
//! ledger's audit: what a good figure is, the reader decides. Start reading at [`suite`].

mod baseline;
mod connection;
mod control;
mod cpu;
mod exchange;
mod faregate;
mod latency;
mod load;
mod machine;
mod median;
mod payments;
mod plan;
mod poller;
mod process;
mod report;
mod requests;
mod response;
mod run;
mod suite;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Faregate beside a bare Pingora proxy: requests a second, latencies, CPU time a request.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

/// How a run is measured.
#[derive(Args, Clone)]
struct Options {
    /// Where all runs and the machine's facts are written as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// One short repeat: shows that everything works, its figures mean little.
    #[arg(long)]
    quick: bool,
    /// Worker threads of each proxy.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// How often each case is measured; the table shows medians.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Keep-alive connections of the generator.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second of the open loop.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Measures only the upstream and the bare proxy.
    #[arg(long)]
    without_faregate: bool,
}

/// The parts that the bench starts as processes of their own.
#[derive(Subcommand)]
enum Role {
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
        Some(Role::Upstream) => upstream::serve(),
        Some(Role::Baseline { listen, upstream, workers }) => baseline::serve(listen, upstream, workers),
        None => suite::run(&arguments.options),
    }
}
