//! [`Upkeep`]: what the registry must have done now and then: last uses of keys written down, old events forgotten.

use std::time::Duration;

use registry::{Registry, RegistryError};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// How often last uses are written: what a crash may lose of them.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// How often old events are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// Runs beside everything else.
#[derive(Debug)]
pub struct Upkeep {
    registry: Registry,
    events_kept: Duration,
    /// None before the first time.
    forgot_at: Option<Instant>,
}

// === impl Upkeep ===

impl Upkeep {
    /// Events older than `events_kept` are forgotten.
    #[must_use]
    pub const fn new(registry: Registry, events_kept: Duration) -> Self {
        Self { registry, events_kept, forgot_at: None }
    }

    /// Until `stop` is true, and once more then.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(SAVE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopped = tokio::select! {
                _ = ticks.tick() => false,
                // An error is the end of the process as well.
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if let Err(error) = self.work().await {
                tracing::warn!(%error, "the registry could not be tidied, tried again later");
            }
            if stopped {
                return;
            }
        }
    }

    async fn work(&mut self) -> Result<(), RegistryError> {
        self.registry.save_last_uses().await?;
        if self.forgot_at.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            let gone = self.registry.forget_events_older_than(self.events_kept).await?;
            self.forgot_at = Some(Instant::now());
            if gone > 0 {
                tracing::info!(events = gone, "old events were forgotten");
            }
        }
        Ok(())
    }
}
