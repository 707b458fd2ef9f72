//! [`Meanwhile`]: what happens to a gateway while it is measured.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::faregate::Faregate;
use crate::load::Load;
use crate::plan::{Measured, Plan};
use crate::requests::Requests;

/// Calls of the management API that are under way at once, at most.
const CALLERS: u32 = 4;

/// Of the calls, one in so many writes.
const WRITES: u32 = 4;

/// Something beside the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// Nothing.
    Nothing,
    /// All routes of the file but those that are called get another price, once.
    Reload,
    /// The route that is called gets another price, so often a second.
    Reprice(u32),
    /// The management API is called, so often a second, on a few connections.
    Manage(u32),
    /// The worker settles so many payments. They are settled once, so this is for one measurement.
    Settle(u64),
}

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Happened {
    /// How often.
    pub(crate) count: u32,
    /// The longest that one took.
    pub(crate) longest: Duration,
}

// === impl Meanwhile ===

impl Meanwhile {
    /// Measures, and does it.
    pub(crate) fn during(
        self,
        gateway: &Faregate,
        plan: &Plan,
        requests: &mut Requests,
    ) -> Result<(Measured, Happened)> {
        thread::scope(|scope| {
            let doing: Vec<_> = (0..self.callers())
                .map(|caller| scope.spawn(move || self.run(caller, gateway, plan)))
                .collect();
            let measured = Load::run(plan, requests)?;
            let mut happened = Happened::default();
            for one in doing {
                happened = happened.and(one.join().map_err(|_| anyhow!("what happens beside panicked"))??);
            }
            Ok((measured, happened))
        })
    }

    const fn callers(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Reload | Self::Reprice(_) | Self::Settle(_) => 1,
            Self::Manage(_) => CALLERS,
        }
    }

    fn run(self, caller: u32, gateway: &Faregate, plan: &Plan) -> Result<Happened> {
        match self {
            Self::Nothing => Ok(Happened::default()),
            Self::Reload => {
                thread::sleep(plan.warmup + plan.window / 4);
                Ok(Happened { count: 1, longest: gateway.reload()? })
            }
            Self::Settle(payments) => {
                thread::sleep(plan.warmup + plan.window / 4);
                Ok(Happened { count: 1, longest: gateway.settle(payments)? })
            }
            Self::Reprice(rate) => at_rate(rate, plan, |turn| gateway.reprice(turn)),
            Self::Manage(rate) => {
                let mut client = gateway.client();
                at_rate(rate / CALLERS, plan, |turn| {
                    gateway.manage(&mut client, caller + turn * CALLERS, turn.is_multiple_of(WRITES))
                })
            }
        }
    }
}

/// So many a second from the beginning of the load to its end, evenly. One that took long delays the next, none is left out.
fn at_rate(rate: u32, plan: &Plan, mut act: impl FnMut(u32) -> Result<()>) -> Result<Happened> {
    let begun = Instant::now();
    let (end, between) = (plan.warmup + plan.window, Duration::from_secs(1) / rate.max(1));
    let mut happened = Happened::default();
    loop {
        let due = between * happened.count;
        if due >= end {
            return Ok(happened);
        }
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let acting = Instant::now();
        act(happened.count)?;
        happened = happened.and(Happened { count: 1, longest: acting.elapsed() });
        if begun.elapsed() >= end {
            return Ok(happened);
        }
    }
}

// === impl Happened ===

impl Happened {
    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, longest: self.longest.max(other.longest) }
    }
}
