//! Money as integers: [`Amount`] in an asset's atomic units, prices from text, fees in basis points.
//!
//! Nothing here rounds silently: a price with more digits than the asset has is an error, and a fee rounds
//! down once (DESIGN section 4). No floats, ever. Next: [`crate::price`] for what a route costs.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use thiserror::Error;

/// A non-negative number of atomic units of one asset. The asset stands beside it where it matters;
/// inside one ledger there is one.
///
/// For the wallet asset (USD, scale 6) a price of `"$0.0025"` is `Amount` 2500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// Hundredths of a per cent, 0 to 10,000: the platform fee of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BasisPoints(u16);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Neither `"$0.0025"` nor `"0.0025"`.
    #[error("`{0}` is not a price: write dollars as a string, such as \"$0.0025\"")]
    Malformed(String),
    /// More decimal places than the asset has.
    #[error("`{text}` has more than {scale} decimal places, the smallest unit is {unit}")]
    TooPrecise {
        /// The text as given.
        text: String,
        /// Decimal places of the asset.
        scale: u32,
        /// The smallest amount that can be paid, as text.
        unit: String,
    },
    /// Below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// Does not fit the ledger's 63 bits.
    #[error("`{0}` is larger than the ledger can hold")]
    TooLarge(String),
}

/// Decimal places of the wallet asset: one unit is a millionth of a dollar.
pub const WALLET_SCALE: u32 = 6;

// === impl Amount ===

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From atomic units; `None` when negative.
    #[must_use]
    pub const fn from_atomic(units: i64) -> Option<Self> {
        if units < 0 { None } else { Some(Self(units)) }
    }

    /// In atomic units; never negative.
    #[must_use]
    pub const fn atomic(self) -> i64 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` where it does not fit the ledger.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` where it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_atomic)
    }

    /// The difference, or nothing where it would be negative.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        self.checked_sub(other).unwrap_or(Self::ZERO)
    }

    /// The share of this that `part` is of `whole`, rounded down; all of it where there is no whole.
    #[must_use]
    pub fn pro_rata(self, part: Self, whole: Self) -> Self {
        if part >= whole {
            return self;
        }
        let share = i128::from(self.0) * i128::from(part.0) / i128::from(whole.0);
        // Less than `self`, which fits.
        Self(i64::try_from(share).unwrap_or(self.0))
    }

    /// Parses a dollar price, `"$0.0025"` or `"0.0025"`, at [`WALLET_SCALE`].
    ///
    /// # Errors
    /// See [`AmountError`]; surplus digits are refused, not rounded.
    pub fn parse_dollars(text: &str) -> Result<Self, AmountError> {
        let malformed = || AmountError::Malformed(text.to_owned());
        let digits = text.strip_prefix('$').unwrap_or(text);
        if let Some(rest) = digits.strip_prefix('-') {
            return Err(if rest.is_empty() { malformed() } else { AmountError::Negative(text.to_owned()) });
        }
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !plain || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        let value = Decimal::from_str_exact(digits).map_err(|_| AmountError::TooLarge(text.to_owned()))?;
        if value.normalize().scale() > WALLET_SCALE {
            return Err(AmountError::TooPrecise {
                text: text.to_owned(),
                scale: WALLET_SCALE,
                unit: Self(1).to_string(),
            });
        }
        let units = Decimal::from(10_u64.pow(WALLET_SCALE)).checked_mul(value);
        units
            .and_then(|units| units.to_i64())
            .and_then(Self::from_atomic)
            .ok_or_else(|| AmountError::TooLarge(text.to_owned()))
    }

    /// Parses atomic units as they stand on the wire: plain decimal digits, no sign, no leading zero.
    /// Values past the ledger's 63 bits are `None`, as x402 allows 256.
    #[must_use]
    pub fn parse_atomic(text: &str) -> Option<Self> {
        let canonical =
            text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
        if !canonical || text.is_empty() {
            return None;
        }
        i64::from_str(text).ok().and_then(Self::from_atomic)
    }
}

