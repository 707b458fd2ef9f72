//! [`Count`] and [`UnitPrice`]: integers small enough for what costs a fraction of an atomic unit, and their product.

use std::fmt;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::amount::{Amount, AmountError};

/// Decimal places of a count.
const COUNT_SCALE: u32 = 6;

/// Decimal places of a unit's price, in dollars.
const PRICE_SCALE: u32 = 12;

/// Products of the two in one atomic unit, a millionth of a dollar.
const PER_ATOMIC: u128 = 10_u128.pow(COUNT_SCALE + PRICE_SCALE - crate::amount::WALLET_SCALE);

/// Numbers are read to so many digits.
const SIGNIFICANT: u128 = 10_u128.pow(30);

/// How many units were used, in millionths of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(u64);

/// What one unit costs, in 10^-12 dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPrice(u64);

/// Products as an amount, rounded up; none where that does not fit the ledger.
pub(super) fn to_atomic(products: u128) -> Option<Amount> {
    i64::try_from(products.div_ceil(PER_ATOMIC)).ok().and_then(Amount::from_atomic)
}

// === impl Count ===

impl Count {
    /// Whole units; as many as can be said where there are more.
    #[must_use]
    pub const fn of(units: u64) -> Self {
        Self(units.saturating_mul(10_u64.pow(COUNT_SCALE)))
    }

    /// Reads a number as JSON writes it, rounded up to a millionth; as many as can be said where there are more. None where it is no
    /// number, or a negative one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return None;
        }
        let exponent: i64 = exponent.parse::<i32>().ok()?.into();
        let mut power =
            exponent.checked_add(COUNT_SCALE.into())?.checked_sub(i64::try_from(part.len()).ok()?)?;
        let mut value = 0_u128;
        for digit in whole.bytes().chain(part.bytes()).map(|byte| u128::from(byte - b'0')) {
            if value < SIGNIFICANT {
                value = value * 10 + digit;
            } else {
                power += 1;
            }
        }
        Some(Self(u64::try_from(scaled(value, power)).unwrap_or(u64::MAX)))
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// `value` times so many tens, rounded up.
fn scaled(value: u128, power: i64) -> u128 {
    let tens = u32::try_from(power.unsigned_abs()).ok().and_then(|power| 10_u128.checked_pow(power));
    match tens {
        _ if value == 0 => 0,
        Some(tens) if power < 0 => value.div_ceil(tens),
        Some(tens) => value.saturating_mul(tens),
        None if power < 0 => 1,
        None => u128::MAX,
    }
}

// === impl UnitPrice ===

impl UnitPrice {
    /// Parses dollars, `"$0.0000001"`; never nothing.
    ///
    /// # Errors
    /// See [`AmountError`]; surplus digits are refused, not rounded.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let malformed = || AmountError::Malformed(text.to_owned());
        let digits = text.strip_prefix('$').unwrap_or(text);
        if digits.starts_with('-') {
            return Err(AmountError::Negative(text.to_owned()));
        }
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !plain || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        let too_large = || AmountError::TooLarge(text.to_owned());
        let value = Decimal::from_str_exact(digits).map_err(|_| too_large())?;
        if value.normalize().scale() > PRICE_SCALE {
            return Err(AmountError::TooPrecise {
                text: text.to_owned(),
                scale: PRICE_SCALE,
                unit: Self(1).to_string(),
            });
        }
        let price = value.checked_mul(Decimal::from(10_u64.pow(PRICE_SCALE)));
        match price.and_then(|price| price.to_u64()).ok_or_else(too_large)? {
            0 => Err(malformed()),
            price => Ok(Self(price)),
        }
    }

    pub(super) fn times(self, count: Count) -> Option<u128> {
        u128::from(self.0).checked_mul(u128::from(count.0))
    }
}

impl fmt::Display for UnitPrice {
    /// In dollars: `$0.0000001`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut dollars = Decimal::from_i128_with_scale(i128::from(self.0), PRICE_SCALE).normalize();
        if dollars.scale() < 2 {
            dollars.rescale(2);
        }
        write!(out, "${dollars}")
    }
}
