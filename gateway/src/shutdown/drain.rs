//! [`Drain`]: the end of the data plane, in order.
//!
//! 1. Leaving: readiness is red, answers say `Connection: close`, everybody is still served. It lasts as long as load
//!    balancers need to notice (`pause`).
//! 2. Draining: nobody new is let in; what was let in is served. Streams have their own, shorter time.
//! 3. Connections without a request are closed.
//!
//! Asked twice, everything ends at once. Whoever keeps the listening sockets open (a supervisor, the next process) loses
//! no connection: it waits in the system's queue. Next: [`crate::shutdown`] for what is counted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pingora::apps::ServerApp;
use registry::config::ShutdownSettings;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::connection::worker::Worker;
use crate::shutdown::{Phase, Shutdown};

/// How long a connection that was let in may take to send its first request, once nobody else is let in.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// How long connections may take to close in good order.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is to be ended.
pub(crate) struct Drain {
    pub(crate) shutdown: Shutdown,
    pub(crate) settings: ShutdownSettings,
    pub(crate) workers: Arc<[Arc<Worker>]>,
    /// The accept loops; each ends once nobody new is to be let in.
    pub(crate) doors: Vec<JoinHandle<io::Result<()>>>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) connections_max: usize,
}

// === impl Drain ===

impl Drain {
    /// Waits for the end to be asked for; returns when nothing is served any more.
    pub(crate) async fn finish(self) {
        let Self { shutdown, settings, workers, doors, connections, connections_max } = self;
        shutdown.drained().await;
        let in_order = async {
            tokio::time::sleep(settings.pause).await;
            shutdown.close_doors();
            let _ = timeout(settings.grace, requests(&shutdown, doors, settings.stream_grace)).await;
        };
        tokio::select! {
            () = in_order => {}
            () = shutdown.reached(Phase::Stopping) => return,
        }
        // Connections on which no request is running: their tasks end, and with them their sockets.
        for worker in &*workers {
            worker.proxy.cleanup().await;
        }
        let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
        let closed = timeout(FAREWELL, connections.acquire_many(all));
        tokio::select! {
            _ = closed => {}
            () = shutdown.reached(Phase::Stopping) => {}
        }
    }
}

/// Returns when no request is running and no connection is about to send one; streams are waited for no longer than they
/// may go on.
async fn requests(shutdown: &Shutdown, doors: Vec<JoinHandle<io::Result<()>>>, stream_grace: Duration) {
    // Afterwards everybody who was let in is counted.
    join_all(doors).await;
    let _ = timeout(FIRST_REQUEST, shutdown.heard()).await;
    let streams_are_over = async {
        let spent = shutdown.draining_for().unwrap_or_default();
        tokio::time::sleep(stream_grace.saturating_sub(spent)).await;
        shutdown.only_streams().await;
    };
    tokio::select! {
        () = shutdown.idle() => {}
        () = streams_are_over => {}
    }
}
