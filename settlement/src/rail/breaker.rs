//! [`Breaker`]: leaves somebody alone who fails again and again, and tries now and then whether he is back.

use domain::UnixMillis;

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 3;

/// The first pause, and the longest; each is twice the one before.
const PAUSE_MS: i64 = 1_000;
const PAUSE_MS_MAX: i64 = 60_000;

/// How somebody does who is called.
#[derive(Debug)]
pub(crate) struct Breaker {
    pause_ms_max: i64,
    /// In a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: UnixMillis,
    pause_ms: i64,
    /// A call shows whether he is back.
    is_tried: bool,
}

// === impl Breaker ===

impl Breaker {
    /// One whose pauses are no longer than this.
    pub(crate) const fn with_pause_max(pause_ms_max: i64) -> Self {
        Self { pause_ms_max, failures: 0, open: None }
    }

    /// Whether nobody may call now.
    pub(crate) fn is_open(&self, at: UnixMillis) -> bool {
        // No pause is longer: a clock that was set back would have him left alone for as long.
        let longest = self.pause_ms_max.max(PAUSE_MS);
        self.open.is_some_and(|open| at < open.until && open.until <= at.plus(longest))
    }

    /// Whether this call may be made. After a pause a single one may: it puts off the others by as much again, so that it is
    /// the only one until it is answered, and keeps nobody out for ever where it never is.
    pub(crate) fn admits(&mut self, at: UnixMillis) -> bool {
        if self.is_open(at) {
            return false;
        }
        if let Some(open) = &mut self.open {
            open.until = at.plus(open.pause_ms);
            open.is_tried = true;
        }
        true
    }

    /// It answered. True where it had been left alone.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// It did not. True where it is left alone from now on.
    pub(crate) fn failed(&mut self, at: UnixMillis) -> bool {
        self.failed_for(at, self.pause_ms_max)
    }

    /// The same, and it is left alone for no longer than this.
    pub(crate) fn failed_for(&mut self, at: UnixMillis, pause_ms_max: i64) -> bool {
        self.failures = self.failures.saturating_add(1);
        if let Some(open) = &mut self.open {
            // Others were under way when it opened: they say nothing new.
            if std::mem::take(&mut open.is_tried) {
                open.pause_ms = pause_ms_max.min(open.pause_ms.saturating_mul(2));
                open.until = at.plus(open.pause_ms);
            }
            return false;
        }
        if self.failures < FAILURES_MAX {
            return false;
        }
        self.open = Some(Open { until: at.plus(PAUSE_MS), pause_ms: PAUSE_MS, is_tried: false });
        true
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::with_pause_max(PAUSE_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_leaves_nobody_alone_for_longer_than_the_longest_pause() {
        let mut breaker = Breaker::default();
        let now = UnixMillis(1_000_000);
        for _ in 0..FAILURES_MAX {
            breaker.failed(now);
        }
        assert!(breaker.is_open(now) && breaker.is_open(now.plus(PAUSE_MS - PAUSE_MS_MAX)));
        assert!(!breaker.is_open(now.plus(-600_000)));
        assert!(breaker.admits(now.plus(-600_000)) && !breaker.admits(now.plus(-600_000)));
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_through_after_each_pause() {
        let mut breaker = Breaker::default();
        let mut now = UnixMillis(1_000);
        for _ in 0..10 {
            // Single failures are daily life.
            assert!(breaker.admits(now) && !breaker.failed(now) && !breaker.failed(now));
            assert!(!breaker.succeeded());
        }
        let opened: Vec<bool> = (0..5).map(|_| breaker.failed(now)).collect();
        assert_eq!(opened, [false, false, true, false, false]);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let began = now;
            while breaker.is_open(now) {
                assert!(!breaker.admits(now));
                now = now.plus(500);
            }
            pauses.push(now.0 - began.0);
            assert!(breaker.admits(now) && !breaker.admits(now), "one of two");
            assert!(!breaker.failed(now) && !breaker.failed(now));
        }
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        now = now.plus(PAUSE_MS_MAX);
        assert!(breaker.admits(now));
        // Nobody says how that one ended: another may try.
        now = now.plus(PAUSE_MS_MAX);
        assert!(breaker.admits(now) && breaker.succeeded());
        assert!(breaker.admits(now) && breaker.admits(now));
    }
}
