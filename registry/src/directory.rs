//! [`Directory`]: agents by key or signer, cached; the one read a paid request may wait for.
//!
//! Bounded, 30 s at most, one read for many who ask, and forgotten at once when the registry writes. Who is still asked for after 20 s is
//! read anew meanwhile: a read that fails, or waits, costs nobody anything who is known, and nobody lives longer than 30 s by it. What is
//! cached are rules, never counters: those are the ledger's.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as MapEntry;
use domain::{Address, AgentId, Clock, KeyId, SpendingPolicy, UnixMillis, WalletId};
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::access::Access;
use crate::agent_key::{AgentKey, KeyHash};
use crate::store::agents::{self, Found};
use crate::store::{Pool, StoreError};

/// How long an agent is remembered, in milliseconds.
const TTL_MS: i64 = 30_000;

/// How old an agent is when it is read anew, while it is remembered still, in milliseconds.
const RENEW_MS: i64 = 20_000;

/// Between two tries at that, in milliseconds: longer than one takes.
const RENEW_AGAIN_MS: i64 = 1_400;

/// How long it is remembered that there is no such agent, in milliseconds.
const NEGATIVE_TTL_MS: i64 = 5_000;

/// How long a failed read answers for those that follow, in milliseconds: a broken database is not asked by
/// everyone.
const FAILURE_TTL_MS: i64 = 500;

/// How long a request waits for the database: one that is gone must refuse within a second.
const LOOKUP_MAX: Duration = Duration::from_millis(900);

/// Keys and signers remembered at once where nothing else is set.
pub(crate) const ENTRIES_MAX: usize = 65_536;

/// Finds agents. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

/// The registry could not be read.
#[derive(Clone, Debug, Error)]
#[error("agents cannot be looked up: {0}")]
pub struct DirectoryError(Arc<StoreError>);

struct Shared {
    /// Nobody else's: see [`Pool::apart`].
    pool: Pool,
    clock: Arc<dyn Clock>,
    entries: DashMap<Lookup, Arc<Entry>>,
    entries_max: usize,
    /// Policies of agents that are remembered, shared by all keys and signers of each.
    policies: DashMap<AgentId, Weak<SpendingPolicy>>,
    /// When keys were last used whose entries were forgotten, until that is taken.
    uses: DashMap<KeyId, UnixMillis>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lookup {
    Key(KeyId),
    Signer(Address),
}

/// One answer, or the one read under way for it.
struct Entry {
    since: UnixMillis,
    answer: OnceCell<Answer>,
    /// When the key was last shown and right, in Unix milliseconds, since that was last taken; 0: it was not.
    used: AtomicI64,
    /// When it is to be read anew, in Unix milliseconds.
    renews_at: AtomicI64,
}

enum Answer {
    Known { access: Arc<Access>, hash: Option<KeyHash> },
    Unknown,
    Failed(DirectoryError),
}

// === impl Directory ===

impl Directory {
    pub(crate) fn new(pool: Pool, clock: Arc<dyn Clock>, entries_max: usize) -> Self {
        let (entries, policies, uses) = (DashMap::new(), DashMap::new(), DashMap::new());
        let (hits, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { pool, clock, entries, entries_max, policies, uses, hits, misses }) }
    }

