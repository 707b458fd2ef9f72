//! The JSON of a payment as it comes in, borrowed from the decoded header, and the texts that stand for numbers in it.
//!
//! `Option` everywhere: absent and `null` are the same. Nothing is judged here. Next: [`crate::payload`].

use std::borrow::Cow;
use std::str::FromStr;

use alloy_primitives::U256;
use domain::{Address, B256};
use serde::Deserialize;
use serde_json::Value;

/// Decimal digits of 2^256 - 1.
const NUMBER_DIGITS_MAX: usize = 78;

/// x402's `PaymentPayload`: with `accepted` in v2, with `scheme` and `network` in v1. `resource` is not read: it is unsigned.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(crate) struct Wire<'a> {
    pub(crate) x402_version: Option<u64>,
    #[serde(borrow)]
    pub(crate) accepted: Option<Accepted<'a>>,
    #[serde(borrow)]
    pub(crate) scheme: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) network: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) payload: Option<Payload<'a>>,
    pub(crate) extensions: Option<Extensions>,
}

/// A payment that was verified before. What stood beside its payload is not read again: nothing there can keep it from being settled.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Kept<'a> {
    #[serde(borrow)]
    pub(crate) payload: Option<Payload<'a>>,
}

/// `accepted`: an [`Offer`](crate::offer::Offer) as the client repeats it. Of its `extra` no more is read than is compared.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(crate) struct Accepted<'a> {
    #[serde(borrow)]
    pub(crate) scheme: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) network: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) amount: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) asset: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) pay_to: Cow<'a, str>,
    pub(crate) max_timeout_seconds: u64,
    pub(crate) extra: Option<Extra>,
}

/// `extra` of an offer on EVM networks. What is there and no text fits no offer, which is not for here to say.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(crate) struct Extra {
    pub(crate) name: Option<Value>,
    pub(crate) version: Option<Value>,
    pub(crate) asset_transfer_method: Option<Value>,
    pub(crate) quote: Option<Value>,
}

/// `payload` on EVM networks: with one of the two.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) signature: Option<Text<'a>>,
    /// By EIP-3009.
    #[serde(borrow)]
    pub(crate) authorization: Option<Fields<'a>>,
    /// By Permit2.
    #[serde(borrow)]
    pub(crate) permit2_authorization: Option<PermitFields<'a>>,
}

/// `payload.authorization`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(crate) struct Fields<'a> {
    #[serde(borrow)]
    pub(crate) from: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) to: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) valid_after: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) valid_before: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) nonce: Option<Text<'a>>,
}

/// `payload.permit2Authorization`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct PermitFields<'a> {
    #[serde(borrow)]
    pub(crate) from: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) permitted: Option<Permitted<'a>>,
    #[serde(borrow)]
    pub(crate) spender: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) nonce: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) deadline: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) witness: Option<WitnessFields<'a>>,
}

/// `permitted` of a permit.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Permitted<'a> {
    #[serde(borrow)]
    pub(crate) token: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) amount: Option<Text<'a>>,
}

/// `witness` of a permit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(crate) struct WitnessFields<'a> {
    #[serde(borrow)]
    pub(crate) to: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) facilitator: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) valid_after: Option<Text<'a>>,
}

/// A string that is only copied where JSON escapes stand in it. serde borrows a bare `Cow`, but none in an `Option`.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The one extension that is read.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Extensions {
    #[serde(rename = "payment-identifier")]
    pub(crate) payment_identifier: Option<Identifier>,
}

/// What is echoed of `payment-identifier`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Identifier {
    pub(crate) info: Option<Info>,
}

/// `info` of `payment-identifier`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Info {
    pub(crate) id: Option<Value>,
}

/// `0x` and 40 hexadecimal digits in any case: clients differ in it (notes/clients.md, wire captures).
pub(crate) fn address(text: &str) -> Option<Address> {
    hexadecimal(text, 40).and_then(|digits| Address::from_str(digits).ok())
}

/// `0x` and 64 hexadecimal digits in any case.
pub(crate) fn word(text: &str) -> Option<B256> {
    hexadecimal(text, 64).and_then(|digits| B256::from_str(digits).ok())
}

/// Decimal digits without sign or leading zero, at most 256 bits.
pub(crate) fn number(text: &str) -> Option<U256> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.len() <= NUMBER_DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || !canonical || !digits {
        return None;
    }
    U256::from_str_radix(text, 10).ok()
}

/// A number in decimal, or `0x` and up to 64 hexadecimal digits: clients write the nonce of a permit in either way.
pub(crate) fn nonce(text: &str) -> Option<U256> {
    let Some(digits) = text.strip_prefix("0x") else { return number(text) };
    let fits = (1..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| U256::from_str_radix(digits, 16).ok()).flatten()
}

/// The digits after `0x`, where there are exactly so many bytes of them.
fn hexadecimal(text: &str, digits: usize) -> Option<&str> {
    text.strip_prefix("0x").filter(|rest| rest.len() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_canonical_decimals_of_256_bits() {
        assert_eq!(number("0"), Some(U256::ZERO));
        assert_eq!(number("1000"), Some(U256::from(1000)));
        assert_eq!(number(&U256::MAX.to_string()), Some(U256::MAX));
        let one_more = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        let longer = "1".repeat(79);
        for text in ["", "00", "01000", "+1", "-1", "1_000", "1e3", "0x1", "1.0", " 1", one_more, &longer] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_and_words_have_one_length_and_any_case() {
        let text = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
        assert_eq!(address(text).map(|address| address.to_checksum(None)).as_deref(), Some(text));
        assert_eq!(address(&text.to_lowercase()), address(text));
        assert_eq!(address(&text.to_uppercase().replacen('X', "x", 1)), address(text));
        let doubled = format!("0x0x{}", "1".repeat(38));
        for text in ["", "0x", &text[2..], &text[..41], &format!("{text}0"), &doubled, "0xé"] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(word(&format!("0x{}", "Ab".repeat(32))), Some(B256::repeat_byte(0xab)));
        assert_eq!(word(&format!("0x{}", "ab".repeat(31))), None);
        assert_eq!(word(&format!("0x{}", "g".repeat(64))), None);
    }

    #[test]
    fn a_nonce_is_the_same_number_in_either_form() {
        assert_eq!(nonce("255"), Some(U256::from(255)));
        for text in ["0xff", "0xFF", "0x00ff"] {
            assert_eq!(nonce(text), Some(U256::from(255)), "{text}");
        }
        assert_eq!(nonce(&format!("0x{}", "f".repeat(64))), Some(U256::MAX));
        for text in ["", "0x", "0x_f", "0xfg", "ff", "-0xf", "0x-f", &format!("0x{}", "0".repeat(65))] {
            assert_eq!(nonce(text), None, "{text}");
        }
    }
}
