//! [`Writer`]: the thread that commits. Group commit as DESIGN section 9 wants it.
//!
//! While one batch is on its way to disk the next one fills. A short queue commits at once; when batches run large
//! the cores are busy and a commit costs CPU as well, so the next one gathers for a millisecond first. Everything
//! that changes [`crate::facts::Facts`] happens on this thread, between two batches. Next: [`run`] for the loop.

mod backlog;
mod dry_run;
mod mover;
mod persist;
mod round;
mod run;
mod settle;
mod several;
mod unsettled;
mod verdict;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::{Clock, UnixMillis};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::commit::postgres::PostgresStore;
use crate::commit::postgres::lease::{Lease, lost};
use crate::commit::shared::SharedStore;
use crate::commit::sqlite::checkpoint::Checkpoints;
use crate::commit::sqlite::{FILE, SqliteStore};
use crate::commit::{CommitStore, Start, Store};
use crate::database::{Coordination, Database};
use crate::error::OpenError;
use crate::health::Cause;
use crate::ledger::{Ledger, Settings};
use crate::observer::{CommitFailure, Observer};
use crate::owner::Owner;
use crate::reads::{Reads, SqlReads};
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
    _owner: Option<Owner>,
}

/// How long a checkpoint that runs may take when the ledger closes.
const CHORE_ENDS_MAX: Duration = Duration::from_secs(5);

/// How often the writer looks after itself when nobody else wakes it: probes, lists, what has expired.
const TICK: Duration = Duration::from_millis(250);

type Seams = (Arc<dyn Clock>, Arc<dyn Observer>);
type Ready = SyncSender<Result<Arc<Shared>, OpenError>>;

/// What is opened together.
struct Opened {
    store: Store,
    start: Start,
    reads: SqlReads,
    chore: Chore,
}

/// What must be done beside the commits for as long as they go on.
enum Chore {
    /// Over SQLite: move the log into the file.
    Checkpoint(Checkpoints),
    /// Over PostgreSQL: stay the owner.
    Lease(Arc<Lease>),
}

/// Opens the books and starts the writer; `wrap` puts a test's store in front of the real one.
pub(crate) fn open<S: CommitStore>(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    wrap: impl FnOnce(Store) -> S + Send + 'static,
) -> Result<(Ledger, Writer), OpenError> {
    let owner = match &settings.database {
        Database::Sqlite { directory } => Some(own(directory)?),
        // There the lease says whose it is.
        Database::Postgres { .. } => None,
    };
    let system = |error: std::io::Error| OpenError::System(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    let (ready, opened) = sync_channel(1);
    let body = move || runtime.block_on(work(settings, (clock, observer), wrap, ready));
    let thread = std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(body).map_err(system)?;
    let shared = match opened.recv() {
        Ok(shared) => shared?,
        Err(_) => return Err(OpenError::System("the writer's thread ended before it was ready".to_owned())),
    };
    Ok((Ledger::new(Arc::clone(&shared)), Writer { shared, thread: Some(thread), _owner: owner }))
}

fn own(directory: &Path) -> Result<Owner, OpenError> {
    let failed = |source| OpenError::File { path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    Owner::take(directory)
}

async fn connect(settings: &Settings, now: UnixMillis) -> Result<Opened, OpenError> {
    match &settings.database {
        Database::Sqlite { .. } if settings.coordination == Coordination::Several => {
            Err(OpenError::System("several gateways need PostgreSQL: SQLite has one writer".to_owned()))
        }
        Database::Sqlite { directory } => {
            let path = directory.join(FILE);
            let (store, start) = SqliteStore::open(path.clone(), settings, now).await?;
            let reads = SqlReads::sqlite(&path);
            let chore = Chore::Checkpoint(store.checkpoints());
            Ok(Opened { store: Store::Sqlite(store), start, reads, chore })
        }
        Database::Postgres { url } => {
            let (store, start, lease) = match settings.coordination {
                Coordination::Alone => {
                    let (store, start, lease) = PostgresStore::open(url, settings, now).await?;
                    (Store::Postgres(store), start, lease)
                }
                Coordination::Several => {
                    let (store, start, lease) = SharedStore::open(url, settings, now).await?;
                    (Store::Shared(store), start, lease)
                }
            };
            let reads = SqlReads::postgres(lease.options().clone());
            Ok(Opened { store, start, reads, chore: Chore::Lease(lease) })
        }
    }
}

async fn work<S: CommitStore>(
    settings: Settings,
    (clock, observer): Seams,
    wrap: impl FnOnce(Store) -> S,
    ready: Ready,
) {
    let Opened { store, start, reads, mut chore } = match connect(&settings, clock.now()).await {
        Ok(opened) => opened,
        Err(error) => {
            // The opener waits for exactly this.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let (beat, ticks) = mpsc::channel(1);
    let (shared, mut run) =
        prepare(settings, (clock, observer), (wrap(store), start), Box::new(reads), ticks);
    if let Err(error) = run.close_found().await {
        let _ = ready.send(Err(OpenError::Database(error.to_string())));
        return;
    }
    let _ = ready.send(Ok(Arc::clone(&shared)));
    let _alarm = Alarm { shared: Arc::clone(&shared) };
    let watched = Arc::clone(&shared);
    let (last, until_last) = oneshot::channel::<()>();
    let chores = tokio::spawn(async move {
        tokio::select! {
            error = chore.until_it_fails() => {
                watched.gate.close(Cause::Disk, error.clone());
                watched.observer.commit_failed(&CommitFailure { operations: 0, error: &error, fatal: true });
            }
            _ = until_last => {}
        }
        chore.end().await;
    });
    let beats = tokio::spawn(keep_time(beat));
    let store = run.until_closed().await;
    beats.abort();
    // Whoever else has the file open lets go of it first: the last one to close it leaves nothing beside it.
    drop(last);
    if tokio::time::timeout(CHORE_ENDS_MAX, chores).await.is_err() {
        tracing::warn!("a checkpoint goes on while the ledger closes");
    }
    shared.reads.close().await;
    if let Some(store) = store
        && let Err(error) = store.close().await
    {
        tracing::warn!(%error, "the ledger's database was not left in order; the next start puts it right");
    }
}

/// A writer over an opened store, and what it shares with everyone else. It works when it is polled, and knows of time
/// only by its ticks.
pub(crate) fn prepare<S: CommitStore>(
    settings: Settings,
    (clock, observer): Seams,
    (store, mut start): (S, Start),
    reads: Box<dyn Reads>,
    ticks: mpsc::Receiver<()>,
) -> (Arc<Shared>, Run<S>) {
    let (sender, queue) = mpsc::unbounded_channel();
    let found = std::mem::take(&mut start.holds);
    let shared = Arc::new(Shared::new(settings, clock, observer, start, reads, sender));
    let run = Run::new(Arc::clone(&shared), store, queue, ticks, found);
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

// === impl Chore ===

impl Chore {
    /// Why nothing may be written any more.
    async fn until_it_fails(&mut self) -> String {
        match self {
            Self::Checkpoint(checkpoints) => checkpoints.run().await.to_string(),
            Self::Lease(lease) => lost(&lease.keep().await),
        }
    }

    /// Lets go of what it had open.
    async fn end(&mut self) {
        match self {
            Self::Checkpoint(checkpoints) => checkpoints.end().await,
            // Given up by whoever closes the store.
            Self::Lease(_) => {}
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
