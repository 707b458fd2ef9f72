//! When a provider is settled with, and where its money goes: [`SettlementRules`], [`Schedule`], [`PayoutDestination`].
//!
//! Plain words: whoever edits providers writes them, the settlement worker reads them. When a settlement is due is decided
//! there.

use crate::amount::Amount;
use crate::chain::ChainAccount;
use crate::identifier::WalletId;
use crate::time::{UnixMillis, Window};

/// Where a provider's payouts go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PayoutDestination {
    /// Into a wallet of this ledger, in the settlement's own commit (rail `ledger`).
    Wallet(WalletId),
    /// Out of Faregate by a person's hand (rail `manual`): a bank account, as that person has to read it.
    Manual(String),
    /// Out of our treasury on a public network, by a transaction of our own key (rail `chain`).
    Chain(ChainAccount),
}

/// When settlements are made, all times UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// As soon as there is enough to settle.
    Continuous,
    /// At midnight.
    #[default]
    Daily,
    /// At midnight before Monday.
    Weekly,
    /// At midnight before the first of the month.
    Monthly,
}

/// When settlements are made: the operator's rules for everybody, or what was agreed with one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementRules {
    /// Less than this is carried over to the next date, unless it is too old.
    pub amount_min: Amount,
    /// A payment that waited longer is settled whatever the date and the amount, in milliseconds; none: it may wait.
    pub age_max_ms: Option<i64>,
    /// The dates.
    pub schedule: Schedule,
    /// Only payments at least so old are settled, in milliseconds: automatic refunds come before.
    pub delay_ms: i64,
}

/// All that a settlement with a provider goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementTerms {
    /// When it is made.
    pub rules: SettlementRules,
    /// Where the money goes.
    pub destination: PayoutDestination,
}

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// 1970-01-01 was a Thursday: the first Monday came four days later.
const FIRST_MONDAY: i64 = 4 * DAY_MILLIS;

// === impl SettlementRules ===

impl Default for SettlementRules {
    /// Daily, from a dollar on; what waited for a month whatever it is. A stream lives for an hour at most, and may be
    /// refunded until its end.
    fn default() -> Self {
        Self {
            amount_min: Amount::from_atomic(1_000_000).unwrap_or_default(),
            age_max_ms: Some(30 * DAY_MILLIS),
            schedule: Schedule::Daily,
            delay_ms: 3600 * 1000,
        }
    }
}

impl SettlementRules {
    /// A payment captured at `now` less the delay is old enough; those before this time, which is not included, all are.
    #[must_use]
    pub fn ripe_until(&self, now: UnixMillis) -> UnixMillis {
        now.plus(-self.delay_ms).plus(1)
    }
}

// === impl PayoutDestination ===

impl PayoutDestination {
    /// `ledger`, `manual` or `chain`: the rail in the API and in the books.
    #[must_use]
    pub const fn rail(&self) -> &'static str {
        match self {
            Self::Wallet(_) => "ledger",
            Self::Manual(_) => "manual",
            Self::Chain(_) => "chain",
        }
    }
}

// === impl Schedule ===

impl Schedule {
    /// The word in the API and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// The schedule of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Continuous, Self::Daily, Self::Weekly, Self::Monthly]
            .into_iter()
            .find(|schedule| schedule.name() == name)
    }

    /// The last date at or before `at`; every moment is one where settlements are continuous.
    #[must_use]
    pub fn last_date(self, at: UnixMillis) -> UnixMillis {
        match self {
            Self::Continuous => at,
            Self::Daily => Window::Day.start(at),
            Self::Weekly => at.plus(-(at.0 - FIRST_MONDAY).rem_euclid(7 * DAY_MILLIS)),
            Self::Monthly => Window::Month.start(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_midnights_mondays_and_firsts_in_utc() {
        // A Sunday noon.
        let at = UnixMillis(1_795_348_800_000);
        assert_eq!(at.to_string(), "2026-11-22T12:00:00.000Z");
        let date = |schedule: Schedule, at| schedule.last_date(at).to_string();
        assert_eq!(Schedule::Continuous.last_date(at), at);
        assert_eq!(date(Schedule::Daily, at), "2026-11-22T00:00:00.000Z");
        assert_eq!(date(Schedule::Weekly, at), "2026-11-16T00:00:00.000Z");
        assert_eq!(date(Schedule::Monthly, at), "2026-11-01T00:00:00.000Z");
        let monday = Schedule::Weekly.last_date(at).plus(7 * DAY_MILLIS);
        assert_eq!(Schedule::Weekly.last_date(monday), monday);
        assert_eq!(date(Schedule::Weekly, monday.plus(-1)), "2026-11-16T00:00:00.000Z");
    }

    #[test]
    fn every_schedule_has_a_name() {
        for schedule in [Schedule::Continuous, Schedule::Daily, Schedule::Weekly, Schedule::Monthly] {
            assert_eq!(Schedule::parse(schedule.name()), Some(schedule));
        }
        assert_eq!(Schedule::parse("hourly"), None);
    }
}
