//! [`Scenario`]: what must cost nothing, or next to nothing, and what it costs.
//!
//! Each starts gateways of its own and compares rows with its first one, repeats interleaved as in [`crate::suite`].
//! Next: [`crate::row`] for how a row is measured, [`crate::bulk`] for rows by the million.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::bulk::Bulk;
use crate::chain;
use crate::comparison::Comparison;
use crate::faregate::Faregate;
use crate::ground::Ground;
use crate::lists;
use crate::meanwhile::Meanwhile;
use crate::options::Options;
use crate::row::{Row, Traffic, compare};
use crate::settled;
use crate::summary::thousands;
use crate::told;

/// Of the paid calls, one in so many is refused.
const REFUSED: usize = 10;

/// Registered agents that pay at random: more than the caches hold.
const RANDOM_AGENTS: usize = 100_000;

/// Changes of a price in a second: 200 in twenty.
const REPRICED: u32 = 10;

/// Calls of the management API in a second.
const MANAGED: u32 = 200;

/// A comparison that is not part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// One in ten payments is refused by a spending limit.
    Refused,
    /// Thousands of routes in the file.
    Routes,
    /// A million registered agents.
    Agents,
    /// A reload of thousands of routes while requests are served.
    Reload,
    /// Millions of payments in the ledger.
    Payments,
    /// The worker settles a million payments while requests are served.
    Settlements,
    /// Lists and reports of millions of payments.
    Lists,
    /// The price of the route that is called changes ten times a second.
    Reprice,
    /// The management API is called two hundred times a second.
    Manage,
    /// Webhooks are sent, with a million events waiting.
    Webhooks,
    /// USDC on a chain of this machine, beside the official server and facilitator.
    Chain,
    /// What it costs to verify a payment in USDC, which `chain` measures too.
    Verification,
    /// Two gateways on one PostgreSQL, whose holds are rows, beside one that owns its books.
    Several,
}

// === impl Scenario ===

impl Scenario {
    /// Measures it, and audits the books it wrote.
    pub(crate) fn run(self, ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
        let done = match self {
            Self::Refused => refused(ground, options),
            Self::Routes => routes(ground, options),
            Self::Agents => agents(ground, options),
            Self::Reload => reload(ground, options),
            Self::Payments => payments(ground, options),
            Self::Settlements => settled::measure(ground, options).map(|found| vec![found]),
            Self::Lists => lists::measure(ground, options).map(|found| vec![found]),
            Self::Reprice => reprice(ground, options),
            Self::Manage => manage(ground, options),
            Self::Webhooks => told::webhooks(ground, options),
            Self::Several => several(ground, options),
            Self::Chain => chain::measure(ground, options).map(|found| vec![found]),
            Self::Verification => chain::verify(ground, options).map(|found| vec![found]),
        };
        done.with_context(|| format!("{self:?}"))
    }
}

/// Answers that count are those of the others: with one in ten refused, 0.90 of the first row is what the refused ones
/// take by their number alone.
fn refused(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let gateway = Faregate::start(ground, "refused", options.workers, 0)?;
    let limited = gateway.limited_key()?;
    let mixed = gateway.keys.chunks(REFUSED - 1).flat_map(|keys| keys.iter().chain([&limited]));
    let mixed: Vec<String> = mixed.cloned().collect();
    let rows = [
        Row::new("all accepted", &gateway, Traffic::Keys(&gateway.keys)),
        Row::new("one in ten refused, the others", &gateway, Traffic::SomeRefused(&mixed)),
    ];
    let comparison = compare("Paid by key, refused by a limit", &rows, options)?;
    gateway.audit()?;
    Ok(vec![comparison])
}

fn routes(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let few = Faregate::start(ground, "few-routes", options.workers, 0)?;
    let many = Faregate::start(ground, "many-routes", options.workers, options.routes)?;
    let name = format!("{} routes", thousands(options.routes as f64 + 2.0));
    let by_key = [
        Row::new("2 routes", &few, Traffic::Keys(&few.keys)),
        Row::new(&name, &many, Traffic::Keys(&many.keys)),
    ];
    let free = [Row::new("2 routes", &few, Traffic::Free), Row::new(&name, &many, Traffic::Free)];
    let comparisons =
        vec![compare("Routes, paid by key", &by_key, options)?, compare("Routes, free", &free, options)?];
    few.audit()?;
    many.audit()?;
    Ok(comparisons)
}

