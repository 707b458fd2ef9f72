//! [`Comparison`]: the rows of one scenario, each beside the first.

use serde_json::{Value, json};

use crate::plan::Pace;
use crate::run::Run;
use crate::summary::{Summary, thousands};

/// What a scenario gave.
pub(crate) struct Comparison {
    title: String,
    /// In order; the first is the reference of the others. None where all that was found stands in the notes.
    rows: Vec<String>,
    rate: u32,
    runs: Vec<Run>,
    /// What has no column: times of restarts and reloads.
    notes: Vec<String>,
}

// === impl Comparison ===

impl Comparison {
    pub(crate) fn new(title: String, rows: Vec<String>, rate: u32) -> Self {
        Self { title, rows, rate, runs: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Ready for the README.
    pub(crate) fn table(&self) -> String {
        if self.rows.is_empty() {
            return format!("{}\n\n* {}", self.title, self.notes.join("\n* "));
        }
        let rate = thousands(f64::from(self.rate));
        let mut lines = vec![
            format!(
                "| {} | requests/s | of the first | CPU us/request | p50 us at {rate}/s | p99 us | of the first | MiB |",
                self.title
            ),
            "|---|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        for row in &self.rows {
            let (Some(closed), Some(open)) =
                (self.summary(row, Pace::Closed), self.summary(row, Pace::Open(self.rate)))
            else {
                continue;
            };
            let cells = [
                row.clone(),
                thousands(closed.requests_per_second.median),
                format!("{:.2}", closed.rate_to_reference.median),
                format!("{:.1}", closed.cpu_us_per_request.median),
                thousands(open.p50_us.median),
                thousands(open.p99_us.median),
                format!("{:.2}", open.p99_to_reference.median),
                thousands(open.resident_mib.median),
            ];
            lines.push(format!("| {} |", cells.join(" | ")));
        }
        lines.extend(self.notes.iter().map(|note| format!("\n{note}")));
        lines.join("\n")
    }

    /// All runs and their medians.
    pub(crate) fn json(&self) -> Value {
        let paces = [Pace::Closed, Pace::Open(self.rate)];
        let pairs = self.rows.iter().flat_map(|row| paces.map(|pace| (row, pace)));
        let summary: Vec<Summary> = pairs.filter_map(|(row, pace)| self.summary(row, pace)).collect();
        json!({ "scenario": self.title, "summary": summary, "runs": self.runs, "notes": self.notes })
    }

    fn summary(&self, row: &str, pace: Pace) -> Option<Summary> {
        Summary::of(&self.runs, row, pace, self.rows.first()?)
    }
}
