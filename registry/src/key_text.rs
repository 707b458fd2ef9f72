//! [`KeyText`]: how every key of Faregate is written: `<prefix><id>_<secret>_<checksum>`.
//!
//! The id finds the key, the secret proves it, the checksum tells a mistyped key from a wrong one before anything is looked
//! up. Next: [`crate::agent_key`] and [`crate::api_key`], which are the two kinds.

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Bytes of a secret.
pub(crate) const SECRET_BYTES: usize = 32;

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 26;

/// Letters, digits, `-` and `_` of a secret.
const SECRET_CHARACTERS: usize = 43;

/// Hexadecimal digits of the checksum.
const CHECKSUM_CHARACTERS: usize = 8;

/// Why a text is no key. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyTextError {
    /// Not of the form of a key.
    #[error("it must look like {0}<id>_<secret>_<checksum>")]
    Malformed(&'static str),
    /// The checksum is another: mistyped or cut off.
    #[error("the key is damaged: its checksum does not match, copy it again")]
    Checksum,
}

/// The parts of a key's text: the id without its own prefix, and the secret.
pub(crate) struct KeyText {
    pub(crate) id: String,
    pub(crate) secret: [u8; SECRET_BYTES],
}

/// The hash of a secret, which is all that is kept of it. Compared in constant time (O5).
#[derive(Clone, Copy)]
pub(crate) struct SecretHash(pub(crate) [u8; 32]);

// === impl KeyText ===

impl KeyText {
    /// Reads a key and checks its checksum. No lookup is worth making for one that fails.
    pub(crate) fn parse(prefix: &'static str, text: &str) -> Result<Self, KeyTextError> {
        let malformed = KeyTextError::Malformed(prefix);
        let rest = text.strip_prefix(prefix).ok_or(malformed)?;
        let (id, rest) = rest.split_at_checked(ID_CHARACTERS).ok_or(malformed)?;
        let rest = rest.strip_prefix('_').ok_or(malformed)?;
        // By length: `_` is also a character of the secret.
        let (secret, rest) = rest.split_at_checked(SECRET_CHARACTERS).ok_or(malformed)?;
        let checksum = rest.strip_prefix('_').ok_or(malformed)?;
        if checksum.len() != CHECKSUM_CHARACTERS {
            return Err(malformed);
        }
        let covered = text.len() - CHECKSUM_CHARACTERS - 1;
        if checksum != self::checksum(text.get(..covered).ok_or(malformed)?) {
            return Err(KeyTextError::Checksum);
        }
        let bytes = BASE64URL_NOPAD.decode(secret.as_bytes()).map_err(|_| malformed)?;
        let secret = bytes.try_into().map_err(|_| malformed)?;
        Ok(Self { id: id.to_owned(), secret })
    }

    /// The whole text.
    pub(crate) fn write(prefix: &'static str, id: &str, secret: &[u8; SECRET_BYTES]) -> String {
        let covered = format!("{prefix}{id}_{}", BASE64URL_NOPAD.encode(secret));
        let checksum = checksum(&covered);
        format!("{covered}_{checksum}")
    }
}

// === impl SecretHash ===

impl SecretHash {
    pub(crate) fn of(secret: &[u8; SECRET_BYTES]) -> Self {
        Self(*blake3::hash(secret).as_bytes())
    }

    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

fn checksum(covered: &str) -> String {
    format!("{:08x}", crc32fast::hash(covered.as_bytes()))
}
