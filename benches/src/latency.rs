//! [`Latencies`]: every one is kept, so that percentiles are exact.

use std::time::Duration;

/// Latencies of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    all: Vec<Duration>,
}

// === impl Latencies ===

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.all.push(latency);
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The smallest latency that at least `percent` of 100 do not exceed, in microseconds; 0 where there is none.
    pub(crate) fn percentile_micros(&mut self, percent: usize) -> f64 {
        self.all.sort_unstable();
        let rank = (self.all.len() * percent).div_ceil(100).max(1);
        self.all.get(rank - 1).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks_of_what_was_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_micros(50), 0.0);
        for micros in (1..=100).rev() {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.percentile_micros(50).round(), 50.0);
        assert_eq!(latencies.percentile_micros(99).round(), 99.0);
        assert_eq!(latencies.percentile_micros(100).round(), 100.0);
        assert_eq!(latencies.count(), 100);
    }
}
