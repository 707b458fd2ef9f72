//! What a call costs where that is known only from its answer: [`Metered`], a maximum and how use is counted.
//!
//! Exact: a price per unit is an integer of 10^-12 dollars, a count one of 10^-6 units, and the sum is rounded up once to the atomic
//! unit. Nothing here reads an answer; the gateway does. Next: [`crate::price`].

mod count;
mod pointer;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::amount::{Amount, AmountError};
pub use count::{Count, UnitPrice};
pub use pointer::Pointer;

/// Kinds of units that one price may count.
pub const UNITS_MAX: usize = 8;

/// Longest name of a response field.
const FIELD_BYTES_MAX: usize = 64;

/// A price that is known once the call was answered: what was used, at most `maximum`.
///
/// An upstream may always name the amount itself (`Settlement-Overrides`); where it does not, the units say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    maximum: Amount,
    unread: Amount,
    units: Arc<[Unit]>,
}

/// One kind of what is counted, and its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where its count stands.
    pub from: Reading,
    /// What one costs.
    pub price: UnitPrice,
}

/// Where a count is read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// A field of the response, by its name in lower case: `header:x-tokens`.
    Header(Arc<str>),
    /// A number in a JSON body; of several, in a stream of events or lines, the last: `json:/usage/total_tokens`.
    Last(Pointer),
    /// The same, all of them together: `sum:/usage/tokens`.
    Sum(Pointer),
    /// The events of a stream that carry data, or its lines: `events`.
    Events,
    /// The bytes of the response's body: `bytes`.
    Bytes,
}

/// Why something is no metered price.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MeteredError {
    /// The maximum is nothing: the route is free.
    #[error("is nothing: write what a call may cost at most")]
    Free,
    /// What is charged where use cannot be read is above the maximum.
    #[error("is above up_to: a call never costs more")]
    Unread,
    /// Too many units.
    #[error("lists more than {UNITS_MAX} units")]
    Units,
    /// The same count twice.
    #[error("counts {0} twice")]
    Twice(Reading),
    /// No way to read a count.
    #[error(
        "`{0}` is no way to count: write \"json:/usage/total_tokens\", \"sum:/tokens\", \"header:x-tokens\", \"events\" or \"bytes\""
    )]
    Reading(String),
    /// No price of a unit.
    #[error(transparent)]
    Price(#[from] AmountError),
}

// === impl Metered ===

impl Metered {
    /// Checks a maximum, what a call costs whose use cannot be read, and what is counted.
    ///
    /// # Errors
    /// See [`MeteredError`].
    pub fn new(maximum: Amount, unread: Amount, units: Vec<Unit>) -> Result<Self, MeteredError> {
        if maximum.is_zero() {
            return Err(MeteredError::Free);
        }
        if unread > maximum {
            return Err(MeteredError::Unread);
        }
        if units.len() > UNITS_MAX {
            return Err(MeteredError::Units);
        }
        for (at, unit) in units.iter().enumerate() {
            if units[..at].iter().any(|other| other.from == unit.from) {
                return Err(MeteredError::Twice(unit.from.clone()));
            }
        }
        Ok(Self { maximum, unread, units: units.into() })
    }

    /// The most that a call costs: what is quoted and held.
    #[must_use]
    pub const fn maximum(&self) -> Amount {
        self.maximum
    }

    /// What a call costs that was answered, and of whose use nothing can be read.
    #[must_use]
    pub const fn unread(&self) -> Amount {
        self.unread
    }

    /// What is counted; nothing where the upstream names the amount.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// What these counts cost, one for each unit, in order. None where there is no count at all; one that is missing beside others
    /// counts nothing.
    #[must_use]
    pub fn amount(&self, counts: &[Option<Count>]) -> Option<Amount> {
        let read = self.units.iter().zip(counts).filter_map(|(unit, count)| Some((unit.price, (*count)?)));
        let mut is_read = false;
        let total = read.fold(Some(0_u128), |total, (price, count)| {
            is_read = true;
            total?.checked_add(price.times(count)?)
        });
        // What does not fit is more than any maximum.
        let amount = total.and_then(count::to_atomic).unwrap_or(self.maximum);
        is_read.then(|| amount.min(self.maximum))
    }
}

// === impl Reading ===

impl Reading {
    /// Whether it stands in the body.
    #[must_use]
    pub const fn is_in_body(&self) -> bool {
        !matches!(self, Self::Header(_))
    }

    /// Whether the body has to be understood for it.
    #[must_use]
    pub const fn is_in_text(&self) -> bool {
        matches!(self, Self::Last(_) | Self::Sum(_) | Self::Events)
    }
}

impl FromStr for Reading {
    type Err = MeteredError;

    fn from_str(text: &str) -> Result<Self, MeteredError> {
        let malformed = || MeteredError::Reading(text.to_owned());
        let pointer = |text: &str| Pointer::parse(text).ok_or_else(malformed);
        match text.split_once(':') {
            None if text == "events" => Ok(Self::Events),
            None if text == "bytes" => Ok(Self::Bytes),
            Some(("json", rest)) => pointer(rest).map(Self::Last),
            Some(("sum", rest)) => pointer(rest).map(Self::Sum),
            Some(("header", name)) if is_field(name) => Ok(Self::Header(name.to_ascii_lowercase().into())),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(out, "header:{name}"),
            Self::Last(pointer) => write!(out, "json:{pointer}"),
            Self::Sum(pointer) => write!(out, "sum:{pointer}"),
            Self::Events => out.write_str("events"),
            Self::Bytes => out.write_str("bytes"),
        }
    }
}

/// A token of RFC 9110, 5.6.2.
fn is_field(name: &str) -> bool {
    let is_sign = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte));
    !name.is_empty() && name.len() <= FIELD_BYTES_MAX && plain
}

#[cfg(test)]
mod tests;
