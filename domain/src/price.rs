//! What a call costs: free, fixed, by the payer's calls this month, or by what it used.

use std::sync::Arc;

use thiserror::Error;

use crate::amount::Amount;
use crate::meter::Metered;

/// The price of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    /// Forwarded without payment, and without looking for one.
    Free,
    /// The same for every call. Never zero: that is [`Price::Free`].
    Fixed(Amount),
    /// Cheaper the more the payer has called this provider this month.
    Tiered(Tiers),
    /// What the call used, known from its answer.
    Metered(Metered),
}

/// What a payer's next call costs, and when that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The number of that call in this month, counted from 1.
    pub call: u64,
    /// What it costs.
    pub amount: Amount,
    /// The next step down, where there is one.
    pub next: Option<Tier>,
}

/// Volume tiers of one route. They begin at call 1 and never rise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers(Arc<[Tier]>);

/// One step: from the payer's `from_call`-th call of the month on, counted from 1, a call costs `amount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The first call of the month at this price, counted from 1.
    pub from_call: u64,
    /// What each call costs from there on; may be zero.
    pub amount: Amount,
}

/// Why a list of tiers is no price.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TiersError {
    /// No tier, or the first one does not begin at call 1.
    #[error("the first tier must begin at call 1")]
    FirstCall,
    /// `from_call` does not grow from tier to tier.
    #[error("tiers must be listed by rising `from_call`: {0} does not come after the one before")]
    Order(u64),
    /// A later tier costs more: the quote, which names the first tier, would be exceeded.
    #[error("a later tier may not cost more: {0} at call {1}")]
    Rises(Amount, u64),
    /// The first tier is free: the route is not priced.
    #[error("the first tier costs nothing; make the route free, or give it a price")]
    FirstIsFree,
}

// === impl Price ===

impl Price {
    /// The most one call can cost: what is quoted and held. `None` for a free route.
    #[must_use]
    pub fn maximum(&self) -> Option<Amount> {
        match self {
            Self::Free => None,
            Self::Fixed(amount) => Some(*amount),
            Self::Tiered(tiers) => Some(tiers.first()),
            Self::Metered(metered) => Some(metered.maximum()),
        }
    }

    /// What the `call`-th call of the month costs, counted from 1; at most, where it is metered.
    #[must_use]
    pub fn at_call(&self, call: u64) -> Amount {
        match self {
            Self::Free => Amount::ZERO,
            Self::Fixed(amount) => *amount,
            Self::Tiered(tiers) => tiers.at_call(call),
            Self::Metered(metered) => metered.maximum(),
        }
    }

    /// How it is counted, where it is.
    #[must_use]
    pub const fn metered(&self) -> Option<&Metered> {
        match self {
            Self::Metered(metered) => Some(metered),
            Self::Free | Self::Fixed(_) | Self::Tiered(_) => None,
        }
    }

    /// What the next call costs a payer who has made this many this month.
    #[must_use]
    pub fn preview(&self, calls: u64) -> Preview {
        let call = calls.saturating_add(1);
        let next = match self {
            Self::Free | Self::Fixed(_) | Self::Metered(_) => None,
            Self::Tiered(tiers) => tiers.as_slice().iter().find(|tier| tier.from_call > call).copied(),
        };
        Preview { call, amount: self.at_call(call), next }
    }
}

// === impl Tiers ===

impl Tiers {
    /// Checks and keeps a list of tiers.
    ///
    /// # Errors
    /// See [`TiersError`].
    pub fn new(tiers: Vec<Tier>) -> Result<Self, TiersError> {
        match tiers.first() {
            Some(first) if first.from_call == 1 && !first.amount.is_zero() => {}
            Some(first) if first.from_call == 1 => return Err(TiersError::FirstIsFree),
            _ => return Err(TiersError::FirstCall),
        }
        for pair in tiers.windows(2) {
            if pair[1].from_call <= pair[0].from_call {
                return Err(TiersError::Order(pair[1].from_call));
            }
            if pair[1].amount > pair[0].amount {
                return Err(TiersError::Rises(pair[1].amount, pair[1].from_call));
            }
        }
        Ok(Self(tiers.into()))
    }

    /// The tiers in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Tier] {
        &self.0
    }

    /// The first and highest tier.
    #[must_use]
    pub fn first(&self) -> Amount {
        self.0.first().map_or(Amount::ZERO, |tier| tier.amount)
    }

    /// What the `call`-th call of the month costs, counted from 1.
    #[must_use]
    pub fn at_call(&self, call: u64) -> Amount {
        let reached = self.0.iter().rev().find(|tier| tier.from_call <= call);
        reached.map_or_else(|| self.first(), |tier| tier.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(from_call: u64, units: i64) -> Tier {
        Tier { from_call, amount: Amount::from_atomic(units).unwrap() }
    }

    #[test]
    fn a_call_costs_its_tier() {
        let tiers = Tiers::new(vec![tier(1, 100), tier(11, 50), tier(101, 0)]).unwrap();
        let cost = |call| tiers.at_call(call).atomic();
        assert_eq!(
            [cost(1), cost(10), cost(11), cost(100), cost(101), cost(u64::MAX)],
            [100, 100, 50, 50, 0, 0]
        );
        assert_eq!(Price::Tiered(tiers).maximum(), Amount::from_atomic(100));
    }

    #[test]
    fn a_preview_names_the_next_call_and_the_step_after_it() {
        let price = Price::Tiered(Tiers::new(vec![tier(1, 100), tier(11, 50)]).unwrap());
        let preview = |calls| price.preview(calls);
        assert_eq!(preview(0), Preview { call: 1, amount: tier(1, 100).amount, next: Some(tier(11, 50)) });
        assert_eq!(preview(9).next, Some(tier(11, 50)));
        assert_eq!(preview(10), Preview { call: 11, amount: tier(1, 50).amount, next: None });
        assert_eq!(Price::Free.preview(7), Preview { call: 8, amount: Amount::ZERO, next: None });
    }

    #[test]
    fn tiers_that_could_exceed_the_quote_are_refused() {
        assert_eq!(Tiers::new(vec![]), Err(TiersError::FirstCall));
        assert_eq!(Tiers::new(vec![tier(0, 1)]), Err(TiersError::FirstCall));
        assert_eq!(Tiers::new(vec![tier(1, 0)]), Err(TiersError::FirstIsFree));
        assert_eq!(Tiers::new(vec![tier(1, 5), tier(1, 4)]), Err(TiersError::Order(1)));
        assert!(matches!(Tiers::new(vec![tier(1, 5), tier(2, 6)]), Err(TiersError::Rises(_, 2))));
    }
}
