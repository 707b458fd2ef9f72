//! Faregate's rows: who settles, and when.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::chain::{Official, SETTLER_KEY};

use super::place::{Place, RECIPIENT};
use super::{Bench, pay};
use crate::faregate::{Faregate, OnChain};
use crate::footprint::Footprint;
use crate::ground::Ground;
use crate::plan::{Pace, Plan};
use crate::run::Run;
use crate::summary::thousands;

/// One line.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) settler: Settler,
    /// Of the route.
    pub(super) settle: &'static str,
    pub(super) connections: usize,
    /// More than it can do: payments that are signed for a second of it.
    pub(super) per_second: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Settler {
    Official,
    Own,
}

/// A gateway on a chain, and who settles for it.
pub(super) struct Shop {
    pub(super) gateway: Faregate,
    _official: Option<Official>,
}

/// What every gateway here says of its network: no payer is turned away, and a payment is good for ten minutes.
pub(super) const LINES: &str = "payer_unsettled_max = \"$1000000\"\nmax_timeout = \"10m\"\nmargin = \"30s\"";

/// Measures it, waits until everything is settled, and audits the books.
pub(super) fn measure(bench: &mut Bench<'_>, case: &Case) -> Result<()> {
    let (run, more) = {
        let place = Place::new(&bench.runtime)?;
        let shop = Shop::open(bench, &place, case.settler, case.settle)?;
        let gateway = &shop.gateway;
        let plan = bench.options.plan(gateway.data, gateway.pid(), Pace::Closed);
        let plan = Plan { connections: case.connections, warmup: Duration::ZERO, ..plan };
        let count = (plan.window.as_secs_f64().ceil() as usize).saturating_mul(case.per_second);
        let paid = pay(&plan, &gateway.challenge()?, &place.payers, count);
        let measured = paid.with_context(|| gateway.log_end())?;
        let (total, took) = (measured.total, shop.settled(&place, measured.total)?);
        let more = format!(
            "; {} payments, all settled {:.1} s after the last was answered",
            thousands(total as f64),
            took.as_secs_f64()
        );
        (Run::new(case.name, Pace::Closed, 1, measured, Footprint::of(gateway.pid())?), more)
    };
    bench.found(run, &more);
    Ok(())
}

// === impl Shop ===

impl Shop {
    pub(super) fn open(
        bench: &Bench<'_>,
        place: &Place<'_>,
        settler: Settler,
        settle: &'static str,
    ) -> Result<Self> {
        let (section, official) = match settler {
            Settler::Official => {
                let official = place.official();
                (place.section(LINES, &[&official.url()]), Some(official))
            }
            Settler::Own => (place.section(&own(bench.ground)?, &[]), None),
        };
        let gateway = launch(bench, bench.options.workers, section, settle)?;
        Ok(Self { gateway, _official: official })
    }

    /// Waits until the recipient has so many payments, which are all; how long that took. The books must hold them, and balance.
    pub(super) fn settled(&self, place: &Place<'_>, payments: u64) -> Result<Duration> {
        let gateway = &self.gateway;
        gateway.paid(payments);
        let took = place.receives(payments).with_context(|| gateway.log_end())?;
        gateway.audit()?;
        Ok(took)
    }
}

/// A gateway in a folder of its own.
pub(super) fn launch(
    bench: &Bench<'_>,
    workers: usize,
    section: String,
    settle: &'static str,
) -> Result<Faregate> {
    let count = std::fs::read_dir(bench.ground.folder())?.count();
    let paid = OnChain { section, address: RECIPIENT, settle };
    Faregate::start_on_chain(bench.ground, &format!("chain-{count}"), workers, paid)
}

/// With a key of our own.
fn own(ground: &Ground) -> Result<String> {
    let key = ground.folder().join("settler-key");
    std::fs::write(&key, SETTLER_KEY)?;
    ensure!(key.is_absolute(), "a path that the gateway finds");
    Ok(format!(
        "{LINES}\nsettler = \"evm\"\n[networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"100gwei\"\n",
        key.display()
    ))
}
