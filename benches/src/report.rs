//! [`Report`]: all runs, their medians, as a table in Markdown and as JSON.

use serde::Serialize;
use serde_json::{Value, json};

use crate::Options;
use crate::machine::Machine;
use crate::median::Median;
use crate::plan::Pace;
use crate::run::Run;
use crate::suite::Case;

/// The share of the open loop's rate below which it was not reached.
const REACHED_MIN: f64 = 0.98;

/// What was measured so far.
pub(crate) struct Report {
    machine: Machine,
    workers: usize,
    connections: usize,
    seconds: f64,
    rate: u32,
    runs: Vec<Run>,
}

/// The medians of one case at one pace.
#[derive(Clone, Debug, Serialize)]
struct Summary {
    case: &'static str,
    pace: &'static str,
    requests_per_second: Median,
    p50_us: Median,
    p99_us: Median,
    cpu_us_per_request: Median,
    /// Requests a second, divided by those of the bare proxy in the same repeat.
    rate_to_bare: Median,
    /// CPU time a request, divided by that of the bare proxy in the same repeat.
    cpu_to_bare: Median,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(machine: Machine, options: &Options) -> Self {
        let Options { workers, connections, seconds, rate, .. } = *options;
        Self { machine, workers, connections, seconds, rate, runs: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Ready for the README.
    pub(crate) fn table(&self) -> String {
        let rate = thousands(f64::from(self.rate));
        let mut lines = vec![
            format!(
                "| | requests/s | of bare | p50 us | p99 us | CPU us/request | p50 us at {rate}/s | p99 us | CPU us/request |"
            ),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        let summaries = self.summaries();
        for case in Case::ALL {
            let find = |pace| summaries.iter().find(|found| found.case == case.name() && found.pace == pace);
            let (Some(closed), Some(open)) = (find("closed"), find("open")) else { continue };
            let cells = [
                case.name().to_owned(),
                format!(
                    "{} ±{:.0} %",
                    thousands(closed.requests_per_second.median),
                    closed.requests_per_second.spread_percent()
                ),
                format!("{:.2}", closed.rate_to_bare.median),
                thousands(closed.p50_us.median),
                thousands(closed.p99_us.median),
                format!("{:.1}", closed.cpu_us_per_request.median),
                thousands(open.p50_us.median) + &self.shortfall(open),
                thousands(open.p99_us.median),
                format!("{:.1}", open.cpu_us_per_request.median),
            ];
            lines.push(format!("| {} |", cells.join(" | ")));
        }
        let Self { machine, workers, connections, seconds, .. } = self;
        let repeats = self.runs.iter().map(|run| run.repeat).max().unwrap_or(0);
        lines.push(format!(
            "\nMedians of {repeats} runs of {seconds} s, interleaved; ± is half the spread. {connections} keep-alive \
             connections, {workers} workers in each proxy; generator, upstream and proxy share the machine. CPU is \
             that of the proxy's process (of the upstream's, where direct). Latency at the fixed rate counts from \
             when a request was due. {}.",
            machine.line()
        ));
        lines.join("\n")
    }

    /// All runs, their medians, and what they were measured on.
    pub(crate) fn json(&self) -> Value {
        let run = |run: &Run| {
            let mut value = json!(run);
            value["case"] = json!(run.case.name());
            value["pace"] = json!(run.pace.name());
            value
        };
        json!({
            "machine": self.machine,
            "options": {
                "workers": self.workers,
                "connections": self.connections,
                "seconds": self.seconds,
                "open_loop_requests_per_second": self.rate,
            },
            "summary": self.summaries(),
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }

    /// Latencies of a rate that was not reached are those of a growing queue: the table must say so.
    fn shortfall(&self, open: &Summary) -> String {
        let reached = open.requests_per_second.median;
        let is_short = reached < f64::from(self.rate) * REACHED_MIN;
        if is_short { format!(" (only {}/s)", thousands(reached)) } else { String::new() }
    }

    fn summaries(&self) -> Vec<Summary> {
        let paces = [Pace::Closed, Pace::Open(self.rate)];
        let pairs = Case::ALL.into_iter().flat_map(|case| paces.into_iter().map(move |pace| (case, pace)));
        pairs.filter_map(|(case, pace)| self.summary(case, pace)).collect()
    }

    fn summary(&self, case: Case, pace: Pace) -> Option<Summary> {
        let of = |case: Case| self.runs.iter().filter(move |run| run.case == case && run.pace == pace);
        of(case).next()?;
        let median = |figure: fn(&Run) -> f64| Median::of(of(case).map(figure));
        let to_bare = |figure: fn(&Run) -> f64| {
            let bare = |repeat| of(Case::Bare).find(move |run| run.repeat == repeat).map(figure);
            Median::of(of(case).filter_map(|run| Some(figure(run) / bare(run.repeat)?)))
        };
        Some(Summary {
            case: case.name(),
            pace: pace.name(),
            requests_per_second: median(|run| run.requests_per_second),
            p50_us: median(|run| run.p50_us),
            p99_us: median(|run| run.p99_us),
            cpu_us_per_request: median(|run| run.cpu_us_per_request),
            rate_to_bare: to_bare(|run| run.requests_per_second),
            cpu_to_bare: to_bare(|run| run.cpu_us_per_request),
        })
    }
}

/// A whole number with commas.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
