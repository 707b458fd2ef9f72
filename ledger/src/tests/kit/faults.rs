//! [`Faults`]: a store that fails when and as a test wants.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::UnixMillis;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::batch::Delta;
use crate::commit::{CommitStore, Loaded, Orphans, Others, Store, StoreError, Wanted};

/// What the store does wrong, in order; then it works.
pub(in crate::tests) struct Faults {
    commits: Mutex<VecDeque<Fault>>,
    resolves: Mutex<VecDeque<StoreError>>,
    /// Something was taken over, and then not told.
    orphans: Mutex<VecDeque<StoreError>>,
    /// Commits wait here for [`Fault::Wait`].
    gate: Semaphore,
    /// Commits that reached [`Fault::Wait`].
    waiting: Semaphore,
}

#[derive(Clone)]
pub(in crate::tests) enum Fault {
    /// Nothing is written.
    Before(StoreError),
    /// Written, and then not acknowledged.
    After(StoreError),
    /// The real thing: SQLite is told that its file may not grow, and fails by itself.
    Full,
    /// Waits for a permit of the gate first.
    Wait,
    Nothing,
}

pub(super) struct FaultyStore {
    pub(super) real: Store,
    pub(super) faults: Arc<Faults>,
}

// === impl Faults ===

impl Faults {
    pub(super) fn none() -> Self {
        let (commits, resolves, orphans) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { commits, resolves, orphans, gate: Semaphore::new(0), waiting: Semaphore::new(0) }
    }

    pub(in crate::tests) fn commit(&self, fault: Fault) {
        self.commits.lock().push_back(fault);
    }

    /// Nothing goes wrong any more.
    pub(in crate::tests) fn heal(&self) {
        self.commits.lock().clear();
        self.resolves.lock().clear();
    }

    pub(in crate::tests) fn resolve(&self, error: StoreError) {
        self.resolves.lock().push_back(error);
    }

    pub(in crate::tests) fn orphans(&self, error: StoreError) {
        self.orphans.lock().push_back(error);
    }

    /// Until a commit stands at the gate.
    pub(in crate::tests) async fn until_waiting(&self) {
        self.waiting.acquire().await.unwrap().forget();
    }

    pub(in crate::tests) fn let_go(&self) {
        self.gate.add_permits(1);
    }
}

impl CommitStore for FaultyStore {
    async fn begin(&mut self) -> Result<Option<Others>, StoreError> {
        self.real.begin().await
    }

    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        self.real.load(wanted, at).await
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        // A probe or a list is not what a test's fault is meant for.
        let counts = !delta.is_empty();
        let fault = if counts { self.faults.commits.lock().pop_front() } else { None };
        match fault.unwrap_or(Fault::Nothing) {
            Fault::Before(error) => Err(error),
            Fault::After(error) => self.real.commit(delta).await.and(Err(error)),
            Fault::Full => {
                match &mut self.real {
                    Store::Sqlite(store) => store.forbid_growth().await.unwrap(),
                    Store::Postgres(_) | Store::Shared(_) => {
                        panic!("PostgreSQL's files grow where the server wants")
                    }
                }
                self.real.commit(delta).await
            }
            Fault::Wait => {
                self.faults.waiting.add_permits(1);
                self.faults.gate.acquire().await.unwrap().forget();
                self.real.commit(delta).await
            }
            Fault::Nothing => self.real.commit(delta).await,
        }
    }

    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        let fault = self.faults.resolves.lock().pop_front();
        match fault {
            Some(error) => Err(error),
            None => self.real.resolve(batch).await,
        }
    }

    async fn end(&mut self) -> Result<(), StoreError> {
        self.real.end().await
    }

    async fn orphans(&mut self, again: bool) -> Result<Orphans, StoreError> {
        let found = self.real.orphans(again).await?;
        let is_something = !found.holds.is_empty() || !found.open.is_empty();
        let fault = if is_something { self.faults.orphans.lock().pop_front() } else { None };
        fault.map_or(Ok(found), Err)
    }

    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError> {
        self.real.expire(at).await
    }

    async fn close(self) -> Result<(), StoreError> {
        self.real.close().await
    }
}
