//! [`Median`]: what a few repeats of a measurement come to.

use serde::Serialize;

/// The middle of some figures, and how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Median {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

// === impl Median ===

impl Median {
    /// Of at least one figure; all zero where there is none.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(0.0);
        let (low, high) = (at(figures.len().saturating_sub(1) / 2), at(figures.len() / 2));
        Self { median: f64::midpoint(low, high), min: at(0), max: at(figures.len().saturating_sub(1)) }
    }

    /// Half of the way between the smallest and the largest, in hundredths of the median.
    pub(crate) fn spread_percent(self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.max - self.min) / 2.0 / self.median * 100.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_two_is_between_them() {
        assert_eq!(Median::of([3.0, 1.0].into_iter()).median, 2.0);
        assert_eq!(Median::of(std::iter::empty()).median, 0.0);
    }
}
