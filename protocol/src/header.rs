//! Header names and their base64: one strict form out, every common form in (notes: x402 v2 section 4.2).

use base64::Engine;
use base64::alphabet::{STANDARD as STANDARD_ALPHABET, URL_SAFE as URL_SAFE_ALPHABET};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use thiserror::Error;

/// The offers of a 402, lower case.
pub const PAYMENT_REQUIRED: &str = "payment-required";

/// The payment of a request, lower case.
pub const PAYMENT_SIGNATURE: &str = "payment-signature";

/// The receipt of a response, lower case.
pub const PAYMENT_RESPONSE: &str = "payment-response";

/// The receipt's name in x402 v1, lower case.
pub const X_PAYMENT_RESPONSE: &str = "x-payment-response";

/// The payment's name in x402 v1; some clients send the same payment under both names.
pub const X_PAYMENT: &str = "x-payment";

/// Longest payment header that is read, in bytes.
pub const PAYMENT_HEADER_BYTES_MAX: usize = 16 * 1024;

/// A header that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Longer than [`PAYMENT_HEADER_BYTES_MAX`].
    #[error("the payment header is longer than {PAYMENT_HEADER_BYTES_MAX} bytes")]
    TooLong,
    /// Neither standard nor URL-safe base64.
    #[error("the payment header is not base64")]
    NotBase64,
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&STANDARD_ALPHABET, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE_ALPHABET, LENIENT);

/// Standard alphabet with padding: the only form that every client reads.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Standard or URL-safe alphabet, with or without padding; no white space.
///
/// # Errors
/// See [`HeaderError`].
pub fn decode(text: &[u8]) -> Result<Vec<u8>, HeaderError> {
    if text.len() > PAYMENT_HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    // What either alphabet takes whole has none of the other's letters.
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| HeaderError::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_base64_is_read() {
        let bytes = [0xfb, 0xff, 0xfe, 0x01];
        assert_eq!(encode(&bytes), "+//+AQ==");
        for text in ["+//+AQ==", "+//+AQ", "-__-AQ==", "-__-AQ"] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(&bytes[..]), "{text}");
        }
    }

    #[test]
    fn s4_what_is_not_base64_is_refused() {
        for text in ["+/ /", "+_==", "a", "====", "e30=\n", "é"] {
            assert_eq!(decode(text.as_bytes()), Err(HeaderError::NotBase64), "{text}");
        }
        assert_eq!(decode(&[b'a'; PAYMENT_HEADER_BYTES_MAX + 1]), Err(HeaderError::TooLong));
    }
}
