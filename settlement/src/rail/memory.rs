//! What a rail remembers of payers and payments while the process lives; nothing that the books need.

use std::collections::{HashMap, HashSet};

use domain::{Address, PaymentId, UnixMillis};
use parking_lot::Mutex;

/// Payers that are remembered for what they did not pay; above it nobody is trusted any more.
const UNTRUSTED_MAX: usize = 65_536;

/// Payments that are remembered for having been asked for.
const ASKED_MAX: usize = 65_536;

#[derive(Default)]
pub(super) struct Memory {
    untrusted: Mutex<HashSet<Address>>,
    /// With the second at which each is void.
    asked: Mutex<HashMap<PaymentId, u64>>,
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

    /// Somebody was asked to settle a payment, and nobody knows what became of it.
    pub(super) fn ask(&self, payment: PaymentId, valid_before: u64, now: UnixMillis) {
        let mut asked = self.asked.lock();
        if asked.len() >= ASKED_MAX {
            let now = now.seconds().unsigned_abs();
            asked.retain(|_, valid_before| *valid_before > now);
        }
        if asked.len() < ASKED_MAX {
            asked.insert(payment, valid_before);
        }
    }

    pub(super) fn was_asked(&self, payment: &PaymentId) -> bool {
        self.asked.lock().contains_key(payment)
    }

    /// What became of it is known.
    pub(super) fn forget(&self, payment: &PaymentId) {
        self.asked.lock().remove(payment);
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
}
