//! [`Kept`]: what is remembered of many, the younger ones for sure.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Two halves: where the younger is full, it becomes the older, and what nobody asked for since is forgotten.
pub(super) struct Kept<K, V> {
    halves: Mutex<Halves<K, V>>,
    most: usize,
}

struct Halves<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
}

// === impl Kept ===

impl<K: Eq + Hash, V: Default> Kept<K, V> {
    /// No more than so many.
    pub(super) fn new(most: usize) -> Self {
        Self { halves: Mutex::new(Halves { young: HashMap::new(), old: HashMap::new() }), most }
    }

    /// What is remembered under a name, which is nothing at first.
    pub(super) fn entry(&self, key: K) -> Arc<V> {
        let mut halves = self.halves.lock();
        if let Some(entry) = halves.young.get(&key) {
            return Arc::clone(entry);
        }
        let entry = halves.old.remove(&key).unwrap_or_default();
        if halves.young.len() >= self.most / 2 {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, Arc::clone(&entry));
        entry
    }

    /// What is remembered under a name, if anything is.
    pub(super) fn find(&self, key: &K) -> Option<Arc<V>> {
        let halves = self.halves.lock();
        halves.young.get(key).or_else(|| halves.old.get(key)).map(Arc::clone)
    }
}
