//! [`Writer`]: the thread that commits. Group commit as DESIGN section 9 wants it.
//!
//! While one batch is on its way to disk the next one fills. A short queue commits at once; when batches run large
//! the cores are busy and a commit costs CPU as well, so the next one gathers for a millisecond first. Everything
//! that changes [`crate::facts::Facts`] happens on this thread, between two batches. Next: [`run`] for the loop.

mod round;
mod run;
mod settle;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::Clock;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::commit::sqlite::{FILE, SqliteStore, checkpoint};
use crate::commit::{CommitStore, Start};
use crate::error::OpenError;
use crate::health::Cause;
use crate::ledger::{Ledger, Settings};
use crate::observer::{CommitFailure, Observer};
use crate::owner::Owner;
use crate::reads::{Reads, SqliteReads};
use crate::shared::{Phase, Shared};
use run::Run;

/// The writer's thread. The binary keeps it and closes it last; dropped unclosed it stops as a crash would: what
/// was not committed is lost, nothing that was acknowledged is.
#[must_use = "close the writer, or what is queued is lost"]
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Let go of after the thread ended.
    _owner: Owner,
}

/// How often the writer looks after itself when nobody else wakes it: probes, lists, what has expired.
const TICK: Duration = Duration::from_millis(250);

type Seams = (Arc<dyn Clock>, Arc<dyn Observer>);
type Ready = SyncSender<Result<Arc<Shared>, OpenError>>;

/// Opens the books and starts the writer; `wrap` puts a test's store in front of the real one.
pub(crate) fn open<S: CommitStore>(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    wrap: impl FnOnce(SqliteStore) -> S + Send + 'static,
) -> Result<(Ledger, Writer), OpenError> {
    let directory = &settings.directory;
    let failed = |source| OpenError::File { path: directory.clone(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let owner = Owner::take(directory)?;
    let system = |error: std::io::Error| OpenError::System(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(system)?;
    let (ready, opened) = sync_channel(1);
    let body = move || runtime.block_on(work(settings, (clock, observer), wrap, ready));
    let thread = std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(body).map_err(system)?;
    let shared = match opened.recv() {
        Ok(shared) => shared?,
        Err(_) => return Err(OpenError::System("the writer's thread ended before it was ready".to_owned())),
    };
    Ok((Ledger { shared: Arc::clone(&shared) }, Writer { shared, thread: Some(thread), _owner: owner }))
}

async fn work<S: CommitStore>(
    settings: Settings,
    (clock, observer): Seams,
    wrap: impl FnOnce(SqliteStore) -> S,
    ready: Ready,
) {
    let path = settings.directory.join(FILE);
    let (store, start) = match SqliteStore::open(path.clone(), &settings, clock.now()).await {
        Ok(opened) => opened,
        Err(error) => {
            // The opener waits for exactly this.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let reads = Box::new(SqliteReads::new(&path));
    let (beat, ticks) = mpsc::channel(1);
    let (shared, run) = prepare(settings, (clock, observer), (wrap(store), start), reads, ticks);
    let _ = ready.send(Ok(Arc::clone(&shared)));
    let _alarm = Alarm { shared: Arc::clone(&shared) };
    let watched = Arc::clone(&shared);
    let checkpoints = tokio::spawn(async move {
        let error = checkpoint::run(path).await.to_string();
        watched.gate.close(Cause::Disk, error.clone());
        watched.observer.commit_failed(&CommitFailure { operations: 0, error: &error, fatal: true });
    });
    let beats = tokio::spawn(keep_time(beat));
    let store = run.until_closed().await;
    beats.abort();
    checkpoints.abort();
    if let Some(store) = store
        && let Err(error) = store.close().await
    {
        tracing::warn!(%error, "the ledger's last checkpoint failed; the log is read at the next start");
    }
}

/// A writer over an opened store, and what it shares with everyone else. It works when it is polled, and knows of time
/// only by its ticks.
pub(crate) fn prepare<S: CommitStore>(
    settings: Settings,
    seams: Seams,
    (store, start): (S, Start),
    reads: Box<dyn Reads>,
    ticks: mpsc::Receiver<()>,
) -> (Arc<Shared>, Run<S>) {
    let (sender, queue) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::new(settings, seams, start, reads, sender));
    let run = Run::new(Arc::clone(&shared), store, queue, ticks);
    (shared, run)
}

/// A busy writer misses beats and gets one afterwards.
async fn keep_time(beat: mpsc::Sender<()>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !beat.is_closed() {
        interval.tick().await;
        // Full: one is waiting already.
        let _ = beat.try_send(());
    }
}

/// Tells of a writer that broke down: without it nothing is ever committed again, and what memory holds may be half of a
/// change. Only a new start knows what the books say.
struct Alarm {
    shared: Arc<Shared>,
}

// === impl Alarm ===

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = "the ledger's writer broke down";
            self.shared.gate.close(Cause::Disk, error.to_owned());
            self.shared.observer.commit_failed(&CommitFailure { operations: 0, error, fatal: true });
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Commits what is queued, writes the list of open deliveries, checkpoints, and joins the thread. Blocks until
    /// then. Holds and reads end first: what comes later is refused.
    pub fn close(mut self) {
        self.stop(Phase::Closing);
    }

    fn stop(&mut self, phase: Phase) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.enter(phase);
        if thread.join().is_err() {
            tracing::error!("the ledger's writer panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop(Phase::Aborted);
    }
}
