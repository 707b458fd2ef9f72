//! [`Shutdown`]: serving, leaving, draining, stopping. Asked once, running requests finish; asked twice, they do not.
//!
//! A connection that was accepted and has not sent its first request counts as well: its client was told that somebody is
//! there. Next: [`crate::shutdown::drain`] for the order of the end.

pub(crate) mod drain;

use std::cell::Cell;
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
    /// Readiness is red and no connection is kept alive; new ones are still served.
    Leaving,
    /// No new connection; running requests finish.
    Draining,
    /// Now.
    Stopping,
}

/// Counts a request as running until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    shared: Arc<Shared>,
    is_stream: bool,
    is_turned_away: bool,
}

/// Counts a connection that has not sent its first request yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    shared: Arc<Shared>,
}

tokio::task_local! {
    /// The connection whose task this is, until its first request takes over. HTTP/2 serves its streams in other tasks:
    /// there it lasts as long as the connection.
    pub(crate) static FRESH: Cell<Option<Fresh>>;
}

#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    /// The same as `phase > Serving`, in the shape Pingora wants it.
    leaving: watch::Sender<bool>,
    running: AtomicUsize,
    /// Those of the running requests that are streams.
    streams: AtomicUsize,
    /// Those that only wait to be told that there is no place for them.
    turned_away: AtomicUsize,
    fresh: AtomicUsize,
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
            leaving: watch::Sender::new(false),
            running: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            fresh: AtomicUsize::new(0),
            idle: Notify::new(),
            since: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The first call lets running requests finish, the second one does not.
    pub fn drain(&self) {
        self.shared.phase.send_modify(|phase| {
            *phase = if *phase == Phase::Serving { Phase::Leaving } else { Phase::Stopping };
        });
        self.shared.leaving.send_replace(true);
        self.shared.idle.notify_waiters();
    }

    /// From here on nobody new is let in.
    pub(crate) fn close_doors(&self) {
        self.shared.since.get_or_init(Instant::now);
        self.shared.phase.send_modify(|phase| *phase = (*phase).max(Phase::Draining));
    }

    /// Whether the end was asked for: readiness is red from here on.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.shared.phase.borrow() != Phase::Serving
    }

    /// Returns when the end is asked for.
    pub async fn drained(&self) {
        self.reached(Phase::Leaving).await;
    }

    pub(crate) async fn reached(&self, phase: Phase) {
        let mut phases = self.shared.phase.subscribe();
        // An error means that the sender is gone, which cannot be: we hold it.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.shared.leaving.subscribe()
    }

    /// How long nobody new has been let in.
    pub(crate) fn draining_for(&self) -> Option<Duration> {
        self.shared.since.get().map(Instant::elapsed)
    }

    /// Requests between their header and their end.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    /// The same without those that are turned away.
    pub(crate) fn let_in(&self) -> usize {
        self.running().saturating_sub(self.shared.turned_away.load(Ordering::Relaxed))
    }

    /// A request begins; on a new connection it takes the place that its connection had.
    pub(crate) fn enter(&self) -> InFlight {
        self.shared.running.fetch_add(1, Ordering::AcqRel);
        // Elsewhere than in a connection's task there is no place to take.
        let _ = FRESH.try_with(Cell::take);
        InFlight { shared: Arc::clone(&self.shared), is_stream: false, is_turned_away: false }
    }

    /// A connection begins.
    pub(crate) fn connected(&self) -> Fresh {
        self.shared.fresh.fetch_add(1, Ordering::AcqRel);
        Fresh { shared: Arc::clone(&self.shared) }
    }

    /// Returns when no request is running. Meant for the drain: without one, new requests keep coming.
    pub(crate) async fn idle(&self) {
        self.until(|shared| shared.running.load(Ordering::Acquire) == 0).await;
    }

    /// Returns when all that still runs are streams.
    pub(crate) async fn only_streams(&self) {
        self.until(|shared| shared.running.load(Ordering::Acquire) <= shared.streams.load(Ordering::Acquire))
            .await;
    }

    /// Returns when every connection has sent its first request, or has left.
    pub(crate) async fn heard(&self) {
        self.until(|shared| shared.fresh.load(Ordering::Acquire) == 0).await;
    }

    async fn until(&self, is_so: impl Fn(&Shared) -> bool) {
        loop {
            let notified = self.shared.idle.notified();
            tokio::pin!(notified);
            // Registered before the counts are read, so that the last one's notice is not missed.
            notified.as_mut().enable();
            if is_so(&self.shared) {
                return;
            }
            notified.await;
        }
    }
}

