//! Reads `[settlement]`, and `settlement` of a provider: when captured payments become settlements.

use std::time::Duration;

use domain::{Amount, Schedule, SettlementRules};

use super::section::duration;
use super::settings::SettlementSettings;
use super::tree::Section;
use super::value::one_of;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest time that a rule can name.
const RULE_MAX: Duration = DAY.saturating_mul(366);

/// Longest time between two looks.
const INTERVAL_MAX: Duration = DAY;

/// Longest delay of a new destination.
const DESTINATION_DELAY_MAX: Duration = DAY.saturating_mul(31);

/// The operator's section.
pub(super) fn settings(section: Section<'_>) -> SettlementSettings {
    let or = SettlementSettings::default();
    let rules = rules(&section, or.rules);
    let bounded = |key, least, most| section.item(key).and_then(|item| duration(&item, least, most));
    let interval = bounded("interval", Duration::from_millis(10), INTERVAL_MAX);
    let delay = bounded("payout_destination_delay", Duration::ZERO, DESTINATION_DELAY_MAX);
    section.finish();
    SettlementSettings {
        rules,
        interval: interval.unwrap_or(or.interval),
        payout_destination_delay: delay.unwrap_or(or.payout_destination_delay),
    }
}

/// What was agreed with a provider; the operator's rules where it says nothing.
pub(super) fn agreed(provider: &Section<'_>, or: SettlementRules) -> SettlementRules {
    let section = provider.item("settlement").and_then(|item| item.section());
    let Some(section) = section else { return or };
    let rules = rules(&section, or);
    section.finish();
    rules
}

fn rules(section: &Section<'_>, or: SettlementRules) -> SettlementRules {
    let time = |key| section.item(key).and_then(|item| duration(&item, Duration::ZERO, RULE_MAX));
    let amount_min = section.item("amount_min").and_then(|item| item.parse(Amount::parse_dollars));
    let schedule = section.item("schedule").and_then(|item| item.parse(schedule));
    SettlementRules {
        amount_min: amount_min.unwrap_or(or.amount_min),
        age_max_ms: time("age_max").map_or(or.age_max_ms, |age| Some(millis(age)).filter(|age| *age > 0)),
        schedule: schedule.unwrap_or(or.schedule),
        delay_ms: time("delay").map_or(or.delay_ms, millis),
    }
}

fn schedule(text: &str) -> Result<Schedule, String> {
    let all = [Schedule::Continuous, Schedule::Daily, Schedule::Weekly, Schedule::Monthly];
    Schedule::parse(text).ok_or_else(|| one_of(text, &all.map(Schedule::name)).to_string())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Environment};

    fn parse(of_all: &str, of_one: &str) -> Result<Config, String> {
        let text = format!(
            "[settlement]\n{of_all}\n[[providers]]\nname = \"a\"\n{of_one}\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n"
        );
        let loaded = Config::parse(Path::new("f.toml"), &text, &Environment::default());
        loaded.map(|loaded| loaded.config).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_provider_has_the_operators_rules_but_for_what_was_agreed_with_it() {
        let all = "amount_min = \"$5\"\nage_max = \"0s\"\nschedule = \"weekly\"\ndelay = \"2h\"";
        let config = parse(all, "settlement = { schedule = \"monthly\", age_max = \"90d\" }").unwrap();
        let rules = SettlementRules {
            amount_min: Amount::parse_dollars("$5").unwrap(),
            age_max_ms: None,
            schedule: Schedule::Weekly,
            delay_ms: 2 * 3_600_000,
        };
        assert_eq!(config.settlement.rules, rules);
        let agreed =
            SettlementRules { age_max_ms: Some(90 * 86_400_000), schedule: Schedule::Monthly, ..rules };
        assert_eq!(config.catalog.providers[0].settlement, agreed);
        assert_eq!(parse(all, "").unwrap().catalog.providers[0].settlement, rules);
    }

    #[test]
    fn what_is_no_rule_says_what_to_write() {
        for (all, one, told) in [
            ("amount_mn = \"$1\"", "", "2:1: settlement.amount_mn: unknown key, did you mean `amount_min`?"),
            ("schedule = \"hourly\"", "", "`hourly` is none of \"continuous\", \"daily\""),
            ("delay = \"3 days\"", "", "`3 days` is not a duration"),
            ("payout_destination_delay = \"40d\"", "", "must be from 0ms to 31d"),
            ("", "settlement = { amount_min = 5 }", "providers[0].settlement.amount_min: must be a string"),
            ("", "settlement = { interval = \"1m\" }", "providers[0].settlement.interval: unknown key"),
            ("", "settlement = \"daily\"", "providers[0].settlement: must be a table"),
        ] {
            let errors = parse(all, one).unwrap_err();
            assert!(errors.contains(told), "{errors}");
        }
    }
}
