//! [`LatencyHistogram`]: how long answers took, in fixed steps, so that hours, routes and gateways add up.
//!
//! The steps are those of Renard's series R10, ten a decade, from 100 µs to 100 s. A percentile is given as the upper end of
//! the step that it lies in: never below the truth, and less than 28% above it. What was shorter counts as 100 µs, what was
//! longer as 100 s.

use std::time::Duration;

/// The upper end of each step, in microseconds.
pub const STEPS_US: [u64; 61] = steps();

/// One of the steps, by its place in [`STEPS_US`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LatencyStep(u8);

/// How many answers fell into each step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyHistogram {
    counts: [u64; STEPS_US.len()],
}

const fn steps() -> [u64; 61] {
    // A hundred times the series.
    const SERIES: [u64; 10] = [100, 125, 160, 200, 250, 315, 400, 500, 630, 800];
    let mut steps = [100_000_000; 61];
    let (mut index, mut decade) = (0, 1);
    while index < 60 {
        steps[index] = SERIES[index % 10] * decade;
        index += 1;
        if index % 10 == 0 {
            decade *= 10;
        }
    }
    steps
}

// === impl LatencyStep ===

impl LatencyStep {
    /// The step that a time falls into.
    #[must_use]
    pub fn of(time: Duration) -> Self {
        // Rounded up: a step holds what is not longer than its end.
        let micros = time.as_nanos().div_ceil(1_000);
        let index = STEPS_US.partition_point(|end| u128::from(*end) < micros);
        Self(u8::try_from(index.min(STEPS_US.len() - 1)).unwrap_or(u8::MAX))
    }

    /// The step with this upper end, in microseconds.
    #[must_use]
    pub fn ending_at(micros: u64) -> Option<Self> {
        let index = STEPS_US.binary_search(&micros).ok()?;
        u8::try_from(index).ok().map(Self)
    }

    /// Its place in [`STEPS_US`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

// === impl LatencyHistogram ===

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { counts: [0; STEPS_US.len()] }
    }
}

impl LatencyHistogram {
    /// Adds so many answers that took as long.
    pub fn add(&mut self, step: LatencyStep, answers: u64) {
        if let Some(count) = self.counts.get_mut(step.index()) {
            *count = count.saturating_add(answers);
        }
    }

    /// Answers of each step, in the order of [`STEPS_US`].
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().copied()
    }

    /// All answers.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// What so many of a thousand answers did not exceed; `None` where there was no answer.
    #[must_use]
    pub fn per_mille(&self, share: u16) -> Option<Duration> {
        let total = u128::from(self.total());
        let rank = (total * u128::from(share)).div_ceil(1_000).max(1);
        let mut seen = 0;
        let ends = self.counts.iter().zip(STEPS_US);
        for (count, end) in ends {
            seen += u128::from(*count);
            if seen >= rank {
                return Some(Duration::from_micros(end));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn steps_grow_by_less_than_28_per_cent() {
        assert_eq!((STEPS_US[0], STEPS_US[10], STEPS_US[60]), (100, 1_000, 100_000_000));
        for pair in STEPS_US.windows(2) {
            assert!(pair[0] < pair[1] && pair[1] * 100 <= pair[0] * 128, "{pair:?}");
        }
    }

    #[test]
    fn a_time_falls_into_the_first_step_that_is_not_shorter() {
        for (index, end) in STEPS_US.into_iter().enumerate() {
            let end = Duration::from_micros(end);
            assert_eq!(LatencyStep::of(end).index(), index);
            assert_eq!(LatencyStep::of(end + Duration::from_nanos(1)).index(), (index + 1).min(60));
            assert_eq!(LatencyStep::ending_at(STEPS_US[index]).map(LatencyStep::index), Some(index));
        }
        assert_eq!(LatencyStep::of(Duration::ZERO).index(), 0);
        assert_eq!(LatencyStep::of(Duration::MAX).index(), 60);
        assert_eq!(LatencyStep::ending_at(101), None);
    }

    #[test]
    fn percentiles_are_never_below_the_truth_and_less_than_28_per_cent_above() {
        let mut histogram = LatencyHistogram::default();
        assert_eq!(histogram.per_mille(500), None);
        for millis in 1..=1_000 {
            histogram.add(LatencyStep::of(ms(millis)), 1);
        }
        assert_eq!(histogram.total(), 1_000);
        for (share, truth) in [(500, ms(500)), (950, ms(950)), (990, ms(990)), (1_000, ms(1_000)), (0, ms(1))]
        {
            let told = histogram.per_mille(share).unwrap();
            assert!(told >= truth && told * 100 < truth * 128, "{share}: {told:?} for {truth:?}");
        }
    }
}
