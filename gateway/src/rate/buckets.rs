//! [`Buckets`]: the state of one limiter by consumer, within a [`Space`] that all limiters share.
//!
//! A bucket that is full again is as good as none and is let go of. Where the space is taken all the same, consumers that
//! are not known yet share one bucket: they are limited together, never unlimited, and nobody who is known is disturbed.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::{DashMap, Entry};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use parking_lot::Mutex;

/// How many buckets there may be.
#[derive(Debug)]
pub(crate) struct Space {
    taken: AtomicUsize,
    max: usize,
}

/// Until when the calls of each consumer were let through in advance: the state of GCRA.
#[derive(Debug)]
pub(crate) struct Buckets<K: Eq + Hash> {
    known: DashMap<K, Nanos>,
    /// Of all who found no space.
    others: Mutex<Option<Nanos>>,
    space: Arc<Space>,
}

// === impl Space ===

impl Space {
    pub(crate) const fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    fn take(&self) -> bool {
        let more = |taken: usize| (taken < self.max).then(|| taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }
}

// === impl Buckets ===

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new(space: Arc<Space>) -> Self {
        Self { known: DashMap::new(), others: Mutex::new(None), space }
    }

    /// Takes back a call that was let through, of which each takes so long. Not of those who share one: it may have been anybody's.
    pub(crate) fn take_back(&self, key: &K, interval: Duration) {
        if let Some(mut state) = self.known.get_mut(key) {
            *state = state.saturating_sub(interval.into());
        }
    }
}

impl<K: Eq + Hash + Clone> StateStore for Buckets<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(mut state) = self.known.get_mut(key) {
            let (outcome, next) = decide(Some(*state))?;
            *state = next;
            return Ok(outcome);
        }
        if !self.space.take() {
            let mut others = self.others.lock();
            let (outcome, next) = decide(*others)?;
            *others = Some(next);
            return Ok(outcome);
        }
        match self.known.entry(key.clone()) {
            // Another thread was quicker.
            Entry::Occupied(mut known) => {
                self.space.give_back(1);
                let (outcome, next) = decide(Some(*known.get()))?;
                known.insert(next);
                Ok(outcome)
            }
            Entry::Vacant(free) => {
                let (outcome, next) = decide(None).inspect_err(|_| self.space.give_back(1))?;
                free.insert(next);
                Ok(outcome)
            }
        }
    }
}

impl<K: Eq + Hash + Clone> ShrinkableKeyedStateStore<K> for Buckets<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut dropped = 0;
        self.known.retain(|_, state| {
            let keeps = *state > drop_below;
            dropped += usize::from(!keeps);
            keeps
        });
        self.space.give_back(dropped);
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl<K: Eq + Hash> Drop for Buckets<K> {
    fn drop(&mut self) {
        self.space.give_back(self.known.len());
    }
}
