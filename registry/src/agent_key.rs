//! [`AgentKey`]: `fg_<id>_<secret>_<checksum>`, what an agent pays with in one round trip (DESIGN section 5).
//!
//! The id finds the key, the secret proves it, the checksum tells a mistyped key from a wrong one before
//! anything is looked up. Kept at rest is only the [`KeyHash`]. Nothing here prints a secret but
//! [`AgentKey::reveal`].

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use domain::{KeyId, UnixMillis};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::key_text::{KeyText, KeyTextError, SECRET_BYTES};

/// What every key begins with; secret scanners look for it.
pub const PREFIX: &str = "fg_";

/// A key as its holder has it. Neither printed nor compared but in constant time.
#[derive(Clone)]
pub struct AgentKey {
    id: KeyId,
    secret: [u8; SECRET_BYTES],
}

/// A key as it is kept: its public part, and the BLAKE3 hash of its secret. `key_<id>:<64 hex digits>` in a
/// file.
#[derive(Clone, Copy)]
pub struct KeyHash {
    id: KeyId,
    hash: [u8; 32],
}

/// Why a text is no key. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AgentKeyError {
    /// Not of the form of a key.
    #[error("this is not an agent key: it must look like fg_<id>_<secret>_<checksum>")]
    Malformed,
    /// The checksum is another: mistyped or cut off.
    #[error("the agent key is damaged: its checksum does not match, copy it again")]
    Checksum,
}

/// Why a text is no hash of a key. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is not the hash of an agent key: it must look like key_<id>:<64 hex digits>")]
pub struct KeyHashError;

// === impl AgentKey ===

impl AgentKey {
    /// A new key. The caller owns time and randomness: ten bytes for the id, the others for the secret.
    #[must_use]
    pub fn generate(at: UnixMillis, random: [u8; 42]) -> Self {
        let mut for_id = [0; 10];
        for_id.copy_from_slice(&random[..10]);
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(&random[10..]);
        Self { id: KeyId::generate(at, for_id), secret }
    }

    /// Reads a key and checks its checksum. No lookup is worth making for one that fails.
    ///
    /// # Errors
    /// See [`AgentKeyError`].
    pub fn parse(text: &str) -> Result<Self, AgentKeyError> {
        let KeyText { id, secret } = KeyText::parse(PREFIX, text).map_err(|error| match error {
            KeyTextError::Malformed(_) => AgentKeyError::Malformed,
            KeyTextError::Checksum => AgentKeyError::Checksum,
        })?;
        let id = KeyId::from_str(&format!("key_{id}")).map_err(|_| AgentKeyError::Malformed)?;
        Ok(Self { id, secret })
    }

    /// The public part, safe to log.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash { id: self.id, hash: *blake3::hash(&self.secret).as_bytes() }
    }

    /// The whole key, for the one place that shows it to its holder.
    #[must_use]
    pub fn reveal(&self) -> String {
        let id = self.id.to_string();
        KeyText::write(PREFIX, id.strip_prefix("key_").unwrap_or(&id), &self.secret)
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AgentKey({}, [secret])", self.id)
    }
}

// === impl KeyHash ===

impl KeyHash {
    /// From what a database keeps.
    #[must_use]
    pub const fn new(id: KeyId, hash: [u8; 32]) -> Self {
        Self { id, hash }
    }

    /// The public part.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The 32 bytes a database keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Whether this is the hash of `key`. Takes the same time whether the first byte differs or the last
    /// (O5).
    #[must_use]
    pub fn matches(&self, key: &AgentKey) -> bool {
        let shown = key.hash();
        bool::from(self.hash.ct_eq(&shown.hash) & self.id.as_bytes().ct_eq(shown.id.as_bytes()))
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && bool::from(self.hash.ct_eq(&other.hash))
    }
}

impl Eq for KeyHash {}

impl fmt::Display for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.id, HEXLOWER.encode(&self.hash))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyHash({})", self.id)
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        let (id, hash) = text.split_once(':').ok_or(KeyHashError)?;
        let id = id.parse().map_err(|_| KeyHashError)?;
        let bytes = HEXLOWER.decode(hash.as_bytes()).map_err(|_| KeyHashError)?;
        Ok(Self { id, hash: bytes.try_into().map_err(|_| KeyHashError)? })
    }
}

#[cfg(test)]
mod tests;
