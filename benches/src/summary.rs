//! [`Summary`]: the medians of one case at one pace, beside those of the case it is compared with.

use serde::Serialize;

use crate::median::Median;
use crate::plan::Pace;
use crate::run::Run;

/// The medians of one case at one pace. What is divided is divided within a repeat, before the median is taken.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) case: String,
    pub(crate) pace: &'static str,
    pub(crate) requests_per_second: Median,
    pub(crate) p50_us: Median,
    pub(crate) p99_us: Median,
    pub(crate) cpu_us_per_request: Median,
    pub(crate) resident_mib: Median,
    /// The case it is compared with.
    reference: String,
    /// Requests a second, divided by the reference's.
    pub(crate) rate_to_reference: Median,
    /// CPU time a request, divided by the reference's.
    pub(crate) cpu_to_reference: Median,
    /// The 99th percentile, divided by the reference's.
    pub(crate) p99_to_reference: Median,
}

// === impl Summary ===

impl Summary {
    /// None where the case was not measured at this pace.
    pub(crate) fn of(runs: &[Run], case: &str, pace: Pace, reference: &str) -> Option<Self> {
        let of = |case: &str| {
            runs.iter().filter(move |run| run.case == case && run.pace == pace).collect::<Vec<_>>()
        };
        let (own, others) = (of(case), of(reference));
        if own.is_empty() {
            return None;
        }
        let median = |figure: fn(&Run) -> f64| Median::of(own.iter().map(|run| figure(run)));
        let ratio = |figure: fn(&Run) -> f64| {
            let other = |repeat| others.iter().find(|run| run.repeat == repeat).map(|run| figure(run));
            Median::of(own.iter().filter_map(|run| Some(figure(run) / other(run.repeat)?)))
        };
        Some(Self {
            case: case.to_owned(),
            pace: pace.name(),
            requests_per_second: median(|run| run.requests_per_second),
            p50_us: median(|run| run.p50_us),
            p99_us: median(|run| run.p99_us),
            cpu_us_per_request: median(|run| run.cpu_us_per_request),
            resident_mib: median(|run| run.resident_mib),
            reference: reference.to_owned(),
            rate_to_reference: ratio(|run| run.requests_per_second),
            cpu_to_reference: ratio(|run| run.cpu_us_per_request),
            p99_to_reference: ratio(|run| run.p99_us),
        })
    }
}

/// A whole number with commas.
pub(crate) fn thousands(number: f64) -> String {
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
