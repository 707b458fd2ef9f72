//! [`Memory`]: an outbox that outlives the settlers of a test, and lets each of its steps hang, as a crash would have it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use settlement::evm::{Landed, Outbox, OutboxError, Over, Recorded, Resumed, Sent, Unclosed};
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
    /// Transfers, each with the nonce of its transaction and what became of it.
    transfers: HashMap<Arc<str>, (u64, Option<Over>)>,
    next_nonce: u64,
    /// All that were recorded, but for those whose place another took.
    nonces: BTreeSet<u64>,
    /// Writes, and never says so.
    hangs: bool,
    /// The next record stands, and its writer hears that it failed.
    loses: bool,
    /// Records that fail from now on.
    failing: u32,
    /// Ends that fail from now on.
    failing_ends: u32,
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

    /// The next transaction is written down, and its writer hears that it is not.
    pub(crate) fn lose_an_answer(&self) {
        self.kept().loses = true;
    }

    /// The next two transactions cannot be written down.
    pub(crate) fn fail_twice(&self) {
        self.kept().failing = 2;
    }

    /// The next two ends cannot be written down.
    pub(crate) fn fail_two_ends(&self) {
        self.kept().failing_ends = 2;
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
        let unclosed = |recorded: &Recorded| Unclosed { recorded: recorded.clone(), age: Duration::ZERO };
        Ok(Resumed { open: kept.open.values().map(unclosed).collect(), next_nonce: kept.next_nonce })
    }

    async fn recorded(&self, first: u64) -> Result<u64, OutboxError> {
        let kept = self.kept();
        Ok(kept.nonces.range(first..).count() as u64)
    }

    async fn record(&self, transaction: &Recorded) -> Result<(), OutboxError> {
        let hangs = {
            let mut kept = self.kept();
            if kept.failing > 0 {
                kept.failing -= 1;
                return Err(OutboxError("full".to_owned()));
            }
            let nonce = transaction.nonce;
            let before = transaction.versions.split_last().map(|(_, before)| before);
            let standing = kept.open.get(&nonce).map(|standing| standing.versions.as_slice());
            if standing.unwrap_or_default() != before.expect("a version")
                || (standing.is_none() && nonce < kept.next_nonce)
            {
                return Err(OutboxError("another transaction stands there".to_owned()));
            }
            kept.transfers.retain(|_, (other, over)| over.is_some() || *other != nonce);
            for transfer in transaction.transfers() {
                if kept.transfers.insert(Arc::clone(transfer), (nonce, None)).is_some() {
                    return Err(OutboxError("a transfer is in another transaction".to_owned()));
                }
            }
            kept.known.extend(transaction.members.iter().map(|member| Arc::clone(&member.id)));
            kept.next_nonce = kept.next_nonce.max(transaction.nonce + 1);
            kept.nonces.insert(transaction.nonce);
            kept.open.insert(transaction.nonce, transaction.clone());
            if std::mem::take(&mut kept.loses) {
                return Err(OutboxError("no answer".to_owned()));
            }
            kept.hangs
        };
        if hangs { std::future::pending().await } else { Ok(()) }
    }

    async fn close(
        &self,
        transaction: &Recorded,
        landed: Option<Landed>,
        outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError> {
        let mut kept = self.kept();
        if kept.failing_ends > 0 {
            kept.failing_ends -= 1;
            return Err(OutboxError("full".to_owned()));
        }
        let standing = kept.open.get(&transaction.nonce);
        if standing.is_none_or(|standing| standing.versions != transaction.versions) {
            return Err(OutboxError("another sender has changed or closed it".to_owned()));
        }
        for (member, settling) in outcomes {
            if let Some((_, over)) = kept.transfers.get_mut(member) {
                *over = Over::of(settling);
            }
        }
        kept.open.remove(&transaction.nonce);
        if landed.is_none() {
            kept.nonces.remove(&transaction.nonce);
        }
        kept.closed.push(Closed { landed, outcomes: outcomes.to_vec() });
        Ok(())
    }

    async fn transfer(&self, member: &str) -> Result<Option<Sent>, OutboxError> {
        let kept = self.kept();
        let found = kept.transfers.get(member).cloned();
        Ok(found.map(|(_, over)| over.map_or(Sent::Here, Sent::Over)))
    }

    async fn give_up(&self, member: &str, why: &str) -> Result<bool, OutboxError> {
        let over = Over::Failed(why.to_owned());
        let mut kept = self.kept();
        // In no transaction.
        let (_, standing) = kept.transfers.entry(member.into()).or_insert((u64::MAX, Some(over.clone())));
        Ok(standing.as_ref() == Some(&over))
    }

    async fn known(&self, members: &[Arc<str>]) -> Result<HashSet<Arc<str>>, OutboxError> {
        let kept = self.kept();
        Ok(members.iter().filter(|id| kept.known.contains(*id)).cloned().collect())
    }
}
