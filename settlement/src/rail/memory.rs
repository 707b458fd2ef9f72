//! What a rail remembers of payers and payments while the process lives; nothing that the books need.

use std::collections::{HashMap, HashSet};

use domain::{Address, B256, PaymentId, UnixMillis};
use parking_lot::Mutex;

/// Payers that are remembered for what they did not pay; above it nobody is trusted any more.
const UNTRUSTED_MAX: usize = 65_536;

/// Payments that are remembered for what was heard of them.
const HEARD_MAX: usize = 65_536;

#[derive(Default)]
pub(super) struct Memory {
    untrusted: Mutex<HashSet<Address>>,
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
    /// A payer could not be collected from.
    pub(super) fn distrust(&self, payer: Address) {
        let mut untrusted = self.untrusted.lock();
        if untrusted.len() < UNTRUSTED_MAX {
            untrusted.insert(payer);
        }
    }

    pub(super) fn trusts(&self, payer: &Address) -> bool {
        let untrusted = self.untrusted.lock();
        untrusted.len() < UNTRUSTED_MAX && !untrusted.contains(payer)
    }

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
    fn a5_whoever_did_not_pay_is_trusted_no_more_and_too_many_such_are_nobody() {
        let memory = Memory::default();
        let (payer, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        memory.distrust(payer);
        assert!(!memory.trusts(&payer) && memory.trusts(&other));
        for number in 0..u64::try_from(UNTRUSTED_MAX).unwrap() {
            memory.distrust(Address::left_padding_from(&number.to_be_bytes()));
        }
        assert!(!memory.trusts(&other));
    }

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
