//! `settle = "deferred"` for longer: how much is accepted in a burst that settlement works off afterwards, and how much for ever,
//! with settlement keeping up.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::paid::{Settler, Shop};
use super::place::Place;
use super::{Bench, pay};
use crate::footprint::Footprint;
use crate::plan::{Measured, Pace, Plan};
use crate::run::Run;
use crate::summary::thousands;

/// The burst lasts so many times as long as other rows: 30 s by default.
const BURST: f64 = 6.0;

/// One try of a sustained rate does so.
const TRY: f64 = 2.0;

/// Payments that are signed for a second of the burst: more than it can do.
const PER_SECOND: f64 = 6_000.0;

/// How long each payment is good for, as the gateways here say.
const VALID: Duration = Duration::from_secs(600);

/// Settlement keeps up where the last payment is settled so soon after its answer, however long it went on before.
const LAG_MAX: Duration = Duration::from_secs(3);

/// Lower and lower rates are tried so often.
const TRIES: usize = 6;

/// The next rate that is tried, of the one before.
const LOWER: f64 = 0.85;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let (run, more, kept) = burst(bench)?;
    bench.found(run, &more);
    let note = match sustained(bench, kept)? {
        Some((run, lag)) => {
            let ratio = bench.ratio(&run);
            let (rate, seconds) = (thousands(run.requests_per_second), bench.options.seconds * TRY);
            let note = format!(
                "sustained, `deferred`, its own settler: {rate}/s{ratio}; after {seconds:.0} s the last was settled {lag:.1} s after its answer"
            );
            bench.comparison.add(run);
            note
        }
        None => format!(
            "sustained, `deferred`: settlement kept up with no rate that was tried, from {kept:.0}/s down"
        ),
    };
    bench.note(note);
    Ok(())
}

/// As much as is accepted; also how much settlement did in a second, from the first payment to the last.
fn burst(bench: &Bench<'_>) -> Result<(Run, String, f64)> {
    let place = Place::new(&bench.runtime)?;
    let shop = Shop::open(bench, &place, Settler::Own, "deferred")?;
    let seconds = bench.options.seconds * BURST;
    let signing = Instant::now();
    let measured = load(bench, &shop, &place, Pace::Closed, seconds)?;
    let (total, took) = (measured.total, shop.settled(&place, measured.total)?);
    let before = VALID.checked_sub(signing.elapsed()).context("settled after the first deadline")?;
    let kept = total as f64 / (measured.window + took).as_secs_f64();
    let name = format!("Faregate, `deferred`, its own settler, 64 at once, accepted over {seconds:.0} s");
    let run = Run::new(&name, Pace::Closed, 1, measured, Footprint::of(shop.gateway.pid())?);
    let more = format!(
        "; {} payments, every one settled on chain, the last {:.1} s after its answer and {:.0} s before the first deadline",
        thousands(total as f64),
        took.as_secs_f64(),
        before.as_secs_f64()
    );
    Ok((run, more, kept))
}

/// The first rate below this one with which settlement keeps up, and how many seconds the last payment waited; each is tried on a
/// chain of its own.
fn sustained(bench: &Bench<'_>, most: f64) -> Result<Option<(Run, f64)>> {
    let mut rate = most;
    for _ in 0..TRIES {
        let pace = Pace::Open(rate as u32);
        ensure!(pace != Pace::Open(0), "nothing was settled");
        let place = Place::new(&bench.runtime)?;
        let shop = Shop::open(bench, &place, Settler::Own, "deferred")?;
        let measured = load(bench, &shop, &place, pace, bench.options.seconds * TRY)?;
        let took = shop.settled(&place, measured.total)?;
        let run = Run::new("sustained", pace, 1, measured, Footprint::of(shop.gateway.pid())?);
        eprintln!("{run}; the last was settled {:.1} s after its answer", took.as_secs_f64());
        if took <= LAG_MAX {
            return Ok(Some((run, took.as_secs_f64())));
        }
        rate *= LOWER;
    }
    Ok(None)
}

fn load(bench: &Bench<'_>, shop: &Shop, place: &Place<'_>, pace: Pace, seconds: f64) -> Result<Measured> {
    let gateway = &shop.gateway;
    let plan = bench.options.plan(gateway.data, gateway.pid(), pace);
    let plan = Plan { warmup: Duration::ZERO, window: Duration::from_secs_f64(seconds), ..plan };
    let per_second = match pace {
        Pace::Closed => PER_SECOND,
        Pace::Open(rate) => f64::from(rate) * 1.02,
    };
    let paid = pay(&plan, &gateway.challenge()?, &place.payers, (per_second * seconds).ceil() as usize);
    paid.with_context(|| gateway.log_end())
}
