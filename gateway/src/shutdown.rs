//! [`Shutdown`]: serving, then draining, then stopping. Asked once, running requests finish; asked twice, they do not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

/// A handle that everyone who must know of the end holds a copy of.
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Not asked for.
    Serving,
    /// No connection is kept alive; running requests finish.
    Draining,
    /// Now.
    Stopping,
}

/// Counts a request as running until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    /// The same as `phase >= Draining`, in the shape Pingora wants it.
    draining: watch::Sender<bool>,
    running: AtomicUsize,
    idle: Notify,
    since: OnceLock<Instant>,
}

// === impl Shutdown ===

impl Shutdown {
    /// Nobody has asked yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default shutdown says nothing to a reader")]
    pub fn new() -> Self {
        let shared = Shared {
            phase: watch::Sender::new(Phase::Serving),
            draining: watch::Sender::new(false),
            running: AtomicUsize::new(0),
            idle: Notify::new(),
            since: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The first call lets running requests finish, the second one does not.
    pub fn drain(&self) {
        self.shared.since.get_or_init(Instant::now);
        self.shared.phase.send_modify(|phase| {
            *phase = if *phase == Phase::Serving { Phase::Draining } else { Phase::Stopping };
        });
        self.shared.draining.send_replace(true);
        self.shared.idle.notify_waiters();
    }

    /// Whether the end was asked for: readiness is red from here on.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.shared.phase.borrow() != Phase::Serving
    }

    /// Returns when the end is asked for.
    pub async fn drained(&self) {
        self.reached(Phase::Draining).await;
    }

    pub(crate) async fn reached(&self, phase: Phase) {
        let mut phases = self.shared.phase.subscribe();
        // An error means that the sender is gone, which cannot be: we hold it.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.shared.draining.subscribe()
    }

    /// How long ago the end was asked for.
    pub(crate) fn draining_for(&self) -> Option<Duration> {
        self.shared.since.get().map(Instant::elapsed)
    }

    /// Requests between their header and their end.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self) -> InFlight {
        self.shared.running.fetch_add(1, Ordering::AcqRel);
        InFlight { shared: Arc::clone(&self.shared) }
    }

    /// Returns when no request is running. Meant for the drain: without one, new requests keep coming.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.shared.idle.notified();
            tokio::pin!(notified);
            // Registered before the count is read, so that the last request's notice is not missed.
            notified.as_mut().enable();
            if self.shared.running.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.shared.running.fetch_sub(1, Ordering::AcqRel) == 1 && *self.shared.draining.borrow() {
            self.shared.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_waits_for_running_requests() {
        let shutdown = Shutdown::new();
        let request = shutdown.enter();
        shutdown.drain();
        assert!(shutdown.is_draining());
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.idle().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(request);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn asking_twice_stops_at_once() {
        let shutdown = Shutdown::new();
        shutdown.drain();
        shutdown.drain();
        shutdown.reached(Phase::Stopping).await;
    }
}
