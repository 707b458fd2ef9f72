//! [`Row`]: one line of a scenario, what is sent to which gateway, and what happens to it meanwhile.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::comparison::Comparison;
use crate::faregate::{FREE_PATH, Faregate, PAID_PATH};
use crate::footprint::Footprint;
use crate::load::Load;
use crate::options::Options;
use crate::plan::{Measured, Pace, Plan};
use crate::requests::Requests;
use crate::run::Run;

/// One line of a scenario.
pub(crate) struct Row<'a> {
    name: String,
    gateway: &'a Faregate,
    traffic: Traffic<'a>,
    reloads: bool,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Traffic<'a> {
    /// A free route.
    Free,
    /// The priced route, paid by these keys in turn.
    Keys(&'a [String]),
    /// The same, and some of the keys are refused with 403.
    SomeRefused(&'a [String]),
}

// === impl Row ===

impl<'a> Row<'a> {
    pub(crate) fn new(name: &str, gateway: &'a Faregate, traffic: Traffic<'a>) -> Self {
        Self { name: name.to_owned(), gateway, traffic, reloads: false }
    }

    /// The file is reloaded in the middle of each measurement.
    pub(crate) fn reloading(mut self) -> Self {
        self.reloads = true;
        self
    }

    fn measure(&self, pace: Pace, repeat: usize, options: &Options) -> Result<(Run, Option<Duration>)> {
        let plan = options.plan(self.gateway.data, self.gateway.pid(), pace);
        let plan = Plan { refused: self.traffic.refused(), ..plan };
        let mut requests = self.requests();
        let (measured, reloaded) = if self.reloads {
            let (measured, took) = self.reload_meanwhile(&plan, &mut requests)?;
            (measured, Some(took))
        } else {
            (Load::run(&plan, &mut requests)?, None)
        };
        if !matches!(self.traffic, Traffic::Free) {
            self.gateway.paid(measured.total);
        }
        let after = Footprint::of(self.gateway.pid())?;
        Ok((Run::new(&self.name, pace, repeat, measured, after), reloaded))
    }

    fn reload_meanwhile(&self, plan: &Plan, requests: &mut Requests) -> Result<(Measured, Duration)> {
        thread::scope(|scope| {
            let reloading = scope.spawn(move || {
                thread::sleep(plan.warmup + plan.window / 4);
                self.gateway.reload()
            });
            let measured = Load::run(plan, requests)?;
            let took = reloading.join().map_err(|_| anyhow!("the reload panicked"))??;
            Ok((measured, took))
        })
    }

    fn requests(&self) -> Requests {
        let target = self.gateway.data;
        match self.traffic {
            Traffic::Free => Requests::same(target, FREE_PATH),
            Traffic::Keys(keys) | Traffic::SomeRefused(keys) => {
                Requests::in_turn(target, PAID_PATH, "agent-key", keys)
            }
        }
    }
}

// === impl Traffic ===

impl Traffic<'_> {
    const fn refused(self) -> Option<u16> {
        match self {
            Self::SomeRefused(_) => Some(403),
            Self::Free | Self::Keys(_) => None,
        }
    }
}

/// Measures all rows at both paces, repeats interleaved.
pub(crate) fn compare(title: &str, rows: &[Row<'_>], options: &Options) -> Result<Comparison> {
    let names = rows.iter().map(|row| row.name.clone()).collect();
    let mut comparison = Comparison::new(title.to_owned(), names, options.rate);
    let mut reloads = Vec::new();
    for repeat in 1..=options.repeats {
        for row in rows {
            for pace in [Pace::Closed, Pace::Open(options.rate)] {
                let measured = row.measure(pace, repeat, options);
                let complaint = || format!("{}, {pace:?}\n{}", row.name, row.gateway.log_end());
                let (run, reloaded) = measured.with_context(complaint)?;
                eprintln!("{repeat}/{} {run}", options.repeats);
                comparison.add(run);
                reloads.extend(reloaded.map(|took| took.as_secs_f64()));
            }
        }
    }
    if let Some(longest) = reloads.iter().copied().reduce(f64::max) {
        comparison.note(format!("{} reloads, the longest took {longest:.2} s.", reloads.len()));
    }
    Ok(comparison)
}
