//! The reference: the official TypeScript server and facilitator, unmodified. Whatever they do, the comparison goes on: what they
//! answered counts, and what they did not is told beside it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use protocol::challenge::PaymentRequired;
use protocol::header::PAYMENT_REQUIRED;
use serde_json::json;
use tests::companion::Companion;
use tests::packages::{Packages, node};

use super::place::{Place, RECIPIENT};
use super::{Bench, pay};
use crate::exchange::Exchange;
use crate::faregate::PAID_PATH;
use crate::footprint::Footprint;
use crate::plan::{Pace, Plan};
use crate::run::Run;
use crate::summary::thousands;

/// How long a request may take: more than a hundred times what it takes on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Payments that are signed for a second: more than it can do.
const PER_SECOND: usize = 400;

/// Its rows, by how many requests are under way.
const ROWS: [(&str, usize); 2] =
    [("official server and facilitator, one by one", 1), ("the same, 50 at once", 50)];

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    for (name, connections) in ROWS {
        match row(bench, name, connections) {
            Ok((run, more)) => {
                let rate = run.requests_per_second;
                bench.found(run, &more);
                bench.reference = rate.max(bench.reference);
            }
            Err(error) => bench.note(format!("{name}: could not be measured: {error:#}")),
        }
    }
    Ok(())
}

fn row(bench: &Bench<'_>, name: &'static str, connections: usize) -> Result<(Run, String)> {
    let place = Place::new(&bench.runtime)?;
    let facilitator = place.official();
    let script = Packages::official().script("../benches/official/server.mjs");
    let told = json!({ "facilitator": facilitator.url(), "payTo": RECIPIENT.to_checksum(None) }).to_string();
    let script = script.to_str().context("a path in UTF-8")?;
    let (_server, address) = bench.runtime.block_on(async {
        let mut server = Companion::start(node().as_os_str(), &[script, &told]);
        let address = server.says("listening on ").await;
        Ok::<_, anyhow::Error>((server, address.parse::<SocketAddr>()?))
    })?;
    let exchange = Exchange::new(address, "GET", PAID_PATH, "", "")?;
    let field = exchange.header(PAYMENT_REQUIRED).context("a challenge without its header")?;
    let challenge = PaymentRequired::parse(field.as_bytes())?.context("a challenge that cannot be read")?;
    // Whose CPU is counted means nothing here: server, facilitator and chain are three.
    let own = std::process::id();
    let plan = bench.options.plan(address, own, Pace::Closed);
    let plan = Plan { connections, warmup: Duration::ZERO, patience: Some(PATIENCE), ..plan };
    let count = (plan.window.as_secs_f64().ceil() as usize).saturating_mul(PER_SECOND);
    let measured = pay(&plan, &challenge, place.payers.get(..1).unwrap_or_default(), count)?;
    let (answered, failed, moved) = (measured.total, measured.failed, place.received());
    let told = [answered, failed, moved].map(|count| thousands(count as f64));
    let [answered, failed, moved] = &told;
    let patience = PATIENCE.as_secs();
    let more = format!("; {answered} answered, {failed} not within {patience} s, {moved} moved on chain");
    Ok((Run::new(name, Pace::Closed, 1, measured, Footprint::of(own)?), more))
}
