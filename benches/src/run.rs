//! [`Run`]: one measurement in figures.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::footprint::Footprint;
use crate::plan::{Measured, Pace};

/// One measurement in figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// What was measured, as the table calls it.
    pub(crate) case: String,
    #[serde(serialize_with = "name")]
    pub(crate) pace: Pace,
    /// From 1.
    pub(crate) repeat: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Of the proxy; of the upstream where there is no proxy.
    pub(crate) cpu_us_per_request: f64,
    generator_cpu_us_per_request: f64,
    latencies: usize,
    answers: u64,
    seconds: f64,
    reconnects: u64,
    /// Refused on purpose, warm-up included.
    refused: u64,
    /// Given up without the right answer.
    failed: u64,
    /// Of the measured process, after the run.
    pub(crate) resident_mib: f64,
}

// === impl Run ===

impl Run {
    pub(crate) fn new(
        case: &str,
        pace: Pace,
        repeat: usize,
        mut measured: Measured,
        after: Footprint,
    ) -> Self {
        let answers = measured.answers.max(1) as f64;
        let seconds = measured.window.as_secs_f64();
        Self {
            case: case.to_owned(),
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
            refused: measured.refused,
            failed: measured.failed,
            resident_mib: after.resident_mib(),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, requests_per_second, p50_us, p99_us, cpu_us_per_request, resident_mib, .. } = self;
        let pace = self.pace.name();
        write!(
            out,
            "{case}, {pace}: {requests_per_second:.0}/s, p50 {p50_us:.0} us, p99 {p99_us:.0} us, \
             {cpu_us_per_request:.1} CPU us/request, {resident_mib:.0} MiB"
        )
    }
}

fn name<S: Serializer>(pace: &Pace, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(pace.name())
}
