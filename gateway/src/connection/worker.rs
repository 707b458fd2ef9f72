//! [`Worker`]: one thread that serves, with upstream connections of its own.
//!
//! A connection stays with the worker that it was given to, as in nginx and Envoy: its requests find their memory, and
//! connections to their upstream, on the core they run on. One runtime for all workers would move them about at each
//! wake-up. Nothing else may run here that takes longer than a request's own work. Next: [`crate::connection::listener`] for who gives.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pingora::proxy::HttpProxy;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::proxy::Proxy;

/// How long tasks that should have ended are waited for.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// One thread that serves.
pub(crate) struct Worker {
    pub(crate) runtime: Handle,
    pub(crate) proxy: Arc<HttpProxy<Proxy>>,
    connections: AtomicUsize,
}

/// One connection's place with its worker.
pub(crate) struct Seat(Arc<Worker>);

/// The threads of all workers, a runtime each. It is the runtime for many threads, with one: the other kind makes a system
/// call of every wake-up that comes from another thread, and each commit wakes all whose payments are in it.
pub(crate) struct Threads(Vec<Runtime>);

// === impl Worker ===

impl Worker {
    pub(crate) fn new(runtime: Handle, proxy: HttpProxy<Proxy>) -> Self {
        Self { runtime, proxy: Arc::new(proxy), connections: AtomicUsize::new(0) }
    }

    /// A place with the one that has the fewest connections.
    pub(crate) fn least_busy(workers: &[Arc<Self>]) -> Option<Seat> {
        let worker = workers.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some(Seat(Arc::clone(worker)))
    }
}

// === impl Seat ===

impl Seat {
    pub(crate) fn worker(&self) -> &Worker {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Threads ===

impl Threads {
    /// # Errors
    /// The system refused a thread.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let thread =
            || Builder::new_multi_thread().worker_threads(1).thread_name("gateway").enable_all().build();
        (0..count.max(1)).map(|_| thread()).collect::<io::Result<_>>().map(Self)
    }

    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.0.iter().map(Runtime::handle)
    }

    /// Ends all of them; what runs on them is cut off.
    pub(crate) fn end(self) {
        let until = Instant::now() + LAST_TASKS;
        for runtime in self.0 {
            runtime.shutdown_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}
