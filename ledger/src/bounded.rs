//! [`Bounded`]: a map that forgets idle entries above a limit. Second chance, a few steps at a time.
//!
//! It forgets only when asked ([`Bounded::shrink`]), so that a batch never loses what it was just given, and never
//! what its caller says is pinned.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// Entries looked at in one [`Bounded::shrink`] beside those above the limit.
const STEPS: usize = 32;

#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Every key once, the next to be looked at first.
    ring: VecDeque<K>,
    /// Keys of the ring that were removed.
    gone: HashSet<K>,
    limit: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    touched: bool,
}

// === impl Bounded ===

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), ring: VecDeque::new(), gone: HashSet::new(), limit }
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Looks without keeping the entry alive.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Looks, and keeps the entry for another round.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        entry.touched = true;
        Some(&mut entry.value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let is_new = self.entries.insert(key, Entry { value, touched: true }).is_none();
        if is_new && !self.gone.remove(&key) {
            self.ring.push_back(key);
        }
    }

    /// Its place in the ring goes when its turn comes.
    pub(crate) fn remove(&mut self, key: &K) {
        if self.entries.remove(key).is_some() {
            self.gone.insert(*key);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.ring.clear();
        self.gone.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// Forgets what was idle for a round, until the limit holds or enough was looked at.
    pub(crate) fn shrink(&mut self, pinned: impl Fn(&K) -> bool) {
        let above = self.entries.len().saturating_sub(self.limit);
        let mut steps = if above == 0 { 0 } else { 2 * above + STEPS };
        while self.entries.len() > self.limit && steps > 0 {
            steps -= 1;
            let Some(key) = self.ring.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&key) else {
                self.gone.remove(&key);
                continue;
            };
            if entry.touched || pinned(&key) {
                entry.touched = false;
                self.ring.push_back(key);
            } else {
                self.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_entries_go_first_and_pinned_ones_stay() {
        let mut map = Bounded::new(4);
        for key in 0..8 {
            map.insert(key, key);
        }
        map.shrink(|key| *key == 0);
        map.get_mut(&7);
        map.shrink(|key| *key == 0);
        assert!(map.entries.len() <= 4);
        assert_eq!(map.ring.len(), map.entries.len());
        assert!(map.contains(&0) && map.contains(&7));
    }

    #[test]
    fn what_is_removed_and_comes_again_has_one_place() {
        let mut map = Bounded::new(2);
        for round in 0..10 {
            map.insert(1, round);
            map.remove(&1);
            map.remove(&1);
        }
        assert!(!map.contains(&1));
        for key in 1..8 {
            map.insert(key, key);
        }
        assert_eq!(map.ring.len(), map.entries.len());
        map.remove(&3);
        map.shrink(|_| false);
        map.shrink(|_| false);
        assert_eq!((map.iter().count(), map.ring.len(), map.gone.len()), (2, 2, 0));
        map.clear();
        assert_eq!((map.iter().count(), map.ring.len()), (0, 0));
    }

    #[test]
    fn pinned_entries_may_exceed_the_limit_and_cost_a_bounded_number_of_steps() {
        let mut map = Bounded::new(2);
        for key in 0..10 {
            map.insert(key, ());
        }
        map.shrink(|_| true);
        assert_eq!(map.iter().count(), 10);
        map.shrink(|_| false);
        map.shrink(|_| false);
        assert_eq!(map.iter().count(), 2);
    }
}
