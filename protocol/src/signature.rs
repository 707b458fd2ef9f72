//! secp256k1 signatures as EVM wallets make them: 65 bytes, r, s, v. Only one form of each is taken, because a second
//! form would be the same payment under another name.

use alloy_primitives::keccak256;
use domain::{Address, B256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SecretKey};
use thiserror::Error;

/// Half of the curve's order: a larger s is the same signature written another way.
const S_MAX: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// A signature of the right shape. Whose it is, [`Signature::recover`] says.
#[derive(Clone, Debug)]
pub struct Signature(RecoverableSignature);

/// A private key, for paying. Never printed.
#[derive(Clone)]
pub struct SigningKey(SecretKey);

/// Why bytes are no signature, or a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not `0x` and hexadecimal digits.
    #[error("it is not hexadecimal with 0x")]
    NotHex,
    /// Not 65 bytes. Compact and contract signatures are not taken.
    #[error("it is not 65 bytes long")]
    Length,
    /// v is none of 27, 28, 0, 1.
    #[error("its last byte is none of 27, 28, 0 and 1")]
    RecoveryId,
    /// s is in the upper half.
    #[error("its s is in the upper half of the curve's order")]
    HighS,
    /// r and s are no point of the curve.
    #[error("it is no signature of the curve")]
    Invalid,
    /// The key is zero, or not below the curve's order.
    #[error("it is no private key of the curve")]
    Key,
}

// === impl Signature ===

impl Signature {
    /// Reads `0x` and 130 hexadecimal digits.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let digits = text.strip_prefix("0x").ok_or(SignatureError::NotHex)?;
        Self::from_bytes(&bytes::<65>(digits, SignatureError::Length)?)
    }

    /// Reads r, s, v.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let &[ref compact @ .., v] = <&[u8; 65]>::try_from(bytes).map_err(|_| SignatureError::Length)?;
        let recovery = match v {
            0 | 27 => RecoveryId::Zero,
            1 | 28 => RecoveryId::One,
            _ => return Err(SignatureError::RecoveryId),
        };
        if compact[32..] > S_MAX[..] {
            return Err(SignatureError::HighS);
        }
        RecoverableSignature::from_compact(compact, recovery).map(Self).map_err(|_| SignatureError::Invalid)
    }

    /// The address whose key signed the digest.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] where no key can have.
    pub fn recover(&self, digest: B256) -> Result<Address, SignatureError> {
        let key = self.0.recover(Message::from_digest(digest.0)).map_err(|_| SignatureError::Invalid)?;
        Ok(address(&key))
    }

    /// r, s, v as tokens take them: v is 27 or 28.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 65] {
        bytes_of(&self.0)
    }
}

// === impl SigningKey ===

impl SigningKey {
    /// Reads 32 bytes in hexadecimal, with or without `0x`.
    ///
    /// # Errors
    /// See [`SignatureError`]; the text is never repeated.
    pub fn from_hex(text: &str) -> Result<Self, SignatureError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes = bytes(digits, SignatureError::Key)?;
        SecretKey::from_secret_bytes(bytes).map(Self).map_err(|_| SignatureError::Key)
    }

    /// The address of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&PublicKey::from_secret_key(&self.0))
    }

    /// Signs a digest: r, s, v, with v 27 or 28.
    #[must_use]
    pub fn sign(&self, digest: B256) -> [u8; 65] {
        bytes_of(&RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.0))
    }
}

fn bytes_of(signature: &RecoverableSignature) -> [u8; 65] {
    let (recovery, compact) = signature.serialize_compact();
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&compact);
    bytes[64] = if recovery == RecoveryId::One { 28 } else { 27 };
    bytes
}

/// Exactly so many bytes, from digits without `0x`.
fn bytes<const N: usize>(digits: &str, length: SignatureError) -> Result<[u8; N], SignatureError> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return Err(length);
    }
    alloy_primitives::hex::decode_to_slice(digits, &mut bytes).map_err(|_| SignatureError::NotHex)?;
    Ok(bytes)
}

fn address(key: &PublicKey) -> Address {
    let uncompressed = key.serialize_uncompressed();
    Address::from_slice(&keccak256(&uncompressed[1..])[12..])
}

#[cfg(test)]
mod tests;
