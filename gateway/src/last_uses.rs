//! When agent keys were last used: written down now and then, and at the end.

use std::time::Duration;

use registry::Registry;
use tokio::sync::oneshot;

/// How often: what a crash may lose.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// How long the last time may take.
const LAST_MAX: Duration = Duration::from_secs(2);

/// Until `end` is dropped, and once more then.
pub(crate) async fn keep(registry: Registry, mut end: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SAVE_EVERY) => save(&registry).await,
            _ = &mut end => break,
        }
    }
    if tokio::time::timeout(LAST_MAX, save(&registry)).await.is_err() {
        tracing::warn!("the last uses of agent keys could not be written down");
    }
}

async fn save(registry: &Registry) {
    if let Err(error) = registry.save_last_uses().await {
        tracing::warn!(%error, "last uses of agent keys could not be written down");
    }
}
