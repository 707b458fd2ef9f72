//! SIGINT and SIGTERM: the first one lets running requests finish, the second one does not. SIGUSR2: the same as the first
//! one, and then a new binary takes over, unless one of the others comes before it does.

use std::sync::Arc;

use anyhow::Context;
use gateway::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::service::successor::Successor;

/// Both ask for the end.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

/// Takes the signals over at once; the future passes them on.
pub(super) fn follow(
    shutdown: Shutdown,
    successor: Arc<Successor>,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let listen = |kind, name| -> anyhow::Result<Signal> {
        signal(kind).with_context(|| format!("cannot listen for {name}"))
    };
    let interrupt = listen(SignalKind::interrupt(), "SIGINT")?;
    let terminate = listen(SignalKind::terminate(), "SIGTERM")?;
    let mut stops = Stops { interrupt, terminate };
    let mut upgrade = listen(SignalKind::user_defined2(), "SIGUSR2")?;
    Ok(async move {
        loop {
            tokio::select! {
                Some(()) = stops.next() => end(&shutdown, &successor),
                Some(()) = upgrade.recv() => hand_over(&shutdown, &successor, stops.next()).await,
                else => return,
            }
        }
    })
}

fn end(shutdown: &Shutdown, successor: &Successor) {
    if successor.give_up() {
        // The drain that the upgrade began goes on: what runs may finish, as it may whenever the end is asked for once.
        tracing::info!("ending, and no new binary takes over; ask again to end at once");
        return;
    }
    if shutdown.is_draining() {
        tracing::warn!("asked again: ending at once");
    } else {
        tracing::info!("ending: running requests may finish; ask again to end at once");
    }
    shutdown.drain();
}

/// A stop is heard while the new binary is asked, and then nobody takes over.
async fn hand_over(shutdown: &Shutdown, successor: &Successor, stop: impl Future<Output = Option<()>>) {
    if shutdown.is_draining() {
        return;
    }
    let asked = tokio::select! {
        asked = successor.ask() => asked,
        Some(()) = stop => return end(shutdown, successor),
    };
    match asked {
        Ok(()) => {
            tracing::info!("upgrading: running requests may finish, then the new binary takes over");
            shutdown.drain();
        }
        Err(error) => tracing::error!(error = format!("{error:#}"), "not upgrading, this process serves on"),
    }
}

// === impl Stops ===

impl Stops {
    async fn next(&mut self) -> Option<()> {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Some(()),
            Some(()) = self.terminate.recv() => Some(()),
            else => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use tokio::sync::oneshot;

    use super::*;

    /// A binary that says yes, in a while. Written by another process: a file that this one has open cannot be executed.
    const SLOW: &str = r"printf '#!/bin/sh\nexec sleep 20\n' > slow && chmod 700 slow";

    #[tokio::test]
    async fn a_stop_is_heard_while_the_new_binary_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let written = Command::new("sh").args(["-c", SLOW]).current_dir(&folder).status().unwrap();
        assert!(written.success());
        let successor = Successor::of(folder.path().join("slow"), PathBuf::from("any.toml"));
        let (shutdown, (stop, stopped)) = (Shutdown::new(), oneshot::channel());
        let asking = hand_over(&shutdown, &successor, async { stopped.await.ok() });
        tokio::join!(asking, async { stop.send(()).unwrap() });
        assert!(shutdown.is_draining() && !successor.is_wanted());
    }
}