    /// Who holds this key. `None` where there is no such key or the secret is wrong; the two look the same.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub async fn by_key(&self, key: &AgentKey) -> Result<Option<Arc<Access>>, DirectoryError> {
        self.by_key_if(key, || true).await.unwrap_or(Ok(None))
    }

    /// The same; where something is to be read for it, only if `may_read` says so, and else `None`.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub async fn by_key_if(
        &self,
        key: &AgentKey,
        may_read: impl FnOnce() -> bool,
    ) -> Option<Result<Option<Arc<Access>>, DirectoryError>> {
        let entry = self.entry(Lookup::Key(key.id()), may_read).await?;
        Some(self.holder(&entry, key))
    }

    fn holder(&self, entry: &Entry, key: &AgentKey) -> Result<Option<Arc<Access>>, DirectoryError> {
        match entry.answer.get() {
            Some(Answer::Known { access, hash: Some(hash) }) if hash.matches(key) => {
                let now = self.shared.clock.now();
                // The entry may have been forgotten while it was read.
                if entry.used.swap(now.0, Ordering::Relaxed) == 0 {
                    self.shared.uses.insert(key.id(), now);
                }
                Ok(Some(Arc::clone(access)))
            }
            Some(Answer::Failed(error)) => Err(error.clone()),
            _ => Ok(None),
        }
    }

    /// For whom this address signs.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub async fn by_signer(&self, address: Address) -> Result<Option<Arc<Access>>, DirectoryError> {
        self.by_signer_if(address, || true).await.unwrap_or(Ok(None))
    }

    /// The same; where something is to be read for it, only if `may_read` says so, and else `None`.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub async fn by_signer_if(
        &self,
        address: Address,
        may_read: impl FnOnce() -> bool,
    ) -> Option<Result<Option<Arc<Access>>, DirectoryError>> {
        Some(self.entry(Lookup::Signer(address), may_read).await?.access())
    }

    /// Lookups answered from memory, or by a read that was under way.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.shared.hits.load(Ordering::Relaxed)
    }

    /// Lookups that read the database.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.shared.misses.load(Ordering::Relaxed)
    }

    /// Lets go of the database after running reads.
    pub(crate) async fn close(&self) {
        self.shared.pool.close().await;
    }

    /// Forgets an agent, everyone who was unknown, and every read that is under way: it may be of the time
    /// before.
    pub(crate) fn forget(&self, agent: AgentId) {
        self.retain(|entry| match entry.answer.get() {
            Some(Answer::Known { access, .. }) => access.agent != agent,
            _ => false,
        });
    }

    /// Forgets the agents of a wallet, as [`Self::forget`] does.
    pub(crate) fn forget_wallet(&self, wallet: WalletId) {
        self.retain(|entry| match entry.answer.get() {
            Some(Answer::Known { access, .. }) => access.wallet != wallet,
            _ => false,
        });
    }

    /// When each key was last used since this was last asked, but for those that had to make room.
    pub(crate) fn take_last_uses(&self) -> Vec<(KeyId, UnixMillis)> {
        self.shared.entries.iter().for_each(|entry| self.keep_use(*entry.key(), &entry));
        let keys: Vec<KeyId> = self.shared.uses.iter().map(|used| *used.key()).collect();
        keys.into_iter().filter_map(|key| self.shared.uses.remove(&key)).collect()
    }

    /// Forgets everyone.
    pub(crate) fn forget_all(&self) {
        self.retain(|_| false);
    }

    /// Forgets those that `is_kept` does not keep, but not that their keys were used.
    fn retain(&self, is_kept: impl Fn(&Entry) -> bool) {
        self.shared.entries.retain(|lookup, entry| {
            let kept = is_kept(entry);
            if !kept {
                self.keep_use(*lookup, entry);
            }
            kept
        });
    }

    fn keep_use(&self, lookup: Lookup, entry: &Entry) {
        let Lookup::Key(key) = lookup else { return };
        let at = entry.used.swap(0, Ordering::Relaxed);
        if at > 0 {
            self.shared.uses.insert(key, UnixMillis(at));
        }
    }

    /// An entry with its answer; `None` where one would have to be read and may not.
    async fn entry(&self, lookup: Lookup, may_read: impl FnOnce() -> bool) -> Option<Arc<Entry>> {
        let now = self.shared.clock.now();
        let entry = match self.fresh(lookup, now) {
            Some(entry) => self.count_hit(entry),
            None if may_read() => self.insert(lookup, now),
            None => return None,
        };
        entry.answer.get_or_init(|| self.read(lookup)).await;
        Some(entry)
    }

    fn fresh(&self, lookup: Lookup, now: UnixMillis) -> Option<Arc<Entry>> {
        let entry = self.shared.entries.get(&lookup).map(|entry| Arc::clone(&entry))?;
        let is_fresh = entry.is_fresh(now);
        if is_fresh && entry.takes_to_renew(now) {
            self.renew(lookup, &entry, now);
        }
        is_fresh.then_some(entry)
    }

    /// Reads anew what is remembered still. What fails leaves things as they are.
    fn renew(&self, lookup: Lookup, entry: &Arc<Entry>, now: UnixMillis) {
        self.shared.misses.fetch_add(1, Ordering::Relaxed);
        let (directory, known) = (self.clone(), Arc::clone(entry));
        tokio::spawn(async move {
            match directory.read(lookup).await {
                Answer::Failed(_) => {}
                answer => {
                    directory.replace(lookup, &known, Entry::new(now, OnceCell::new_with(Some(answer))))
                }
            }
        });
    }

    /// Puts what was read in the place of what was known, unless that was forgotten meanwhile: the read may be of the time before.
    fn replace(&self, lookup: Lookup, known: &Arc<Entry>, renewed: Entry) {
        if let MapEntry::Occupied(mut place) = self.shared.entries.entry(lookup)
            && Arc::ptr_eq(place.get(), known)
        {
            self.keep_use(lookup, known);
            place.insert(Arc::new(renewed));
        }
    }

    fn insert(&self, lookup: Lookup, now: UnixMillis) -> Arc<Entry> {
        if self.shared.entries.len() >= self.shared.entries_max {
            self.make_room(now);
        }
        match self.shared.entries.entry(lookup) {
            // Another one was faster.
            MapEntry::Occupied(entry) if entry.get().is_fresh(now) => self.count_hit(Arc::clone(entry.get())),
            entry => {
                self.shared.misses.fetch_add(1, Ordering::Relaxed);
                let made = Arc::new(Entry::new(now, OnceCell::new()));
                entry.insert(Arc::clone(&made));
                made
            }
        }
    }

    fn count_hit(&self, entry: Arc<Entry>) -> Arc<Entry> {
        self.shared.hits.fetch_add(1, Ordering::Relaxed);
        entry
    }

    /// Lets go of what is stale or unknown; where that is not enough, of every eighth.
    fn make_room(&self, now: UnixMillis) {
        let entries = &self.shared.entries;
        entries
            .retain(|_, entry| entry.is_fresh(now) && !matches!(entry.answer.get(), Some(Answer::Unknown)));
        if entries.len() >= self.shared.entries_max {
            let mut turn = 0_usize;
            entries.retain(|_, _| {
                turn = turn.wrapping_add(1);
                !turn.is_multiple_of(8)
            });
        }
        // Fewer than eight in all.
        if entries.len() >= self.shared.entries_max {
            entries.clear();
        }
    }

    async fn read(&self, lookup: Lookup) -> Answer {
        let found = tokio::time::timeout(LOOKUP_MAX, self.find(lookup)).await;
        match found.unwrap_or(Err(StoreError::Silent)) {
            Ok(Some(Found { access, hash })) => {
                Answer::Known { access: Arc::new(self.with_shared_policy(access)), hash }
            }
            Ok(None) => Answer::Unknown,
            Err(error) => {
                tracing::error!(%error, "agents cannot be looked up");
                Answer::Failed(DirectoryError(Arc::new(error)))
            }
        }
    }

    /// With the policy that the agent's other keys have, where it is the same.
    fn with_shared_policy(&self, access: Access) -> Access {
        let policies = &self.shared.policies;
        if policies.len() >= self.shared.entries_max {
            policies.retain(|_, policy| policy.strong_count() > 0);
        }
        let mut known = policies.entry(access.agent).or_default();
        match known.upgrade().filter(|policy| *policy == access.policy) {
            Some(policy) => Access { policy, ..access },
            None => {
                *known = Arc::downgrade(&access.policy);
                access
            }
        }
    }

    async fn find(&self, lookup: Lookup) -> Result<Option<Found>, StoreError> {
        let mut connection = self.shared.pool.acquire().await?;
        match lookup {
            Lookup::Key(key) => agents::find_key(&mut connection.session(), key).await,
            Lookup::Signer(address) => agents::find_signer(&mut connection.session(), address).await,
        }
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Directory").field("entries", &self.shared.entries.len()).finish_non_exhaustive()
    }
}