// === impl InFlight ===

impl InFlight {
    /// It has no end that can be waited for: a stream, an upgraded connection. What is only answered once nobody new is let in
    /// may be any answer in chunks, and has as long as every other request.
    pub(crate) fn becomes_stream(&mut self) {
        if self.shared.since.get().is_none() && !std::mem::replace(&mut self.is_stream, true) {
            self.shared.streams.fetch_add(1, Ordering::AcqRel);
            self.shared.changed();
        }
    }

    /// There is no place for it: it runs until it was told so, and takes none from others meanwhile.
    pub(crate) fn turn_away(&mut self) {
        if !std::mem::replace(&mut self.is_turned_away, true) {
            self.shared.turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) const fn is_stream(&self) -> bool {
        self.is_stream
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // In this order: a stream that ends must never make a request look like one.
        if self.is_stream {
            self.shared.streams.fetch_sub(1, Ordering::AcqRel);
        }
        self.shared.running.fetch_sub(1, Ordering::AcqRel);
        if self.is_turned_away {
            self.shared.turned_away.fetch_sub(1, Ordering::Relaxed);
        }
        self.shared.changed();
    }
}

// === impl Fresh ===

impl Drop for Fresh {
    fn drop(&mut self) {
        self.shared.fresh.fetch_sub(1, Ordering::AcqRel);
        self.shared.changed();
    }
}

// === impl Shared ===

impl Shared {
    /// Nobody waits before the end was asked for.
    fn changed(&self) {
        if *self.leaving.borrow() {
            self.idle.notify_waiters();
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

    #[tokio::test]
    async fn a_connection_counts_until_its_first_request_takes_over() {
        let shutdown = Shutdown::new();
        let fresh = shutdown.connected();
        shutdown.drain();
        shutdown.close_doors();
        let counts = || (shutdown.shared.fresh.load(Ordering::Acquire), shutdown.running());
        assert_eq!(counts(), (1, 0));
        let request = FRESH.scope(Cell::new(Some(fresh)), async { shutdown.enter() }).await;
        assert_eq!(counts(), (0, 1));
        shutdown.heard().await;
        drop(request);
        shutdown.idle().await;
    }

    #[test]
    fn whoever_is_turned_away_runs_and_takes_no_place() {
        let shutdown = Shutdown::new();
        let (_served, mut refused) = (shutdown.enter(), shutdown.enter());
        refused.turn_away();
        refused.turn_away();
        assert_eq!((shutdown.running(), shutdown.let_in()), (2, 1));
        drop(refused);
        assert_eq!((shutdown.running(), shutdown.let_in()), (1, 1));
    }

    #[tokio::test]
    async fn a_stream_is_what_began_before_the_doors_closed() {
        let shutdown = Shutdown::new();
        let (mut early, mut late) = (shutdown.enter(), shutdown.enter());
        shutdown.drain();
        early.becomes_stream();
        shutdown.close_doors();
        late.becomes_stream();
        assert!(early.is_stream() && !late.is_stream());
        drop(late);
        shutdown.only_streams().await;
        drop(early);
        shutdown.idle().await;
        assert_eq!(shutdown.shared.streams.load(Ordering::Acquire), 0);
    }
}
