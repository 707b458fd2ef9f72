//! [`Seal`]: what stands as a payment's signature: a key's, or bytes that only the payer's contract can judge (ERC-1271, ERC-6492).

use alloy_primitives::{Bytes, hex};
use domain::{Address, B256};

use crate::signature::{Signature, SignatureError};

/// A signature as its client wrote it.
#[derive(Clone, Debug)]
pub struct Seal {
    bytes: Bytes,
    key: Result<Signature, SignatureError>,
}

// === impl Seal ===

impl Seal {
    /// Reads `0x` and hexadecimal digits, of any length.
    ///
    /// # Errors
    /// [`SignatureError::NotHex`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let digits = text.strip_prefix("0x").ok_or(SignatureError::NotHex)?;
        // What decodes hexadecimal digits would skip a second prefix.
        let is_plain = !matches!(digits.as_bytes(), [b'0', b'x' | b'X', ..]);
        let bytes = hex::decode(digits).ok().filter(|_| is_plain).ok_or(SignatureError::NotHex)?;
        let key = Signature::from_bytes(&bytes);
        Ok(Self { bytes: bytes.into(), key })
    }

    /// All of it, as it came.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The signature of a key, in the one form that is taken of those.
    ///
    /// # Errors
    /// Why it can be none: see [`SignatureError`].
    pub const fn key(&self) -> Result<&Signature, SignatureError> {
        match &self.key {
            Ok(signature) => Ok(signature),
            Err(error) => Err(*error),
        }
    }

    /// The payer's own signature of a digest, where its key made it.
    #[must_use]
    pub fn by(&self, payer: Address, digest: B256) -> Option<&Signature> {
        let signature = self.key.as_ref().ok()?;
        (signature.recover(digest) == Ok(payer)).then_some(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::SigningKey;

    #[test]
    fn any_bytes_are_a_seal_and_only_those_of_one_form_may_be_a_keys() {
        let key = SigningKey::from_hex(&"42".repeat(32)).unwrap();
        let digest = B256::repeat_byte(3);
        let text = hex::encode_prefixed(key.sign(digest));
        let seal = Seal::parse(&text).unwrap();
        assert!(seal.by(key.address(), digest).is_some());
        assert!(seal.by(Address::repeat_byte(1), digest).is_none());
        assert!(seal.by(key.address(), B256::repeat_byte(4)).is_none());
        for other in ["0x", "0x00", &format!("{text}6492"), &text[..text.len() - 2]] {
            let seal = Seal::parse(other).unwrap();
            assert_eq!(hex::encode_prefixed(seal.bytes()), other);
            assert_eq!(seal.key().err(), Some(SignatureError::Length), "{other}");
            assert!(seal.by(key.address(), digest).is_none());
        }
        let (lower, upper) = (format!("0x{text}"), format!("0x0X{}", &text[2..]));
        for none in ["", &text[2..], "0x0", "0xzz", "0x0X", &lower, &upper] {
            assert_eq!(Seal::parse(none).err(), Some(SignatureError::NotHex), "{none}");
        }
    }
}
