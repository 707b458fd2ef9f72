//! SIGINT and SIGTERM: the first one lets running requests finish, the second one does not. SIGUSR2: the same as the first
//! one, and then a new binary takes over.

use std::sync::Arc;

use anyhow::Context;
use gateway::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::service::successor::Successor;

/// Takes the signals over at once; the future passes them on.
pub(super) fn follow(
    shutdown: Shutdown,
    successor: Arc<Successor>,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let listen = |kind, name| -> anyhow::Result<Signal> {
        signal(kind).with_context(|| format!("cannot listen for {name}"))
    };
    let mut interrupt = listen(SignalKind::interrupt(), "SIGINT")?;
    let mut terminate = listen(SignalKind::terminate(), "SIGTERM")?;
    let mut upgrade = listen(SignalKind::user_defined2(), "SIGUSR2")?;
    Ok(async move {
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => end(&shutdown),
                Some(()) = terminate.recv() => end(&shutdown),
                Some(()) = upgrade.recv() => hand_over(&shutdown, &successor).await,
                else => return,
            }
        }
    })
}

fn end(shutdown: &Shutdown) {
    if shutdown.is_draining() {
        tracing::warn!("asked again: ending at once");
    } else {
        tracing::info!("ending: running requests may finish; ask again to end at once");
    }
    shutdown.drain();
}

async fn hand_over(shutdown: &Shutdown, successor: &Successor) {
    if shutdown.is_draining() {
        return;
    }
    match successor.ask().await {
        Ok(()) => {
            tracing::info!("upgrading: running requests may finish, then the new binary takes over");
            shutdown.drain();
        }
        Err(error) => tracing::error!(error = format!("{error:#}"), "not upgrading, this process serves on"),
    }
}
