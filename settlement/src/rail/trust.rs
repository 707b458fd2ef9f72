//! [`Trust`]: payers that did not pay what they were served for. They pay first, until they are forgiven.
//!
//! The books know who they are ([`ledger::Ledger::debtors`]): a start reads them before anybody is served. A payer is trusted again
//! once its last such payment is so many days old.

use std::collections::HashMap;

use domain::{Address, UnixMillis};
use parking_lot::Mutex;

/// Payers that are remembered; above it nobody is trusted any more.
pub(super) const DEBTORS_MAX: usize = 65_536;

/// How long one is remembered after its last payment that was not collected, in milliseconds: 30 days.
pub(super) const REMEMBERED_MS: i64 = 30 * 24 * 3_600_000;

#[derive(Default)]
pub(super) struct Trust {
    /// When each was last found not to have paid.
    debtors: Mutex<HashMap<Address, UnixMillis>>,
}

// === impl Trust ===

impl Trust {
    /// A payer could not be collected from, at this time.
    pub(super) fn distrust(&self, payer: Address, at: UnixMillis, now: UnixMillis) {
        let mut debtors = self.debtors.lock();
        if debtors.len() >= DEBTORS_MAX {
            debtors.retain(|_, at| is_remembered(*at, now));
        }
        if let Some(last) = debtors.get_mut(&payer) {
            *last = at.max(*last);
        } else if debtors.len() < DEBTORS_MAX {
            debtors.insert(payer, at);
        }
    }

    pub(super) fn trusts(&self, payer: &Address, now: UnixMillis) -> bool {
        let debtors = self.debtors.lock();
        debtors.len() < DEBTORS_MAX && !debtors.get(payer).is_some_and(|at| is_remembered(*at, now))
    }
}

fn is_remembered(at: UnixMillis, now: UnixMillis) -> bool {
    now < at.plus(REMEMBERED_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(REMEMBERED_MS);

    #[test]
    fn a5_whoever_did_not_pay_is_trusted_no_more_and_too_many_such_are_nobody() {
        let trust = Trust::default();
        let (payer, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        trust.distrust(payer, NOW, NOW);
        assert!(!trust.trusts(&payer, NOW) && trust.trusts(&other, NOW));
        for number in 0..u64::try_from(DEBTORS_MAX).unwrap() {
            trust.distrust(Address::left_padding_from(&number.to_be_bytes()), NOW, NOW);
        }
        assert!(!trust.trusts(&other, NOW));
        // Those whose time is over make room.
        let later = NOW.plus(REMEMBERED_MS);
        trust.distrust(other, later, later);
        assert!(trust.trusts(&payer, later) && !trust.trusts(&other, later));
    }

    #[test]
    fn a_payer_is_trusted_again_when_its_last_debt_is_old() {
        let trust = Trust::default();
        let payer = Address::repeat_byte(1);
        trust.distrust(payer, UnixMillis(5), NOW);
        trust.distrust(payer, UnixMillis(3), NOW);
        assert!(!trust.trusts(&payer, UnixMillis(4 + REMEMBERED_MS)));
        assert!(trust.trusts(&payer, UnixMillis(5 + REMEMBERED_MS)));
    }
}
