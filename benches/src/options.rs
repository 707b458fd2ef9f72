//! [`Options`]: what is measured, and how, as the command line says it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::plan::{Pace, Plan};
use crate::scenario::Scenario;

/// Of the length of a measurement: sent before it, not counted.
const WARMUP: f64 = 0.2;

/// How a run is measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Where all runs and the machine's facts are written as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Only these, in this order: table, refused, routes, agents, reload, payments, lists, reprice, manage, webhooks,
    /// settlements, several, chain, verification. Default: table, chain.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// One short repeat: shows that everything works, its figures mean little.
    #[arg(long)]
    quick: bool,
    /// An empty PostgreSQL database for the table's books, such as postgres://postgres@127.0.0.1/bench. Its server's CPU
    /// time is not the proxy's and is not counted. Without it, SQLite.
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Worker threads of each proxy; one in `verification`.
    #[arg(long, default_value_t = 2)]
    pub(crate) workers: usize,
    /// How often each case is measured; the table shows medians.
    #[arg(long, default_value_t = 3)]
    pub(crate) repeats: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Keep-alive connections of the generator.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Requests a second of the open loop.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) rate: u32,
    /// Measures only the upstream and the bare proxy.
    #[arg(long)]
    pub(crate) without_faregate: bool,
    /// Routes in the file, beside the two that are called, in the scenarios `routes` and `reload`.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) routes: usize,
    /// Registered agents in the scenario `agents`.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) agents: u64,
    /// Events that wait for their receivers in the scenario `webhooks`.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    /// Payments that the ledger begins with in the scenarios `payments`, which this asks for, and `lists`.
    #[arg(long, default_value_t = 0)]
    pub(crate) payments_in_database: u64,
    /// Payments that wait to be settled in the scenario `settlements`.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) payments_settled: u64,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Every case beside the bare proxy.
    Table,
    /// One thing that must cost nothing.
    Scenario(Scenario),
}

// === impl Options ===

impl Options {
    /// As they are meant, with their short forms written out.
    pub(crate) fn settled(&self) -> Result<Self> {
        let mut settled = self.clone();
        if self.quick {
            settled.repeats = 1;
            settled.seconds = 1.0;
        }
        let payments = Part::Scenario(Scenario::Payments);
        let full = [payments, Part::Scenario(Scenario::Lists)];
        let asked = full.iter().any(|part| self.only.contains(part));
        match (asked, self.payments_in_database) {
            (true, 0) => bail!("how many? Say it with --payments-in-database"),
            (false, 1..) => settled.only.push(payments),
            _ => {}
        }
        if self.only.is_empty() {
            settled.only.insert(0, Part::Table);
            if self.payments_in_database == 0 {
                settled.only.push(Part::Scenario(Scenario::Chain));
            }
        }
        Ok(settled)
    }

    /// What is measured, in order.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.only
    }

    /// A load on a process, as long and as wide as was asked for, whose answers are 200.
    pub(crate) fn plan(&self, target: SocketAddr, pid: u32, pace: Pace) -> Plan {
        Plan {
            target,
            pid,
            expected: 200,
            refused: None,
            patience: None,
            connections: self.connections,
            pace,
            is_awake: false,
            warmup: Duration::from_secs_f64(self.seconds * WARMUP),
            window: Duration::from_secs_f64(self.seconds),
        }
    }
}

// === impl Part ===

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            other => Scenario::from_str(other, false).map(Self::Scenario),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parts(line: &[&str]) -> Result<Vec<Part>> {
        let line = Line::try_parse_from([&["benches"], line].concat())?;
        Ok(line.options.settled()?.parts().to_vec())
    }

    #[test]
    fn the_table_and_a_public_network_are_the_default_and_names_choose() {
        let payments = Part::Scenario(Scenario::Payments);
        assert_eq!(parts(&[]).unwrap(), [Part::Table, Part::Scenario(Scenario::Chain)]);
        assert_eq!(parts(&["--payments-in-database", "7"]).unwrap(), [Part::Table, payments]);
        let chosen = parts(&["--only", "reload,table"]).unwrap();
        assert_eq!(chosen, [Part::Scenario(Scenario::Reload), Part::Table]);
        assert!(parts(&["--only", "payments"]).is_err());
        assert!(parts(&["--only", "nothing"]).is_err());
    }
}
