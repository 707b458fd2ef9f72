//! The suite: every case, in closed and in open loop, again and again, one after the other.
//!
//! Repeats are interleaved, so that a machine that slows down slows all cases down. A case is compared with the bare
//! proxy of the same repeat. Next: [`crate::report`] for what is made of the runs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::Options;
use crate::faregate::{FREE_PATH, Faregate, PAID_PATH};
use crate::load::Load;
use crate::machine::Machine;
use crate::payments;
use crate::plan::{Measured, Pace, Plan};
use crate::process::{Process, free_address};
use crate::report::Report;
use crate::requests::Requests;
use crate::run::Run;

/// Payments signed for a second of the closed loop, on each core: above any rate that a signature check allows.
const SIGNED_RATE_MAX: f64 = 12_500.0;

/// Of the length of a measurement: sent before it, not counted.
const WARMUP: f64 = 0.2;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// The upstream without a proxy.
    Direct,
    /// Through a Pingora proxy that only forwards: the measure of all others.
    Bare,
    /// Faregate, nothing paid: a 402.
    Challenge,
    /// Faregate, a free route.
    Free,
    /// Faregate, paid by agent key.
    Key,
    /// Faregate, paid by signature, another payment each time.
    Signature,
}

/// The processes that are measured.
struct Stage {
    upstream: (Process, SocketAddr),
    bare: (Process, SocketAddr),
    faregate: Option<Faregate>,
    // Removed after the processes have ended: fields are dropped in order.
    _directory: TempDir,
}

/// Runs everything, prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let options = options.settled();
    let machine = Machine::look();
    if machine.profile == "debug" {
        eprintln!("This is a debug build: its figures are worth nothing.");
    }
    let stage = Stage::set(&options)?;
    let mut report = Report::new(machine, &options);
    let mut paid = 0;
    for repeat in 1..=options.repeats {
        for case in Case::ALL {
            if stage.faregate.is_none() && !matches!(case, Case::Direct | Case::Bare) {
                continue;
            }
            for pace in [Pace::Closed, Pace::Open(options.rate)] {
                let measured = stage.measure(case, pace, &options);
                let measured = measured.with_context(|| stage.complaint(case, pace))?;
                paid += if case.is_paid() { measured.total } else { 0 };
                let run = Run::new(case, pace, repeat, measured);
                eprintln!("{repeat}/{} {run}", options.repeats);
                report.add(run);
            }
        }
    }
    if let Some(faregate) = &stage.faregate {
        faregate.audit(paid)?;
        eprintln!("The books balance; they hold the {paid} payments that were answered.");
    }
    println!("{}", report.table());
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

// === impl Options ===

impl Options {
    fn settled(&self) -> Self {
        let mut settled = self.clone();
        if self.quick {
            settled.repeats = 1;
            settled.seconds = 1.0;
        }
        settled
    }
}

// === impl Case ===

impl Case {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 6] =
        [Self::Direct, Self::Bare, Self::Challenge, Self::Free, Self::Key, Self::Signature];

    /// In the table and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "upstream, direct",
            Self::Bare => "bare Pingora",
            Self::Challenge => "Faregate, 402",
            Self::Free => "Faregate, free",
            Self::Key => "Faregate, paid by key",
            Self::Signature => "Faregate, paid by signature",
        }
    }

    const fn is_paid(self) -> bool {
        matches!(self, Self::Key | Self::Signature)
    }
}

// === impl Stage ===

impl Stage {
    fn set(options: &Options) -> Result<Self> {
        let own = std::env::current_exe()?;
        // Beside the program: a temporary folder may be memory, where a commit costs nothing.
        let folder = own.parent().unwrap_or(Path::new("."));
        let directory = tempfile::Builder::new().prefix("faregate-bench-").tempdir_in(folder)?;
        let path = directory.path();
        let upstream = Process::announcing(Command::new(&own).arg("upstream"), &path.join("upstream.log"))?;
        let listen = free_address()?;
        let mut command = Command::new(&own);
        command.args(["baseline", "--listen", &listen.to_string(), "--upstream", &upstream.1.to_string()]);
        command.args(["--workers", &options.workers.to_string()]);
        let bare = Process::listening(&mut command, listen, &path.join("bare.log"))?;
        let faregate = if options.without_faregate {
            None
        } else {
            Some(Faregate::start(path, upstream.1, options.workers)?)
        };
        Ok(Self { upstream, bare: (bare, listen), faregate, _directory: directory })
    }

    fn measure(&self, case: Case, pace: Pace, options: &Options) -> Result<Measured> {
        let warmup = Duration::from_secs_f64(options.seconds * WARMUP);
        let window = Duration::from_secs_f64(options.seconds);
        let (pid, target) = match (case, &self.faregate) {
            (Case::Direct, _) => (self.upstream.0.pid(), self.upstream.1),
            (Case::Bare, _) => (self.bare.0.pid(), self.bare.1),
            (_, Some(faregate)) => (faregate.pid(), faregate.data),
            (_, None) => anyhow::bail!("Faregate was not started"),
        };
        let mut requests = self.requests(case, pace, target, (warmup + window).as_secs_f64())?;
        let expected = if case == Case::Challenge { 402 } else { 200 };
        let plan = Plan { target, pid, expected, connections: options.connections, pace, warmup, window };
        Load::run(&plan, &mut requests)
    }

    fn requests(&self, case: Case, pace: Pace, target: SocketAddr, seconds: f64) -> Result<Requests> {
        let faregate = self.faregate.as_ref();
        Ok(match (case, faregate) {
            (Case::Challenge, _) => Requests::same(target, PAID_PATH),
            (Case::Key, Some(faregate)) => Requests::in_turn(target, PAID_PATH, "agent-key", &faregate.keys),
            (Case::Signature, Some(faregate)) => {
                let rate = match pace {
                    Pace::Closed => SIGNED_RATE_MAX * cores(),
                    Pace::Open(rate) => f64::from(rate) * 1.02,
                };
                let count = (rate * seconds).ceil() as usize;
                let payments = payments::sign(&faregate.challenge()?, &faregate.signers, count)?;
                Requests::once(target, PAID_PATH, "payment-signature", payments)
            }
            _ => Requests::same(target, FREE_PATH),
        })
    }

    fn complaint(&self, case: Case, pace: Pace) -> String {
        let log = match &self.faregate {
            Some(faregate) if !matches!(case, Case::Direct | Case::Bare) => faregate.log_end(),
            _ => String::new(),
        };
        format!("{}, {pace:?}\n{log}", case.name())
    }
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}
