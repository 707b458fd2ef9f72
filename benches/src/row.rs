//! [`Row`]: one line of a scenario, what is sent to which gateway, and what happens to it meanwhile.

use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::comparison::Comparison;
use crate::faregate::{FREE_PATH, Faregate, LIVE_PATH, PAID_PATH};
use crate::footprint::Footprint;
use crate::load::Load;
use crate::meanwhile::{Happened, Meanwhile};
use crate::options::Options;
use crate::plan::{Measured, Pace, Plan};
use crate::requests::Requests;
use crate::run::Run;
use crate::summary::thousands;

/// One line of a scenario.
pub(crate) struct Row<'a> {
    name: String,
    gateway: &'a Faregate,
    traffic: Traffic<'a>,
    meanwhile: Meanwhile,
    other: Option<&'a Faregate>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Traffic<'a> {
    /// A free route.
    Free,
    /// The priced route, paid by these keys in turn.
    Keys(&'a [String]),
    /// The priced route of the management API, paid by these keys in turn.
    Live(&'a [String]),
    /// The priced route, and some of the keys are refused with 403.
    SomeRefused(&'a [String]),
}

// === impl Row ===

impl<'a> Row<'a> {
    pub(crate) fn new(name: &str, gateway: &'a Faregate, traffic: Traffic<'a>) -> Self {
        Self { name: name.to_owned(), gateway, traffic, meanwhile: Meanwhile::Nothing, other: None }
    }

    /// This happens during each measurement.
    pub(crate) fn beside(mut self, meanwhile: Meanwhile) -> Self {
        self.meanwhile = meanwhile;
        self
    }

    /// Another gateway on the same database is sent as much at the same time; it is not measured.
    pub(crate) fn with(mut self, other: &'a Faregate) -> Self {
        self.other = Some(other);
        self
    }

    pub(crate) fn measure(&self, pace: Pace, repeat: usize, options: &Options) -> Result<(Run, Happened)> {
        let plan = options.plan(self.gateway.data, self.gateway.pid(), pace);
        let plan = Plan { refused: self.traffic.refused(), ..plan };
        let (measured, happened) = match self.other {
            Some(other) => (self.load_both(&plan, other)?, Happened::default()),
            None => self.meanwhile.during(self.gateway, &plan, &mut self.requests())?,
        };
        if !matches!(self.traffic, Traffic::Free) {
            self.gateway.paid(measured.total);
        }
        let after = Footprint::of(self.gateway.pid())?;
        Ok((Run::new(&self.name, pace, repeat, measured, after), happened))
    }

    fn load_both(&self, plan: &Plan, other: &Faregate) -> Result<Measured> {
        thread::scope(|scope| {
            let theirs = Plan { target: other.data, pid: other.pid(), ..plan.clone() };
            let beside = scope.spawn(move || Load::run(&theirs, &mut self.requests_to(other)));
            let measured = Load::run(plan, &mut self.requests())?;
            let beside = beside.join().map_err(|_| anyhow!("the other load panicked"))??;
            self.gateway.paid(beside.total);
            Ok(measured)
        })
    }

    fn requests(&self) -> Requests {
        self.requests_to(self.gateway)
    }

    fn requests_to(&self, gateway: &Faregate) -> Requests {
        let target = gateway.data;
        match self.traffic {
            Traffic::Free => Requests::same(target, FREE_PATH),
            Traffic::Keys(keys) | Traffic::SomeRefused(keys) => {
                Requests::in_turn(target, PAID_PATH, "agent-key", keys)
            }
            Traffic::Live(keys) => Requests::in_turn(target, LIVE_PATH, "agent-key", keys),
        }
    }
}

// === impl Traffic ===

impl Traffic<'_> {
    const fn refused(self) -> Option<u16> {
        match self {
            Self::SomeRefused(_) => Some(403),
            Self::Free | Self::Keys(_) | Self::Live(_) => None,
        }
    }
}

/// Measures all rows at both paces, repeats interleaved.
pub(crate) fn compare(title: &str, rows: &[Row<'_>], options: &Options) -> Result<Comparison> {
    let names = rows.iter().map(|row| row.name.clone()).collect();
    let mut comparison = Comparison::new(title.to_owned(), names, options.rate);
    let mut happened = Happened::default();
    for repeat in 1..=options.repeats {
        for row in rows {
            for pace in [Pace::Closed, Pace::Open(options.rate)] {
                let measured = row.measure(pace, repeat, options);
                let complaint = || format!("{}, {pace:?}\n{}", row.name, row.gateway.log_end());
                let (run, beside) = measured.with_context(complaint)?;
                eprintln!("{repeat}/{} {run}", options.repeats);
                comparison.add(run);
                happened = happened.and(beside);
            }
        }
    }
    let Happened { count, longest } = happened;
    if count > 0 {
        let (count, longest) = (thousands(f64::from(count)), longest.as_secs_f64());
        comparison.note(format!("It happened {count} times; the longest took {longest:.3} s."));
    }
    Ok(comparison)
}
