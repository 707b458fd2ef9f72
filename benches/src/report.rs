//! [`Report`]: all runs, their medians, as a table in Markdown and as JSON.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::Options;
use crate::load::{Measured, Pace};
use crate::machine::Machine;
use crate::suite::Case;

/// What was measured so far.
pub(crate) struct Report {
    machine: Machine,
    workers: usize,
    connections: usize,
    seconds: f64,
    rate: u32,
    runs: Vec<Run>,
}

/// One measurement in figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    #[serde(skip)]
    case: Case,
    #[serde(skip)]
    pace: Pace,
    /// From 1.
    repeat: usize,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of the proxy; of the upstream where there is no proxy.
    cpu_us_per_request: f64,
    generator_cpu_us_per_request: f64,
    latencies: usize,
    answers: u64,
    seconds: f64,
    reconnects: u64,
}

/// The middle of some figures, and how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Median {
    median: f64,
    min: f64,
    max: f64,
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

// === impl Run ===

impl Run {
    pub(crate) fn new(case: Case, pace: Pace, repeat: usize, mut measured: Measured) -> Self {
        let answers = measured.answers.max(1) as f64;
        let seconds = measured.window.as_secs_f64();
        Self {
            case,
            pace,
            repeat,
            requests_per_second: measured.answers as f64 / seconds,
            p50_us: measured.latencies.percentile_micros(50),
            p99_us: measured.latencies.percentile_micros(99),
            cpu_us_per_request: measured.cpu.as_secs_f64() * 1e6 / answers,
            generator_cpu_us_per_request: measured.generator_cpu.as_secs_f64() * 1e6 / answers,
            latencies: measured.latencies.count(),
            answers: measured.answers,
            seconds,
            reconnects: measured.reconnects,
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests_per_second, p50_us, p99_us, cpu_us_per_request, .. } = self;
        let (case, pace) = (self.case.name(), self.pace.name());
        write!(
            out,
            "{case}, {pace}: {requests_per_second:.0}/s, p50 {p50_us:.0} us, p99 {p99_us:.0} us, \
             {cpu_us_per_request:.1} CPU us/request"
        )
    }
}

// === impl Pace ===

impl Pace {
    const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
        }
    }
}

// === impl Median ===

impl Median {
    /// Of at least one figure; all zero where there is none.
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(0.0);
        let (low, high) = (at(figures.len().saturating_sub(1) / 2), at(figures.len() / 2));
        Self { median: f64::midpoint(low, high), min: at(0), max: at(figures.len().saturating_sub(1)) }
    }

    /// Half of the way between the smallest and the largest, in hundredths of the median.
    fn spread_percent(self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.max - self.min) / 2.0 / self.median * 100.0 }
    }
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
                thousands(open.p50_us.median),
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
