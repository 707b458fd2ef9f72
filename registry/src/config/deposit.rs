//! Reads `[deposits]`: how much a wallet may be topped up with by one payment on a public network.

use domain::Amount;

use super::tree::{Item, Section};

/// How much one deposit may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositSettings {
    /// Less is not worth its settlement; never zero.
    pub amount_min: Amount,
    /// More is refused.
    pub amount_max: Amount,
}

/// The defaults, in millionths of a dollar.
const AMOUNT_MIN: i64 = 100_000;
const AMOUNT_MAX: i64 = 1_000_000_000;

/// The most that can be set: a million dollars.
const AMOUNT_LIMIT: i64 = 1_000_000_000_000;

pub(super) fn settings(section: Section<'_>) -> DepositSettings {
    let or = DepositSettings::default();
    let amount_min = section.item("amount_min").and_then(|item| amount(&item)).unwrap_or(or.amount_min);
    let most = section.item("amount_max");
    let amount_max = most.as_ref().and_then(amount).unwrap_or(or.amount_max.max(amount_min));
    if amount_max < amount_min {
        let told = format!("amount_max is below amount_min ({amount_min}): no deposit would be taken");
        section.report().fail(section.spot(), told);
    }
    section.finish();
    DepositSettings { amount_min, amount_max }
}

fn amount(item: &Item<'_>) -> Option<Amount> {
    let bounded = |text: &str| {
        let amount = Amount::parse_dollars(text).map_err(|error| error.to_string())?;
        let is_some = (1..=AMOUNT_LIMIT).contains(&amount.atomic());
        is_some.then_some(amount).ok_or_else(|| "must be more than nothing, and at most $1000000".to_owned())
    };
    item.parse(bounded)
}

// === impl DepositSettings ===

impl Default for DepositSettings {
    fn default() -> Self {
        let units = |units| Amount::from_atomic(units).unwrap_or_default();
        Self { amount_min: units(AMOUNT_MIN), amount_max: units(AMOUNT_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Environment};

    fn parse(text: &str) -> Result<DepositSettings, String> {
        let text = format!("[deposits]\n{text}\n");
        let loaded = Config::parse(Path::new("f.toml"), &text, &Environment::default());
        loaded.map(|loaded| loaded.config.deposits).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_deposit_has_bounds_that_leave_something_between_them() {
        let dollars = |text| Amount::parse_dollars(text).unwrap();
        let set = |amount_min, amount_max| {
            Ok(DepositSettings { amount_min: dollars(amount_min), amount_max: dollars(amount_max) })
        };
        assert_eq!(parse(""), set("$0.10", "$1000"));
        assert_eq!(parse("amount_min = \"$1\"\namount_max = \"$50\""), set("$1", "$50"));
        assert_eq!(parse("amount_min = \"$2000\""), set("$2000", "$2000"));
        for (text, told) in [
            ("amount_min = \"$5\"\namount_max = \"$4\"", "amount_max is below amount_min ($5.00)"),
            ("amount_min = \"$0\"", "deposits.amount_min: must be more than nothing"),
            ("amount_max = \"$1000001\"", "deposits.amount_max: must be more than nothing, and at most"),
            ("amount_max = 5", "deposits.amount_max: must be a string"),
            ("maximum = \"$5\"", "deposits.maximum: unknown key"),
        ] {
            let errors = parse(text).unwrap_err();
            assert!(errors.contains(told), "{errors}");
        }
    }
}
