//! SIGINT and SIGTERM: the first one lets running requests finish, the second one does not.

use anyhow::Context;
use gateway::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

/// Takes the signals over at once; the future passes them on.
pub(super) fn follow(shutdown: Shutdown) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        loop {
            let received = tokio::select! {
                received = interrupt.recv() => received,
                received = terminate.recv() => received,
            };
            if received.is_none() {
                return;
            }
            if shutdown.is_draining() {
                tracing::warn!("asked again: ending at once");
            } else {
                tracing::info!("ending: running requests may finish; ask again to end at once");
            }
            shutdown.drain();
        }
    })
}
