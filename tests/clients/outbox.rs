//! [`Memory`]: an outbox that outlives the settlers of a test, and lets each of its steps hang, as a crash would have it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use settlement::evm::{Landed, Outbox, OutboxError, Recorded, Resumed};
use settlement::rail::Settling;

/// A transaction that was closed.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) landed: Option<Landed>,
    pub(crate) outcomes: Vec<(Arc<str>, Settling)>,
}

/// Cheap to clone; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    open: BTreeMap<u64, Recorded>,
    closed: Vec<Closed>,
    known: HashSet<Arc<str>>,
    next_nonce: u64,
    /// Writes, and never says so.
    hangs: bool,
    /// Records that fail from now on.
    failing: u32,
}

// === impl Memory ===

impl Memory {
    /// From now on what is recorded is kept, and its writer hears no more of it.
    pub(crate) fn hang(&self) {
        self.kept().hangs = true;
    }

    /// No more.
    pub(crate) fn go_on(&self) {
        self.kept().hangs = false;
    }

    /// The next two transactions cannot be written down.
    pub(crate) fn fail_twice(&self) {
        self.kept().failing = 2;
    }

    /// By nonce.
    pub(crate) fn open(&self) -> Vec<Recorded> {
        self.kept().open.values().cloned().collect()
    }

    /// In order.
    pub(crate) fn closed(&self) -> Vec<Closed> {
        self.kept().closed.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no writer has failed")
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn resume(&self) -> Result<Resumed, OutboxError> {
        let kept = self.kept();
        Ok(Resumed { open: kept.open.values().cloned().collect(), next_nonce: kept.next_nonce })
    }

    async fn record(&self, transaction: &Recorded) -> Result<(), OutboxError> {
        let hangs = {
            let mut kept = self.kept();
            if kept.failing > 0 {
                kept.failing -= 1;
                return Err(OutboxError("full".to_owned()));
            }
            kept.known.extend(transaction.members.iter().map(|member| Arc::clone(&member.id)));
            kept.next_nonce = kept.next_nonce.max(transaction.nonce + 1);
            kept.open.insert(transaction.nonce, transaction.clone());
            kept.hangs
        };
        if hangs { std::future::pending().await } else { Ok(()) }
    }

    async fn close(
        &self,
        nonce: u64,
        landed: Option<Landed>,
        outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError> {
        let mut kept = self.kept();
        kept.open.remove(&nonce).expect("what is closed was written down");
        kept.closed.push(Closed { landed, outcomes: outcomes.to_vec() });
        Ok(())
    }

    async fn known(&self, members: &[Arc<str>]) -> Result<HashSet<Arc<str>>, OutboxError> {
        let kept = self.kept();
        Ok(members.iter().filter(|id| kept.known.contains(*id)).cloned().collect())
    }
}
