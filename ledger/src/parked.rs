//! [`Parked`]: holds of which nobody knows whether their value moved. They keep what they hold until evidence closes them.

use std::collections::HashMap;

use domain::{IdempotencyKey, PaymentId, ReplayKey};
use parking_lot::Mutex;

use crate::hold::Holding;

#[derive(Debug, Default)]
pub(crate) struct Parked {
    holdings: Mutex<HashMap<PaymentId, Box<Holding>>>,
}

// === impl Parked ===

impl Parked {
    pub(crate) fn put(&self, holding: Box<Holding>) {
        self.holdings.lock().insert(holding.request.payment, holding);
    }

    pub(crate) fn take(&self, payment: &PaymentId) -> Option<Box<Holding>> {
        self.holdings.lock().remove(payment)
    }

    /// The payment that a signature was given for, or that its client named so, where nobody knows of it.
    pub(crate) fn find(&self, key: Option<&ReplayKey>, name: Option<&IdempotencyKey>) -> Option<PaymentId> {
        let is_it = |holding: &Holding| {
            let request = &holding.request;
            (key.is_some() && request.replay.as_ref() == key)
                || (name.is_some() && request.idempotency.as_ref() == name)
        };
        self.holdings.lock().iter().find(|(_, holding)| is_it(holding)).map(|(payment, _)| *payment)
    }

    /// What `look` makes of one.
    pub(crate) fn look<T>(&self, payment: &PaymentId, look: impl Fn(&Holding) -> Option<T>) -> Option<T> {
        self.holdings.lock().get(payment).and_then(|holding| look(holding))
    }

    /// What `look` makes of each.
    pub(crate) fn list<T>(&self, look: impl Fn(&Holding) -> Option<T>) -> Vec<T> {
        self.holdings.lock().values().filter_map(|holding| look(holding)).collect()
    }

    /// Lets all of them go; their rows stay.
    pub(crate) fn clear(&self) {
        // Each locks the memory when it goes, and nothing else may be locked then.
        let holdings = std::mem::take(&mut *self.holdings.lock());
        drop(holdings);
    }
}
