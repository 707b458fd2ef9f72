//! [`Ticks`]: how the workers of this crate wait for their next round.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

/// A round every interval, until somebody says stop. A round that took long delays the next one.
pub(crate) struct Ticks {
    interval: Interval,
    stop: watch::Receiver<bool>,
}

// === impl Ticks ===

impl Ticks {
    /// The first one at once.
    pub(crate) fn new(every: Duration, stop: watch::Receiver<bool>) -> Self {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, stop }
    }

    /// Waits for the next round; whether there is one. Whoever would say stop may be gone, which is one as well.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stopped| *stopped) => false,
            _ = self.interval.tick() => true,
        }
    }
}