fn agents(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let few = Faregate::start(ground, "few-agents", options.workers, 0)?;
    let mut many = Faregate::start(ground, "many-agents", options.workers, 0)?;
    many.stop()?;
    let known = many.keys.first().context("an agent")?;
    let begun = Instant::now();
    let random = Bulk::new(&many.data_directory())?.agents(options.agents, RANDOM_AGENTS, known)?;
    let count = thousands(options.agents as f64);
    eprintln!("{count} agents registered in {:?}", begun.elapsed());
    let restart = many.restart()?;
    let one = few.keys.get(..1).unwrap_or_default();
    let one_of_many = many.keys.get(..1).unwrap_or_default();
    let turns = |agents: &str| format!("{agents}, 256 pay in turn");
    let rows = [
        Row::new(&turns("256 agents"), &few, Traffic::Keys(&few.keys)),
        Row::new("256 agents, one pays", &few, Traffic::Keys(one)),
        Row::new(&turns(&format!("{count} agents")), &many, Traffic::Keys(&many.keys)),
        Row::new(&format!("{count} agents, one pays"), &many, Traffic::Keys(one_of_many)),
        Row::new(
            &format!("{count} agents, {} at random pay", thousands(random.len() as f64)),
            &many,
            Traffic::Keys(&random),
        ),
    ];
    let mut comparison = compare("Registered agents, paid by key", &rows, options)?;
    comparison.note(format!("A restart with {count} agents served after {:.2} s.", restart.as_secs_f64()));
    few.audit()?;
    many.audit()?;
    Ok(vec![comparison])
}

fn reload(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let gateway = Faregate::start(ground, "reload", options.workers, options.routes)?;
    let count = thousands(options.routes as f64 + 2.0);
    let keys = Traffic::Keys(&gateway.keys);
    let rows = [
        Row::new(&format!("{count} routes"), &gateway, keys),
        Row::new(&format!("{count} routes, all reloaded meanwhile"), &gateway, keys)
            .beside(Meanwhile::Reload),
    ];
    let comparison = compare("A reload under load, paid by key", &rows, options)?;
    gateway.audit()?;
    Ok(vec![comparison])
}

fn several(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let url = test_postgres::fresh_database;
    let alone = Faregate::start_on(Some(url()), ground, "alone", options.workers, 0)?;
    let (first, second) = Faregate::start_two(url(), ground, options.workers)?;
    let rows = [
        Row::new("one, holds in memory", &alone, Traffic::Keys(&alone.keys)),
        Row::new("one of two, the other idle", &first, Traffic::Keys(&first.keys)),
        Row::new("one of two, both called", &first, Traffic::Keys(&first.keys)).with(&second),
    ];
    let comparison = compare("Gateways on one PostgreSQL, paid by key", &rows, options)?;
    alone.audit()?;
    first.audit()?;
    Ok(vec![comparison])
}

fn payments(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let empty = Faregate::start(ground, "empty-ledger", options.workers, 0)?;
    let mut full = Faregate::start(ground, "full-ledger", options.workers, 0)?;
    full.stop()?;
    let begun = Instant::now();
    Bulk::new(&full.data_directory())?.payments(options.payments_in_database)?;
    full.paid(options.payments_in_database);
    let count = thousands(options.payments_in_database as f64);
    eprintln!("{count} payments written in {:?}", begun.elapsed());
    let mut restarts = vec![full.restart()?];
    let name = format!("{count} payments");
    let rows = [
        Row::new("empty ledger", &empty, Traffic::Keys(&empty.keys)),
        Row::new(&name, &full, Traffic::Keys(&full.keys)),
    ];
    let mut comparison = compare("Payments in the ledger, paid by key", &rows, options)?;
    for _ in 0..2 {
        full.stop()?;
        restarts.push(full.restart()?);
    }
    let times: Vec<String> = restarts.iter().map(|time| format!("{:.2} s", time.as_secs_f64())).collect();
    comparison.note(format!("Restarts with {count} payments served after {}.", times.join(", ")));
    empty.audit()?;
    full.stop()?;
    let audited = Instant::now();
    full.audit_stopped()?;
    comparison.note(format!("The audit of the full ledger took {:.1} s.", audited.elapsed().as_secs_f64()));
    Ok(vec![comparison])
}

fn reprice(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let gateway = Faregate::start(ground, "reprice", options.workers, 0)?;
    gateway.sell_live(ground.upstream())?;
    let keys = Traffic::Live(&gateway.keys);
    let rows = [
        Row::new("one price", &gateway, keys),
        Row::new(&format!("{REPRICED} changes a second"), &gateway, keys)
            .beside(Meanwhile::Reprice(REPRICED)),
    ];
    let comparison = compare("Prices that change, paid by key", &rows, options)?;
    gateway.audit()?;
    Ok(vec![comparison])
}

fn manage(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let gateway = Faregate::start(ground, "manage", options.workers, 0)?;
    let keys = Traffic::Keys(&gateway.keys);
    let rows = [
        Row::new("no management", &gateway, keys),
        Row::new(&format!("{MANAGED} calls a second"), &gateway, keys).beside(Meanwhile::Manage(MANAGED)),
    ];
    let comparison = compare("The management API, beside traffic paid by key", &rows, options)?;
    gateway.audit()?;
    Ok(vec![comparison])
}