// === impl Entry ===

impl Entry {
    fn new(since: UnixMillis, answer: OnceCell<Answer>) -> Self {
        let renews_at = AtomicI64::new(since.0.saturating_add(RENEW_MS));
        Self { since, answer, used: AtomicI64::new(0), renews_at }
    }

    /// Whom it names, whoever asks.
    fn access(&self) -> Result<Option<Arc<Access>>, DirectoryError> {
        match self.answer.get() {
            Some(Answer::Known { access, .. }) => Ok(Some(Arc::clone(access))),
            Some(Answer::Failed(error)) => Err(error.clone()),
            Some(Answer::Unknown) | None => Ok(None),
        }
    }

    /// Whether whoever asks is to have it read anew: it is known and old enough, and nobody else has just done so.
    fn takes_to_renew(&self, now: UnixMillis) -> bool {
        let at = self.renews_at.load(Ordering::Relaxed);
        let again = now.0.saturating_add(RENEW_AGAIN_MS);
        now.0 >= at
            && matches!(self.answer.get(), Some(Answer::Known { .. }))
            && self.renews_at.compare_exchange(at, again, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// A clock that was set back makes it stale as well.
    fn is_fresh(&self, now: UnixMillis) -> bool {
        let ttl = match self.answer.get() {
            Some(Answer::Unknown) => NEGATIVE_TTL_MS,
            Some(Answer::Failed(_)) => FAILURE_TTL_MS,
            Some(Answer::Known { .. }) | None => TTL_MS,
        };
        (0..ttl).contains(&now.0.saturating_sub(self.since.0))
    }
}

#[cfg(test)]
mod tests;
