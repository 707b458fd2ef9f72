//! [`Fields`]: reads the texts of a body as values, and remembers every one that is none.

use std::borrow::Cow;

use domain::{Address, Amount, UnixMillis};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// One field that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901).
    #[schema(value_type = String)]
    pointer: Cow<'static, str>,
    /// What to write instead.
    detail: String,
}

/// The mistakes so far.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    errors: Vec<FieldError>,
    /// Where what is being read stands in the body, as a pointer.
    place: &'static str,
}

// === impl FieldError ===

impl FieldError {
    pub(crate) fn new(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

// === impl Fields ===

impl Fields {
    /// Dollars as text, such as `"$0.10"`. Never a number: floats and money do not go together.
    pub(crate) fn dollars(&mut self, pointer: &'static str, text: Option<&str>) -> Option<Amount> {
        self.keep(pointer, text.map(Amount::parse_dollars))
    }

    /// Dollars, not none.
    pub(crate) fn some_dollars(&mut self, pointer: &'static str, text: &str) -> Amount {
        let amount = self.dollars(pointer, Some(text));
        if amount.is_some_and(Amount::is_zero) {
            self.refuse(pointer, "must be more than nothing");
        }
        amount.unwrap_or(Amount::ZERO)
    }

    /// A moment that has not passed.
    pub(crate) fn future(
        &mut self,
        pointer: &'static str,
        text: Option<&str>,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        let parse = |text: &str| {
            let moment = UnixMillis::parse(text).ok_or("must be RFC 3339, such as 2027-01-31T00:00:00Z")?;
            if moment > now { Ok(moment) } else { Err("has passed") }
        };
        self.keep(pointer, text.map(parse))
    }

    /// An EVM address, `0x` and 40 digits in any case.
    pub(crate) fn address(&mut self, pointer: &'static str, text: &str) -> Address {
        let shaped = text.len() == 42 && text.starts_with("0x");
        let parsed = if shaped { text.parse().ok() } else { None };
        let parsed = parsed.ok_or("must be an address: 0x and 40 hexadecimal digits");
        self.keep(pointer, Some(parsed)).unwrap_or_default()
    }

    /// A text of 1 to `bytes_max` bytes without control characters.
    pub(crate) fn text(&mut self, pointer: &'static str, text: &str, bytes_max: usize) {
        if text.trim().is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
            self.refuse(pointer, &format!("must be 1 to {bytes_max} bytes without control characters"));
        }
    }

    /// Reads a part of the body: its pointers begin there.
    pub(crate) fn within<T>(&mut self, place: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.place, place);
        let value = read(self);
        self.place = outer;
        value
    }

    /// Adds a mistake.
    pub(crate) fn refuse(&mut self, pointer: &'static str, detail: &str) {
        self.errors.push(FieldError::new(format!("{}{pointer}", self.place), detail));
    }

    /// All mistakes at once, if there are any.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::Fields(self.errors)) }
    }

    fn keep<T, E: ToString>(&mut self, pointer: &'static str, parsed: Option<Result<T, E>>) -> Option<T> {
        match parsed? {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(pointer, &error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_kept() {
        let mut fields = Fields::default();
        assert_eq!(fields.dollars("/a", Some("$0.10")), Amount::from_atomic(100_000));
        assert_eq!(fields.dollars("/b", Some("ten")), None);
        assert_eq!(fields.dollars("/c", None), None);
        fields.some_dollars("/d", "$0");
        fields.address("/e", "0x12");
        fields.text("/f", " ", 8);
        assert_eq!(fields.future("/g", Some("1970-01-01T00:00:01Z"), UnixMillis(1_000)), None);
        assert_eq!(
            fields.future("/h", Some("1970-01-01T00:00:02Z"), UnixMillis(1_000)),
            Some(UnixMillis(2_000))
        );
        let Err(Problem::Fields(errors)) = fields.finish() else { panic!("no mistakes") };
        let pointers: Vec<_> = errors.iter().map(|error| &*error.pointer).collect();
        assert_eq!(pointers, ["/b", "/d", "/e", "/f", "/g"]);
    }
}
