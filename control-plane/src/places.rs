//! [`Places`]: what only so many may have at once. Nobody but the operator can take all of them, or leave the operator none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many each has; nobody is the operator.
type Taken = HashMap<Option<String>, usize>;

/// How many there are, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// For all together.
    pub(crate) all: usize,
    /// Of these, for the operator alone.
    pub(crate) operator: usize,
    /// For one tenant.
    pub(crate) tenant: usize,
}

/// Places, and who has them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    shares: Shares,
    taken: Arc<Mutex<Taken>>,
}

/// Some of them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    who: Option<String>,
    count: usize,
    taken: Arc<Mutex<Taken>>,
}

// === impl Places ===

impl Places {
    pub(crate) fn new(shares: Shares) -> Self {
        Self { shares, taken: Arc::default() }
    }

    /// A place for a tenant of this name, or for the operator; none where there is none left for them.
    pub(crate) fn take(&self, who: Option<String>) -> Option<Place> {
        self.take_many(who, 1)
    }

    /// So many at once. More than a whole share is the share: it comes to its turn, too.
    pub(crate) fn take_many(&self, who: Option<String>, count: usize) -> Option<Place> {
        let Shares { all, operator, tenant } = self.shares;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (together, own) = (taken.values().sum::<usize>(), taken.get(&who).copied().unwrap_or(0));
        let of_tenants = together - taken.get(&None).copied().unwrap_or(0);
        let count = count.min(tenant);
        let is_within = who.is_none() || (own + count <= tenant && of_tenants + count <= all - operator);
        (is_within && together + count <= all).then(|| {
            taken.insert(who.clone(), own + count);
            Place { who, count, taken: Arc::clone(&self.taken) }
        })
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= self.count;
            if *own == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_share_and_the_operator_always_a_place() {
        let places = Places::new(Shares { all: 6, operator: 2, tenant: 3 });
        let take = |who: &str| places.take((who != "operator").then(|| who.to_owned()));
        let mut own: Vec<_> = (0..3).map(|_| take("a").unwrap()).collect();
        assert!(take("a").is_none(), "more than its share");
        let other = take("b").unwrap();
        assert!(take("b").is_none(), "the operator's");
        let operators = [take("operator").unwrap(), take("operator").unwrap()];
        assert!(take("operator").is_none(), "all are taken");
        own.pop();
        assert!(take("b").is_some());
        drop((own, other, operators));
        assert!(places.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn many_are_taken_at_once_or_none_and_more_than_a_share_is_the_share() {
        let places = Places::new(Shares { all: 10, operator: 2, tenant: 5 });
        let take = |who: &str, count| places.take_many((who != "operator").then(|| who.to_owned()), count);
        let three = take("a", 3).unwrap();
        assert!(take("a", 3).is_none() && take("b", 6).is_some_and(|place| place.count == 5));
        let other = take("b", 5).unwrap();
        assert!(take("c", 1).is_none(), "the operator's");
        assert!(take("operator", 2).is_some() && take("operator", 3).is_none());
        drop((three, other));
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
