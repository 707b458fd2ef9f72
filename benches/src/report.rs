//! [`Report`]: all runs, their medians, as a table in Markdown and as JSON.

use serde_json::{Value, json};

use crate::Options;
use crate::comparison::Comparison;
use crate::machine::Machine;
use crate::plan::Pace;
use crate::run::Run;
use crate::suite::Case;
use crate::summary::{Summary, thousands};

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
    comparisons: Vec<Comparison>,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(machine: Machine, options: &Options) -> Self {
        let Options { workers, connections, seconds, rate, .. } = *options;
        Self { machine, workers, connections, seconds, rate, runs: Vec::new(), comparisons: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// What a scenario gave.
    pub(crate) fn compare(&mut self, comparison: Comparison) {
        self.comparisons.push(comparison);
    }

    /// All tables, ready for the README.
    pub(crate) fn text(&self) -> String {
        let cases = (!self.runs.is_empty()).then(|| self.table());
        let tables = cases.into_iter().chain(self.comparisons.iter().map(Comparison::table));
        tables.chain([format!("{}.", self.machine.line())]).collect::<Vec<_>>().join("\n\n")
    }

    /// The cases beside the bare proxy.
    fn table(&self) -> String {
        let rate = thousands(f64::from(self.rate));
        let mut lines = vec![
            format!(
                "| | requests/s | of bare | p50 us | p99 us | CPU us/request | p50 us at {rate}/s | p99 us | CPU us/request | MiB |"
            ),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
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
                format!("{:.2}", closed.rate_to_reference.median),
                thousands(closed.p50_us.median),
                thousands(closed.p99_us.median),
                format!("{:.1}", closed.cpu_us_per_request.median),
                thousands(open.p50_us.median) + &self.shortfall(open),
                thousands(open.p99_us.median),
                format!("{:.1}", open.cpu_us_per_request.median),
                thousands(open.resident_mib.median),
            ];
            lines.push(format!("| {} |", cells.join(" | ")));
        }
        let Self { workers, connections, seconds, .. } = self;
        let repeats = self.runs.iter().map(|run| run.repeat).max().unwrap_or(0);
        lines.push(format!(
            "\nMedians of {repeats} runs of {seconds} s, interleaved; ± is half the spread. {connections} keep-alive \
             connections, {workers} workers in each proxy; generator, upstream and proxy share the machine. CPU is \
             that of the proxy's process (of the upstream's, where direct). Latency at the fixed rate counts from \
             when a request was due."
        ));
        lines.join("\n")
    }

    /// All runs, their medians, and what they were measured on.
    pub(crate) fn json(&self) -> Value {
        json!({
            "machine": self.machine,
            "options": {
                "workers": self.workers,
                "connections": self.connections,
                "seconds": self.seconds,
                "open_loop_requests_per_second": self.rate,
            },
            "summary": self.summaries(),
            "runs": self.runs,
            "scenarios": self.comparisons.iter().map(Comparison::json).collect::<Vec<_>>(),
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
        Summary::of(&self.runs, case.name(), pace, Case::Bare.name())
    }
}

#[cfg(test)]
mod tests;
