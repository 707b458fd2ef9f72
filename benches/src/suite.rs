//! The suite: every case, in closed and in open loop, again and again, one after the other.
//!
//! Repeats are interleaved, so that a machine that slows down slows all cases down. A case is compared with the bare
//! proxy of the same repeat. Next: [`crate::report`] for what is made of the runs.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::baseline;
use crate::faregate::{FREE_PATH, Faregate, PAID_PATH};
use crate::footprint::Footprint;
use crate::ground::Ground;
use crate::load::Load;
use crate::machine::Machine;
use crate::options::{Options, Part};
use crate::payments;
use crate::plan::{Pace, Plan};
use crate::process::Process;
use crate::report::Report;
use crate::requests::Requests;
use crate::run::Run;

/// Payments signed for a second of the closed loop, on each core: above any rate that a signature check allows.
const SIGNED_RATE_MAX: f64 = 12_500.0;

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
struct Stage<'a> {
    ground: &'a Ground,
    bare: (Process, SocketAddr),
    faregate: Option<Faregate>,
}

/// Runs what was asked for, prints the tables.
pub(crate) fn run(options: &Options) -> Result<()> {
    let options = options.settled()?;
    let machine = Machine::look();
    if machine.profile == "debug" {
        eprintln!("This is a debug build: its figures are worth nothing.");
    }
    let ground = Ground::set()?;
    let mut report = Report::new(machine, &options);
    for part in options.parts() {
        match part {
            Part::Table => table(&ground, &options, &mut report)?,
            Part::Scenario(scenario) => {
                for comparison in scenario.run(&ground, &options)? {
                    report.compare(comparison);
                }
            }
        }
    }
    println!("{}", report.text());
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Every case beside the bare proxy.
fn table(ground: &Ground, options: &Options, report: &mut Report) -> Result<()> {
    let stage = Stage::set(ground, options)?;
    for repeat in 1..=options.repeats {
        for case in Case::ALL {
            if stage.faregate.is_none() && !matches!(case, Case::Direct | Case::Bare) {
                continue;
            }
            for pace in [Pace::Closed, Pace::Open(options.rate)] {
                let run = stage.measure(case, pace, repeat, options);
                let run = run.with_context(|| stage.complaint(case, pace))?;
                eprintln!("{repeat}/{} {run}", options.repeats);
                report.add(run);
            }
        }
    }
    if let Some(faregate) = &stage.faregate {
        let paid = faregate.audit()?;
        eprintln!("The books balance; they hold the {paid} payments that were answered.");
    }
    Ok(())
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

impl<'a> Stage<'a> {
    fn set(ground: &'a Ground, options: &Options) -> Result<Self> {
        let bare = baseline::start(ground, options.workers)?;
        let faregate = if options.without_faregate {
            None
        } else {
            Some(Faregate::start_on(options.database.clone(), ground, "table", options.workers, 0)?)
        };
        Ok(Self { ground, bare, faregate })
    }

    fn measure(&self, case: Case, pace: Pace, repeat: usize, options: &Options) -> Result<Run> {
        let (pid, target) = match (case, &self.faregate) {
            (Case::Direct, _) => (self.ground.upstream_pid(), self.ground.upstream()),
            (Case::Bare, _) => (self.bare.0.pid(), self.bare.1),
            (_, Some(faregate)) => (faregate.pid(), faregate.data),
            (_, None) => anyhow::bail!("Faregate was not started"),
        };
        let expected = if case == Case::Challenge { 402 } else { 200 };
        let plan = Plan { expected, ..options.plan(target, pid, pace) };
        let mut requests = self.requests(case, pace, target, (plan.warmup + plan.window).as_secs_f64())?;
        let measured = Load::run(&plan, &mut requests)?;
        if let Some(faregate) = self.faregate.as_ref().filter(|_| case.is_paid()) {
            faregate.paid(measured.total);
        }
        Ok(Run::new(case.name(), pace, repeat, measured, Footprint::of(pid)?))
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
