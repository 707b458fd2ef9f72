//! `Settlement-Overrides`: the amount that an upstream names for a call, as x402's servers read it
//! (`resolveSettlementOverrideAmount` of `@x402/core`; `SETTLEMENT_OVERRIDES_HEADER` of its Python package).

use domain::Amount;
use domain::amount::WALLET_SCALE;
use serde::Deserialize;

/// The field, in lower case.
pub const FIELD: &str = "settlement-overrides";

/// Longest value that is read.
const BYTES_MAX: usize = 1_024;

#[derive(Deserialize)]
struct Overrides {
    amount: Option<String>,
}

/// The amount of `{"amount": "1000"}` in atomic units, of `"50%"` of what is held (at most two decimal places, rounded down), or of
/// `"$0.05"` (surplus digits are cut off). It may be above the maximum. None where it is none of them.
#[must_use]
pub fn amount(value: &[u8], maximum: Amount) -> Option<Amount> {
    let overrides: Overrides = serde_json::from_slice(value.get(..=BYTES_MAX).map_or(value, |_| &[])).ok()?;
    let text = overrides.amount?;
    if let Some(percent) = text.strip_suffix('%') {
        let points = decimal(percent, 2)?;
        let units = i128::from(maximum.atomic()).checked_mul(points)? / 10_000;
        return i64::try_from(units).ok().and_then(Amount::from_atomic);
    }
    if let Some(dollars) = text.strip_prefix('$') {
        let (whole, part) = dollars.split_once('.').unwrap_or((dollars, "0"));
        let kept = part.get(..WALLET_SCALE as usize).unwrap_or(part);
        let is_written = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let units = decimal(&format!("{whole}.{kept}"), WALLET_SCALE).filter(|_| is_written)?;
        return i64::try_from(units).ok().and_then(Amount::from_atomic);
    }
    Amount::parse_atomic(&text)
}

/// A number with at most so many decimal places, as an integer of them.
fn decimal(text: &str, places: u32) -> Option<i128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let width = usize::try_from(places).ok()?;
    if whole.is_empty() || whole.len() > 18 || part.len() > width || !digits(whole) || !digits(part) {
        return None;
    }
    format!("{whole}{part:0<width$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<i64> {
        amount(value.as_bytes(), Amount::from_atomic(2_000).unwrap()).map(Amount::atomic)
    }

    #[test]
    fn units_shares_and_dollars_are_read_as_x402_reads_them() {
        assert_eq!(of(r#"{"amount":"1000"}"#), Some(1_000));
        assert_eq!(of(r#"{"amount":"0","more":[1]}"#), Some(0));
        assert_eq!(of(r#"{"amount":"50%"}"#), Some(1_000));
        assert_eq!(of(r#"{"amount":"33.33%"}"#), Some(666));
        assert_eq!(of(r#"{"amount":"5.%"}"#), Some(100));
        assert_eq!(of(r#"{"amount":"$0.05"}"#), Some(50_000));
        assert_eq!(of(r#"{"amount":"$1"}"#), Some(1_000_000));
        assert_eq!(of(r#"{"amount":"$0.0000019"}"#), Some(1));
    }

    #[test]
    fn what_names_no_amount_is_none() {
        let wrong = [
            "", "-1", "1e3", "0x10", "1.5", "1.234%", "%", "-5%", "$", "$.", "$1.", "$.5", "$-1", " 1", "$1%",
        ];
        for text in wrong {
            assert_eq!(of(&format!(r#"{{"amount":"{text}"}}"#)), None, "{text}");
        }
        for value in ["", "1000", "{}", r#"{"amount":1000}"#, r#"{"amount":null}"#, r#"{"amount":"1"} x"#] {
            assert_eq!(of(value), None, "{value}");
        }
        assert_eq!(of(&format!(r#"{{"amount":"1","pad":"{}"}}"#, "x".repeat(2_000))), None);
        assert_eq!(of(r#"{"amount":"$9999999999999"}"#), None);
    }
}
