//! [`Fees`]: what a transaction offers for its gas (EIP-1559), in wei for a unit of it. Pure.

use serde::{Deserialize, Serialize};

/// An offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// To whoever makes the block, on top of the block's own fee.
    pub tip: u64,
    /// At most, together.
    pub most: u64,
}

// === impl Fees ===

impl Fees {
    /// For the next blocks: good until the block's fee has doubled, and never above the cap.
    pub(super) fn offer(base: u64, tip: u64, cap: u64) -> Self {
        let most = base.saturating_mul(2).saturating_add(tip).min(cap);
        Self { tip: tip.min(most), most }
    }

    /// Instead of an offer that was not taken: nodes take another transaction of the same nonce only where both of its numbers are
    /// an eighth higher. None where the cap does not allow that.
    pub(super) fn instead_of(self, before: Self, cap: u64) -> Option<Self> {
        let raised = Self {
            tip: self.tip.max(eighth_more(before.tip)),
            most: self.most.max(eighth_more(before.most)),
        };
        (raised.most <= cap && raised.tip <= raised.most).then_some(raised)
    }
}

/// Rounded up, and more than before in any case.
fn eighth_more(fee: u64) -> u64 {
    fee.saturating_add((fee / 8).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_bears_a_doubled_fee_and_keeps_to_the_cap() {
        assert_eq!(Fees::offer(100, 7, 1000), Fees { tip: 7, most: 207 });
        assert_eq!(Fees::offer(100, 7, 150), Fees { tip: 7, most: 150 });
        assert_eq!(Fees::offer(100, 7, 5), Fees { tip: 5, most: 5 });
        assert_eq!(Fees::offer(u64::MAX, u64::MAX, 9), Fees { tip: 9, most: 9 });
    }

    #[test]
    fn a_bump_is_an_eighth_on_both_numbers_or_what_the_blocks_now_cost() {
        let before = Fees { tip: 16, most: 200 };
        let same = Fees { tip: 16, most: 200 };
        assert_eq!(same.instead_of(before, 1000), Some(Fees { tip: 19, most: 226 }));
        let dearer = Fees { tip: 50, most: 900 };
        assert_eq!(dearer.instead_of(before, 1000), Some(dearer));
        // Both are raised, even where only one of them has to be.
        assert_eq!(Fees { tip: 1, most: 900 }.instead_of(before, 1000), Some(Fees { tip: 19, most: 900 }));
        let nothing = Fees { tip: 0, most: 0 };
        assert_eq!(nothing.instead_of(nothing, 1), Some(Fees { tip: 1, most: 1 }));
        for fee in [1, 7, 8, 9, 1_000_000_007] {
            assert!(u128::from(eighth_more(fee)) * 1000 >= u128::from(fee) * 1125, "{fee}");
        }
    }

    #[test]
    fn a_bump_that_the_cap_forbids_is_none() {
        let before = Fees { tip: 16, most: 200 };
        assert_eq!(before.instead_of(before, 225), None);
        assert_eq!(before.instead_of(before, 226), Some(Fees { tip: 19, most: 226 }));
    }
}
