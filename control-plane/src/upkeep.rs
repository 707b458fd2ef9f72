//! What the registry must have done now and then: old events are forgotten.

use std::time::Duration;

use registry::Registry;
use tokio::sync::watch;

/// How often old events are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// Forgets events that are older than `kept`, at once and every hour, until `stop` is true.
pub async fn forget_events(registry: Registry, kept: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        match registry.forget_events_older_than(kept).await {
            Ok(0) => (),
            Ok(gone) => tracing::info!(events = gone, "old events were forgotten"),
            Err(error) => tracing::warn!(%error, "old events could not be forgotten"),
        }
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => (),
            // An error is the end of the process as well.
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
