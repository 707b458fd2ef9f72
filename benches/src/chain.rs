//! Payments on a public network: Faregate beside the official TypeScript server and facilitator, on one chain of this machine.
//!
//! Everything settles for real: what a row was paid must be what its recipient has on chain. Each row has a chain of its own, because
//! anvil slows down as it mines. Next: [`official`] for the reference, [`paid`] for Faregate, [`burst`] for what settlement keeps up
//! with, [`verification`] for what it costs to look at a payment.

mod burst;
mod official;
mod paid;
mod place;
mod verification;

use anyhow::Result;
use protocol::challenge::PaymentRequired;
use protocol::header::PAYMENT_SIGNATURE;
use protocol::signature::SigningKey;
use tests::chain::NETWORK;
use tokio::runtime::Runtime;

use crate::comparison::Comparison;
use crate::faregate::PAID_PATH;
use crate::ground::Ground;
use crate::load::Load;
use crate::options::Options;
use crate::payments;
use crate::plan::{Measured, Plan};
use crate::requests::Requests;
use crate::run::Run;
use paid::{Case, Settler};

/// What every row is measured with.
struct Bench<'a> {
    runtime: Runtime,
    ground: &'a Ground,
    options: &'a Options,
    comparison: Comparison,
    /// Payments a second of the official server and facilitator at their best; 0 where they answered none.
    reference: f64,
}

const CASES: [Case; 3] = [
    Case {
        name: "Faregate, `after`, official facilitator, 50 at once",
        settler: Settler::Official,
        settle: "after",
        connections: 50,
        per_second: 600,
    },
    Case {
        name: "Faregate, `after`, its own settler, 200 at once",
        settler: Settler::Own,
        settle: "after",
        connections: 200,
        per_second: 4_000,
    },
    Case {
        name: "Faregate, `deferred`, its own settler, 64 at once",
        settler: Settler::Own,
        settle: "deferred",
        connections: 64,
        per_second: 9_000,
    },
];

/// All rows, each once: how many seconds each is measured is the options'. Every figure stands in a note.
pub(crate) fn measure(ground: &Ground, options: &Options) -> Result<Comparison> {
    let mut bench = Bench::new(ground, options)?;
    official::measure(&mut bench)?;
    for case in &CASES {
        match (paid::measure(&mut bench, case), case.settler) {
            // Somebody else's part, which must not keep the others from being measured.
            (Err(error), Settler::Official) => {
                bench.note(format!("{}: could not be measured: {error:#}", case.name));
            }
            (measured, _) => measured?,
        }
    }
    burst::measure(&mut bench)?;
    verification::measure(&mut bench)?;
    Ok(bench.comparison)
}

/// What it costs to look at a payment, alone: needs neither the official server nor long runs.
pub(crate) fn verify(ground: &Ground, options: &Options) -> Result<Comparison> {
    let mut bench = Bench::new(ground, options)?;
    verification::measure(&mut bench)?;
    Ok(bench.comparison)
}

// === impl Bench ===

impl<'a> Bench<'a> {
    fn new(ground: &'a Ground, options: &'a Options) -> Result<Self> {
        let comparison = Comparison::new("USDC on a chain of this machine".to_owned(), Vec::new(), 0);
        Ok(Self { runtime: Runtime::new()?, ground, options, comparison, reference: 0.0 })
    }

    /// A figure, and what else is to be said of it.
    fn found(&mut self, run: Run, more: &str) {
        eprintln!("{run}");
        let note = format!("{}: {:.0}/s{}{more}", run.case, run.requests_per_second, self.ratio(&run));
        self.note(note);
        self.comparison.add(run);
    }

    /// Said at once, and again at the end.
    fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.comparison.note(note);
    }

    fn ratio(&self, run: &Run) -> String {
        if self.reference > 0.0 {
            format!(", {:.1} of the official at its best", run.requests_per_second / self.reference)
        } else {
            String::new()
        }
    }
}

/// Pays by this plan, with `count` payments at most.
fn pay(plan: &Plan, challenge: &PaymentRequired, payers: &[SigningKey], count: usize) -> Result<Measured> {
    let values = payments::sign(&on_chain(challenge), payers, count)?;
    let mut requests = Requests::once(plan.target, PAID_PATH, PAYMENT_SIGNATURE, values);
    Load::run(plan, &mut requests)
}

/// The offers on the public network alone.
fn on_chain(challenge: &PaymentRequired) -> PaymentRequired {
    let mut challenge = challenge.clone();
    challenge.accepts.retain(|offer| offer.network == NETWORK);
    challenge
}
