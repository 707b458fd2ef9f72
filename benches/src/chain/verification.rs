//! What it costs to look at a payment, in CPU time beside the bare proxy, with settlement left out.
//!
//! A payment whose payer has no money is verified whole: decoded, judged against the offers, its signature recovered, the payer's funds
//! looked up (in memory: the node is asked once a second at most), its nonce looked for in the books. Then it is refused with the same
//! 402 that an unpaid request gets, so that the difference between the two is verification, and to refuse. What a payment that is taken costs
//! beside that (its name, its terms as they are settled, its hold) is not in it. Whole deferred calls are measured with a facilitator that
//! never answers: everything but settlement is done.
//!
//! One worker whatever the options say, so that the generator has a core of its own, and a generator that never sleeps: a 402 comes back in
//! less time than it takes to fall asleep, a payment does not, and to wake it took the gateway ten microseconds that are no verification. The
//! worker must not sleep either: how busy it was stands beside the figures.

use std::hint::black_box;

use anyhow::{Context, Result};
use domain::B256;
use protocol::header::PAYMENT_SIGNATURE;
use protocol::signature::{Signature, SigningKey};
use tests::facilitator::{Call, Conduct, Facilitator};

use super::paid::{LINES, launch};
use super::place::Place;
use super::{Bench, on_chain, pay};
use crate::baseline;
use crate::cpu;
use crate::faregate::{FREE_PATH, Faregate, PAID_PATH};
use crate::footprint::Footprint;
use crate::load::Load;
use crate::median::Median;
use crate::payments;
use crate::plan::{Pace, Plan};
use crate::requests::Requests;
use crate::run::Run;

/// Payers without money, and payments of theirs that are sent in turn: nothing is held, so that each may come again.
const POOR: usize = 4;
const THEIRS: usize = 1_000;

/// Payments that are signed for a second of deferred calls: more than it can do.
const PER_SECOND: f64 = 9_000.0;

/// Threads of each proxy.
const WORKERS: usize = 1;

/// Signatures that are recovered to see what one takes.
const RECOVERIES: u32 = 50_000;

/// The rows.
const BARE: &str = "bare Pingora";
const UNPAID: &str = "Faregate, on a public network, 402";
const VERIFIED: &str = "Faregate, verified and refused for its payer's funds, 402";
const DEFERRED: &str = "Faregate, `deferred`, nothing settled meanwhile";

/// Who settles here: one that never answers, for as long as this is kept.
struct Silent {
    facilitator: Facilitator,
}

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let (mut runs, mut recoveries) = (Vec::new(), Vec::new());
    {
        let place = Place::new(&bench.runtime)?;
        let bare = baseline::start(bench.ground, WORKERS)?;
        let silent = bench.runtime.block_on(Silent::listen());
        let gateway = launch(bench, WORKERS, silent.section(&place), "deferred")?;
        for repeat in 1..=bench.options.repeats {
            let same = |path| move |target| Requests::same(target, path);
            runs.push(row(bench, (BARE, repeat), (bare.1, bare.0.pid()), 200, same(FREE_PATH))?);
            let ours = (gateway.data, gateway.pid());
            runs.push(row(bench, (UNPAID, repeat), ours, 402, same(PAID_PATH))?);
            recoveries.push(recovery()?);
            let poor = poor(&gateway)?;
            let verified = |target| Requests::in_turn(target, PAID_PATH, PAYMENT_SIGNATURE, &poor);
            runs.push(row(bench, (VERIFIED, repeat), ours, 402, verified)?);
            runs.push(deferred(bench, &place, repeat)?);
        }
    }
    let of = |name| runs.iter().filter(move |run| run.case == name).map(|run| run.cpu_us_per_request);
    let [bare, unpaid, verified, deferred] =
        [BARE, UNPAID, VERIFIED, DEFERRED].map(|name| Median::of(of(name)).median);
    let busy = |name| {
        let of_it = runs.iter().filter(move |run: &&Run| run.case == name);
        Median::of(of_it.map(|run| run.cpu_us_per_request * run.requests_per_second / 10_000.0)).median
    };
    // Of neighbours in time: what a virtual machine has for us changes by the minute.
    let added = Median::of(of(VERIFIED).zip(of(UNPAID)).map(|(verified, unpaid)| verified - unpaid));
    bench.note(format!(
        "CPU a request: bare proxy {bare:.1} us, unpaid 402 {unpaid:.1} us, the same with a payment that is verified whole {verified:.1} us: \
         to verify it and refuse it adds {:.1} us ({:.1} to {:.1}), where to recover an address alone takes {:.1} us. The one worker was busy \
         for {:.0} % and {:.0} % of the time. A deferred call, settlement left out: {deferred:.0} us, {:.0} more than the bare \
         proxy, with two commits of the books",
        added.median,
        added.min,
        added.max,
        Median::of(recoveries.into_iter()).median,
        busy(UNPAID),
        busy(VERIFIED),
        deferred - bare
    ));
    runs.into_iter().for_each(|run| bench.comparison.add(run));
    Ok(())
}

