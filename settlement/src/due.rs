//! [`due`]: whether a provider is to be settled with now, and for which payments. Pure.
//!
//! On a date of the schedule everything captured before it is settled, if there is enough of it; else it waits for the next
//! date. What waited for too long is settled at once, whatever the date and the amount.

use domain::{Amount, Schedule, SettlementRules, UnixMillis};
use ledger::Position;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is nothing to settle, or not yet.
    No,
    /// What was captured before this time, if so much is left of it for the provider.
    Yes {
        /// Not included.
        until: UnixMillis,
        /// Less is carried over.
        at_least: Amount,
    },
}

/// Decides for one provider at this ledger time.
#[must_use]
pub fn due(rules: &SettlementRules, position: &Position, now: UnixMillis) -> Due {
    let ripe = ripe_until(rules, position, now);
    let Some(oldest) = position.oldest_at.filter(|oldest| *oldest < ripe) else { return Due::No };
    if rules.age_max_ms.is_some_and(|age| now >= oldest.plus(age)) {
        return Due::Yes { until: ripe, at_least: Amount::ZERO };
    }
    let at_least = rules.amount_min;
    if rules.schedule == Schedule::Continuous {
        // All that was captured is more than what is old enough.
        let enough = position.net >= at_least.atomic();
        return if enough { Due::Yes { until: ripe, at_least } } else { Due::No };
    }
    // Settled once all that was captured before the date is old enough.
    let date = rules.schedule.last_date(now.plus(-rules.delay_ms));
    let is_sure = position.unsure_at.is_none_or(|at| date <= at);
    if oldest < date && is_sure { Due::Yes { until: date, at_least } } else { Due::No }
}

/// What was captured before this time may be settled: it is old enough, and nothing of it may still be undone on a public network.
pub(crate) fn ripe_until(rules: &SettlementRules, position: &Position, now: UnixMillis) -> UnixMillis {
    let old = rules.ripe_until(now);
    position.unsure_at.map_or(old, |at| old.min(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// 2026-11-22T12:00:00Z, a Sunday.
    const NOON: UnixMillis = UnixMillis(1_795_348_800_000);

    fn rules(schedule: Schedule) -> SettlementRules {
        SettlementRules { amount_min: amount(100), age_max_ms: None, schedule, delay_ms: HOUR }
    }

    fn amount(units: i64) -> Amount {
        Amount::from_atomic(units).unwrap()
    }

    /// Earned 500, the oldest payment so many hours before noon.
    fn position(hours: i64) -> Position {
        Position {
            provider: "acme".into(),
            payments: 3,
            gross: amount(500),
            fee: Amount::ZERO,
            refunds: Amount::ZERO,
            adjustments: Amount::ZERO,
            net: 500,
            oldest_at: Some(NOON.plus(-hours * HOUR)),
            unsure_at: None,
            settled_at: None,
            pending: Amount::ZERO,
        }
    }

    fn yes(until: UnixMillis, at_least: i64) -> Due {
        Due::Yes { until, at_least: amount(at_least) }
    }

    #[test]
    fn nothing_is_due_that_is_not_there_or_not_old_enough() {
        let continuous = rules(Schedule::Continuous);
        assert_eq!(due(&continuous, &Position { oldest_at: None, ..position(2) }, NOON), Due::No);
        let young = Position { oldest_at: Some(NOON.plus(-HOUR + 1)), ..position(2) };
        assert_eq!(due(&continuous, &young, NOON), Due::No);
        // Exactly as old as it has to be, and taken in.
        assert_eq!(due(&continuous, &position(1), NOON), yes(NOON.plus(-HOUR + 1), 100));
        assert_eq!(due(&continuous, &Position { net: 99, ..position(2) }, NOON), Due::No);
        assert_eq!(
            due(&continuous, &Position { net: 100, ..position(2) }, NOON),
            yes(NOON.plus(-HOUR + 1), 100)
        );
    }

    #[test]
    fn what_does_not_count_on_chain_yet_ends_a_settlement_and_keeps_a_date_waiting() {
        let unsure = |hours: i64| Position { unsure_at: Some(NOON.plus(-hours * HOUR)), ..position(13) };
        let continuous = rules(Schedule::Continuous);
        assert_eq!(due(&continuous, &unsure(3), NOON), yes(NOON.plus(-3 * HOUR), 100));
        assert_eq!(due(&continuous, &unsure(0), NOON), yes(NOON.plus(-HOUR + 1), 100));
        assert_eq!(due(&continuous, &unsure(13), NOON), Due::No, "the oldest is that one");
        let aged = SettlementRules { age_max_ms: Some(HOUR), ..continuous };
        assert_eq!(due(&aged, &unsure(13), NOON), Due::No);
        let daily = rules(Schedule::Daily);
        assert_eq!(due(&daily, &unsure(11), NOON), yes(NOON.plus(-12 * HOUR), 100));
        assert_eq!(due(&daily, &unsure(12), NOON), yes(NOON.plus(-12 * HOUR), 100));
        assert_eq!(
            due(&daily, &Position { oldest_at: Some(NOON.plus(-14 * HOUR)), ..unsure(13) }, NOON),
            Due::No
        );
    }

    #[test]
    fn a_date_takes_what_was_captured_before_it_and_no_more() {
        let midnight = NOON.plus(-12 * HOUR);
        let daily = rules(Schedule::Daily);
        assert_eq!(due(&daily, &position(11), NOON), Due::No, "all of it is of today");
        assert_eq!(due(&daily, &position(13), NOON), yes(midnight, 100));
        // In the first hour of the day some of yesterday is too young: it goes with the rest.
        let one = midnight.plus(HOUR);
        assert_eq!(due(&daily, &position(13), one), yes(midnight, 100));
        assert_eq!(due(&daily, &position(13), one.plus(-1)), Due::No);
        assert_eq!(due(&daily, &position(40), one.plus(-1)), yes(midnight.plus(-24 * HOUR), 100));
        let weekly = rules(Schedule::Weekly);
        assert_eq!(due(&weekly, &position(6 * 24), NOON), Due::No);
        assert_eq!(due(&weekly, &position(7 * 24), NOON), yes(NOON.plus(-156 * HOUR), 100));
        let monthly = rules(Schedule::Monthly);
        assert_eq!(due(&monthly, &position(21 * 24), NOON), Due::No);
        assert_eq!(due(&monthly, &position(22 * 24), NOON), yes(NOON.plus(-(21 * 24 + 12) * HOUR), 100));
    }

    #[test]
    fn what_waited_for_too_long_is_due_whatever_its_date_and_amount() {
        let old = |schedule| SettlementRules { age_max_ms: Some(10 * HOUR), ..rules(schedule) };
        let little = Position { net: 1, ..position(10) };
        for schedule in [Schedule::Continuous, Schedule::Daily, Schedule::Monthly] {
            assert_eq!(due(&old(schedule), &little, NOON), yes(NOON.plus(-HOUR + 1), 0), "{schedule:?}");
            let younger = Position { net: 1, ..position(9) };
            assert_eq!(due(&old(schedule), &younger, NOON), Due::No, "{schedule:?}");
        }
    }
}
