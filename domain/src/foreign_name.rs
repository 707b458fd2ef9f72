//! [`ForeignName`]: a name that another system gave: an address or a transaction on a network whose names are no bytes of ours.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest name, in bytes: a transaction of Solana has 88, a coin of Sui about as many.
const FOREIGN_NAME_BYTES_MAX: usize = 96;

/// 1 to [`FOREIGN_NAME_BYTES_MAX`] visible ASCII characters, compared as they are written. Small enough to be copied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForeignName {
    length: u8,
    bytes: [u8; FOREIGN_NAME_BYTES_MAX],
}

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 1 to {FOREIGN_NAME_BYTES_MAX} visible ASCII characters")]
pub struct ForeignNameError;

// === impl ForeignName ===

impl ForeignName {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let written = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }

    /// The same in small letters.
    #[must_use]
    pub const fn to_ascii_lowercase(mut self) -> Self {
        self.bytes.make_ascii_lowercase();
        self
    }
}

impl FromStr for ForeignName {
    type Err = ForeignNameError;

    fn from_str(text: &str) -> Result<Self, ForeignNameError> {
        let is_visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut bytes = [0; FOREIGN_NAME_BYTES_MAX];
        let place = bytes.get_mut(..text.len()).filter(|_| is_visible).ok_or(ForeignNameError)?;
        place.copy_from_slice(text.as_bytes());
        Ok(Self { length: u8::try_from(text.len()).map_err(|_| ForeignNameError)?, bytes })
    }
}

impl fmt::Display for ForeignName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Debug for ForeignName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_nothing_else_is_one() {
        let longest = "x".repeat(FOREIGN_NAME_BYTES_MAX);
        for text in ["a", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", &longest] {
            let name: ForeignName = text.parse().unwrap();
            assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
        }
        for text in ["", "a b", "a\n", "\u{e9}", &format!("{longest}x")] {
            assert_eq!(text.parse::<ForeignName>(), Err(ForeignNameError), "{text}");
        }
        assert_ne!("a".parse::<ForeignName>(), "A".parse::<ForeignName>());
    }
}
