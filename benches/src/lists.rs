//! Lists and reports of a full ledger, asked for as people do: how long one answer takes, one after the other.
//!
//! Next: [`crate::bulk`] for how the ledger was filled.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bulk::Bulk;
use crate::comparison::Comparison;
use crate::control::Control;
use crate::faregate::Faregate;
use crate::ground::Ground;
use crate::options::Options;
use crate::summary::thousands;

/// Answers that each line is made of.
const ANSWERS: usize = 200;

/// Routes of the provider, and days in which they were called.
const ROUTES: u64 = 100;
const DAYS: u64 = 30;

/// Pages that a cursor goes on for before a list is asked for from its beginning again.
const PAGES: usize = 50;

/// What is asked for.
struct Question {
    name: &'static str,
    path: String,
    /// Whether each answer names the page that is asked for next.
    is_list: bool,
}

/// As many payments as the options say, then every question.
pub(crate) fn measure(ground: &Ground, options: &Options) -> Result<Comparison> {
    let mut gateway = Faregate::start(ground, "lists", options.workers, 0)?;
    gateway.stop()?;
    let begun = Instant::now();
    let bulk = Bulk::new(&gateway.data_directory())?;
    bulk.payments(options.payments_in_database)?;
    bulk.traffic(ROUTES, DAYS)?;
    gateway.paid(options.payments_in_database);
    let count = thousands(options.payments_in_database as f64);
    eprintln!("{count} payments written in {:?}", begun.elapsed());
    gateway.restart()?;
    let control = gateway.control();
    let mut comparison = Comparison::new(format!("Lists of {count} payments"), Vec::new(), options.rate);
    for question in questions(control)? {
        let mut times = question.ask(control)?;
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        let line = format!(
            "{}: p50 {:.1} ms, p95 {:.1} ms, slowest {:.1} ms.",
            question.name,
            milliseconds(at(50)),
            milliseconds(at(95)),
            milliseconds(times.last().copied().unwrap_or_default())
        );
        eprintln!("{line}");
        comparison.note(line);
    }
    gateway.stop()?;
    Ok(comparison)
}

fn questions(control: &Control) -> Result<Vec<Question>> {
    let payment = control.get("/v1/payments?limit=1")?;
    let member = |name: &str| payment["data"][0][name].as_str().map(str::to_owned).context("a payment");
    let (agent, wallet, provider) = (member("agent")?, member("wallet")?, member("provider")?);
    let list =
        |name, query: &str| Question { name, path: format!("/v1/payments?limit=100{query}"), is_list: true };
    let report = |name, report: &str| Question {
        name,
        path: format!("/v1/providers/{provider}/{report}"),
        is_list: false,
    };
    let from = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24 * 30))?;
    let revenue = |by: &str| format!("revenue?from={from}&by={by}");
    Ok(vec![
        list("100 payments, newest first", ""),
        list("100 payments of an agent", &format!("&agent={agent}")),
        list("100 payments of a wallet", &format!("&wallet={wallet}")),
        list("100 payments of a provider", &format!("&provider={provider}")),
        list(
            "100 payments of a route, from the middle of the month",
            &format!("&route=paid&from={from}&order=oldest"),
        ),
        Question { name: "100 wallets", path: "/v1/wallets?limit=100".to_owned(), is_list: true },
        report("Revenue of 30 days by day", &revenue("day")),
        report("Revenue of 30 days by route", &revenue("route")),
        report("Consumers of this month", "consumers"),
        report("Failures of 30 days, 100 routes", &format!("failures?from={from}")),
        report("Latencies of 30 days, 100 routes", &format!("latency?from={from}")),
    ])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

// === impl Question ===

impl Question {
    fn ask(&self, control: &Control) -> Result<Vec<Duration>> {
        let mut path = self.path.clone();
        let mut times = Vec::with_capacity(ANSWERS);
        for asked in 0..ANSWERS {
            let begun = Instant::now();
            let answer = control.get(&path)?;
            times.push(begun.elapsed());
            ensure!(
                answer["data"].as_array().or(answer.as_array()).is_none_or(|rows| !rows.is_empty()),
                "{path}: nothing"
            );
            path = match answer["next"].as_str() {
                Some(cursor) if self.is_list && asked % PAGES != PAGES - 1 => {
                    format!("{}&after={cursor}", self.path)
                }
                _ => self.path.clone(),
            };
        }
        Ok(times)
    }
}
