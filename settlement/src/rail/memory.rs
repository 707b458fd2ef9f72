//! What a rail remembers of payments while the process lives; nothing that the books need.

use std::collections::HashMap;

use domain::{B256, PaymentId, UnixMillis};
use parking_lot::Mutex;

/// Payments that are remembered for what was heard of them.
const HEARD_MAX: usize = 65_536;

#[derive(Default)]
pub(super) struct Memory {
    heard: Mutex<HashMap<PaymentId, Entry>>,
}

struct Entry {
    /// The second at which the payment is void.
    valid_before: u64,
    last: Last,
}

/// What was last heard of a payment that went to a settler in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// Nobody knows.
    Unknown,
    /// It stands on chain, and counts when this block does.
    Shown {
        /// By its number.
        counts_with: u64,
    },
    /// It moved, in blocks that count.
    Moved(B256),
}

// === impl Memory ===

impl Memory {
    /// A payment went to a settler, and this was heard.
    pub(super) fn hear(&self, payment: PaymentId, valid_before: u64, last: Last, now: UnixMillis) {
        let mut heard = self.heard.lock();
        if heard.len() >= HEARD_MAX {
            let now = now.seconds().unsigned_abs();
            heard.retain(|_, entry| entry.valid_before > now);
        }
        if heard.len() < HEARD_MAX {
            heard.insert(payment, Entry { valid_before, last });
        }
    }

    pub(super) fn last(&self, payment: &PaymentId) -> Option<Last> {
        self.heard.lock().get(payment).map(|entry| entry.last)
    }

    /// It is open no more.
    pub(super) fn forget(&self, payment: &PaymentId) {
        self.heard.lock().remove(payment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_kept_for_so_many_whose_time_is_not_over() {
        let memory = Memory::default();
        let payment = |number: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            PaymentId::from_bytes(bytes)
        };
        let full = u64::try_from(HEARD_MAX).unwrap();
        let hear = |number, at| memory.hear(payment(number), 10 + number % 2, Last::Unknown, UnixMillis(at));
        (0..full).for_each(|number| hear(number, 0));
        hear(full, 9_999);
        assert_eq!(memory.last(&payment(full)), None);
        hear(full, 10_000);
        assert_eq!(memory.last(&payment(full)), Some(Last::Unknown));
        assert_eq!((memory.last(&payment(0)), memory.last(&payment(1))), (None, Some(Last::Unknown)));
        memory.forget(&payment(1));
        assert_eq!(memory.last(&payment(1)), None);
    }
}
