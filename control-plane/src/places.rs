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

/// One of them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    who: Option<String>,
    taken: Arc<Mutex<Taken>>,
}

// === impl Places ===

impl Places {
    pub(crate) fn new(shares: Shares) -> Self {
        Self { shares, taken: Arc::default() }
    }

    /// A place for a tenant of this name, or for the operator; none where there is none left for them.
    pub(crate) fn take(&self, who: Option<String>) -> Option<Place> {
        let Shares { all, operator, tenant } = self.shares;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (together, own) = (taken.values().sum::<usize>(), taken.get(&who).copied().unwrap_or(0));
        let of_tenants = together - taken.get(&None).copied().unwrap_or(0);
        let is_within = who.is_none() || (own < tenant && of_tenants < all - operator);
        (is_within && together < all).then(|| {
            taken.insert(who.clone(), own + 1);
            Place { who, taken: Arc::clone(&self.taken) }
        })
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= 1;
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
}