fn row(
    bench: &Bench<'_>,
    (name, repeat): (&str, usize),
    (target, pid): (std::net::SocketAddr, u32),
    expected: u16,
    requests: impl FnOnce(std::net::SocketAddr) -> Requests,
) -> Result<Run> {
    let plan = Plan { expected, is_awake: true, ..bench.options.plan(target, pid, Pace::Closed) };
    let measured = Load::run(&plan, &mut requests(target))?;
    let run = Run::new(name, Pace::Closed, repeat, measured, Footprint::of(pid)?);
    eprintln!("{run}");
    Ok(run)
}

/// What one recovery of an address takes here and now, in microseconds: most of what it costs to look at a payment, and no work of ours.
fn recovery() -> Result<f64> {
    let (key, digest) = (SigningKey::from_hex(&tests::payer::random_hex())?, B256::repeat_byte(1));
    let signature = Signature::from_bytes(&key.sign(digest))?;
    let before = cpu::of(std::process::id())?;
    for _ in 0..RECOVERIES {
        black_box(black_box(&signature).recover(digest)?);
    }
    let took = cpu::of(std::process::id())?.saturating_sub(before);
    Ok(took.as_secs_f64() * 1e6 / f64::from(RECOVERIES))
}

/// Payments of payers who have nothing.
fn poor(gateway: &Faregate) -> Result<Vec<String>> {
    let payers = (0..POOR).map(|_| SigningKey::from_hex(&tests::payer::random_hex()));
    let payers = payers.collect::<Result<Vec<_>, _>>()?;
    payments::sign(&on_chain(&gateway.challenge()?), &payers, THEIRS)
}

/// On a gateway of its own: after some time of silence the facilitator is left alone, and payments are refused.
fn deferred(bench: &Bench<'_>, place: &Place<'_>, repeat: usize) -> Result<Run> {
    let silent = bench.runtime.block_on(Silent::listen());
    let gateway = launch(bench, WORKERS, silent.section(place), "deferred")?;
    let plan = Plan { is_awake: true, ..bench.options.plan(gateway.data, gateway.pid(), Pace::Closed) };
    let count = (plan.warmup + plan.window).as_secs_f64() * PER_SECOND;
    let paid = pay(&plan, &gateway.challenge()?, &place.payers, count.ceil() as usize);
    let measured = paid.with_context(|| gateway.log_end())?;
    gateway.paid(measured.total);
    let run = Run::new(DEFERRED, Pace::Closed, repeat, measured, Footprint::of(gateway.pid())?);
    eprintln!("{run}");
    gateway.audit()?;
    Ok(run)
}

// === impl Silent ===

impl Silent {
    async fn listen() -> Self {
        let facilitator = Facilitator::alone().await;
        facilitator.on(Call::Verify, Conduct::silent());
        Self { facilitator }
    }

    fn section(&self, place: &Place<'_>) -> String {
        place.section(LINES, &[&self.facilitator.url()])
    }
}