impl fmt::Display for Amount {
    /// In dollars with at least two decimal places: `$0.0025`, `$12.00`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_i64.pow(WALLET_SCALE);
        let (dollars, mut decimals, mut places) = (self.0 / one, self.0 % one, WALLET_SCALE as usize);
        while places > 2 && decimals % 10 == 0 {
            decimals /= 10;
            places -= 1;
        }
        write!(out, "${dollars}.{decimals:0places$}")
    }
}

// === impl BasisPoints ===

impl BasisPoints {
    /// `None` above 10,000.
    #[must_use]
    pub const fn new(points: u16) -> Option<Self> {
        if points > 10_000 { None } else { Some(Self(points)) }
    }

    /// The number itself, 0 to 10,000.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The fee on a gross amount, rounded down, so that the provider never gets less than its share.
    #[must_use]
    pub fn fee_on(self, gross: Amount) -> Amount {
        let fee = i128::from(gross.0) * i128::from(self.0) / 10_000;
        // At most `gross`, which fits.
        Amount(i64::try_from(fee).unwrap_or(gross.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Result<i64, AmountError> {
        Amount::parse_dollars(text).map(Amount::atomic)
    }

    #[test]
    fn dollars_become_exact_units() {
        assert_eq!(units("$0.0025"), Ok(2500));
        assert_eq!(units("2.01"), Ok(2_010_000));
        assert_eq!(units("$0.000001"), Ok(1));
        assert_eq!(units("$0.0010000"), Ok(1000));
        assert_eq!(units("0"), Ok(0));
    }

    #[test]
    fn what_is_no_price_is_refused_not_rounded() {
        assert!(matches!(units("$0.0000001"), Err(AmountError::TooPrecise { .. })));
        assert!(matches!(units("-1"), Err(AmountError::Negative(_))));
        for text in ["", "$", "1e-3", "0x1", "1,5", "$ 1", "1.2.3", "."] {
            assert!(units(text).is_err(), "{text}");
        }
        assert!(matches!(units("9223372036854.775808"), Err(AmountError::TooLarge(_))));
        assert_eq!(units("9223372036854.775807"), Ok(i64::MAX));
    }

    #[test]
    fn wire_amounts_are_canonical_decimals() {
        assert_eq!(Amount::parse_atomic("2500").map(Amount::atomic), Some(2500));
        assert_eq!(Amount::parse_atomic("0"), Some(Amount::ZERO));
        for text in ["", "02500", "+1", "-1", "1.0", "1e3", "0x10", "9223372036854775808"] {
            assert_eq!(Amount::parse_atomic(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_print_as_dollars() {
        assert_eq!(Amount(2500).to_string(), "$0.0025");
        assert_eq!(Amount(12_000_000).to_string(), "$12.00");
        assert_eq!(Amount(100_000).to_string(), "$0.10");
        assert_eq!(Amount(10_203_040).to_string(), "$10.20304");
        assert_eq!((Amount(1).to_string(), Amount::ZERO.to_string()), ("$0.000001".into(), "$0.00".into()));
        assert_eq!(Amount(i64::MAX).to_string(), "$9223372036854.775807");
    }

    #[test]
    fn a_share_rounds_down_and_the_whole_is_the_whole() {
        let share = |amount, part, whole| Amount(amount).pro_rata(Amount(part), Amount(whole)).atomic();
        assert_eq!((share(10, 1, 3), share(10, 2, 3), share(10, 3, 3)), (3, 6, 10));
        assert_eq!((share(7, 0, 100), share(0, 0, 0)), (0, 0));
        assert_eq!(share(i64::MAX, i64::MAX - 1, i64::MAX), i64::MAX - 1);
    }

    #[test]
    fn fees_round_down() {
        let fee = BasisPoints(250);
        assert_eq!(fee.fee_on(Amount(39)), Amount(0));
        assert_eq!(fee.fee_on(Amount(40)), Amount(1));
        assert_eq!(BasisPoints(10_000).fee_on(Amount(i64::MAX)), Amount(i64::MAX));
    }
}
