//! [`Pace`]: how many requests one receiver gets at once, by how it does. One that only fails gets single ones, with
//! growing pauses between them, so that it costs the others nothing (case W1).

use domain::UnixMillis;

/// Requests at once to a receiver that does well.
pub(super) const WINDOW_MAX: usize = 32;

/// Requests at once to one that is not known yet.
const WINDOW: usize = 4;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 5;

/// The first pause of an open breaker, and the longest; each is twice the one before.
const PAUSE_MS: i64 = 1_000;
pub(super) const PAUSE_MS_MAX: i64 = 60_000;

/// How one receiver does.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// In a row.
    failures: u32,
    /// Until then it is left alone; afterwards single requests show whether it is back.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: UnixMillis,
    pause_ms: i64,
}

// === impl Pace ===

impl Pace {
    pub(super) const fn new() -> Self {
        Self { window: WINDOW, failures: 0, open: None }
    }

    /// How many requests may be under way at this time.
    pub(super) fn room(&self, at: UnixMillis) -> usize {
        match self.open {
            None => self.window,
            Some(open) if open.until <= at => 1,
            Some(_) => 0,
        }
    }

    /// Until when there is no room.
    pub(super) fn paused_until(&self, at: UnixMillis) -> Option<UnixMillis> {
        self.open.map(|open| open.until).filter(|until| at < *until)
    }

    pub(super) fn delivered(&mut self) {
        self.window = if self.open.take().is_some() { WINDOW } else { WINDOW_MAX.min(self.window + 1) };
        self.failures = 0;
    }

    pub(super) fn failed(&mut self, at: UnixMillis) {
        self.failures = self.failures.saturating_add(1);
        let pause_ms = match self.open {
            None if self.failures < FAILURES_MAX => return,
            None => PAUSE_MS,
            // Sent before the breaker opened: known already.
            Some(open) if at < open.until => return,
            Some(open) => PAUSE_MS_MAX.min(open.pause_ms * 2),
        };
        self.open = Some(Open { until: at.plus(pause_ms), pause_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_does_well_gets_more_at_once_up_to_a_limit() {
        let mut pace = Pace::new();
        for _ in 0..100 {
            pace.delivered();
            // Single failures are a receiver's daily life.
            pace.failed(UnixMillis(0));
        }
        assert_eq!(pace.room(UnixMillis(0)), WINDOW_MAX);
    }

    #[test]
    fn w1_one_that_only_fails_gets_one_at_a_time_with_growing_pauses_until_one_arrives() {
        let mut pace = Pace::new();
        let mut now = UnixMillis(1_000);
        for _ in 0..20 {
            pace.failed(now);
        }
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = pace.paused_until(now).unwrap();
            pauses.push(until.0 - now.0);
            assert_eq!(pace.room(until.plus(-1)), 0);
            assert_eq!((pace.room(until), pace.paused_until(until)), (1, None));
            now = until;
            pace.failed(now);
            pace.failed(now);
        }
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        pace.delivered();
        assert_eq!(pace.room(now), WINDOW);
    }
}
