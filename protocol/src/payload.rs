//! [`PaymentPayload`]: what a payment header says, parsed and not yet believed.
//!
//! Absent and `null` are the same everywhere, unknown fields are ignored, numbers are decimal strings of up to 256
//! bits, addresses come in any case. What does not fit is malformed: answered with 400, never with a panic.

use std::str::FromStr;

use alloy_primitives::U256;
use domain::{Address, B256};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::X402_VERSION;
use crate::authorization::Authorization;
use crate::challenge::PAYMENT_IDENTIFIER;
use crate::header::{self, HeaderError};
use crate::offer::Offer;
use crate::signature::{Signature, SignatureError};

/// Shortest and longest payment identifier, in characters.
const IDENTIFIER_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// A payment as its client wrote it.
#[derive(Debug)]
pub struct PaymentPayload {
    pub(crate) accepted: Offer,
    pub(crate) authorization: Authorization,
    pub(crate) signature: Signature,
    identifier: Option<String>,
}

/// Why a header is no payment.
#[derive(Debug, Error)]
pub enum Malformed {
    /// Not base64, or too long.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// Not the JSON of a payment.
    #[error("the payment header is not the JSON of an x402 payment: {0}")]
    Json(String),
    /// Another version of x402.
    #[error("x402 version {0} is not taken here; pay with version 2")]
    Version(u64),
    /// A field that must be there is not, or is something else.
    #[error("the payment's `{0}` is missing or malformed")]
    Field(&'static str),
    /// The signature is of another shape.
    #[error("the payment's signature cannot be used: {0}")]
    Signature(#[from] SignatureError),
    /// The payment identifier is of another shape.
    #[error("the payment identifier must be 16 to 128 letters, digits, `-` or `_`")]
    Identifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    x402_version: Option<u64>,
    accepted: Option<Value>,
    payload: Option<WirePayload>,
    extensions: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct WirePayload {
    signature: Option<String>,
    authorization: Option<WireAuthorization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthorization {
    from: Option<String>,
    to: Option<String>,
    value: Option<String>,
    valid_after: Option<String>,
    valid_before: Option<String>,
    nonce: Option<String>,
}

// === impl PaymentPayload ===

impl PaymentPayload {
    /// Reads a payment header.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(header: &[u8]) -> Result<Self, Malformed> {
        let wire: Wire = serde_json::from_slice(&header::decode(header)?)
            .map_err(|error| Malformed::Json(error.to_string()))?;
        match wire.x402_version {
            Some(X402_VERSION) => {}
            Some(other) => return Err(Malformed::Version(other)),
            None => return Err(Malformed::Field("x402Version")),
        }
        let accepted = wire.accepted.ok_or(Malformed::Field("accepted"))?;
        let accepted = serde_json::from_value(accepted).map_err(|_| Malformed::Field("accepted"))?;
        let payload = wire.payload.ok_or(Malformed::Field("payload"))?;
        let signature = payload.signature.ok_or(Malformed::Field("signature"))?;
        let authorization = payload.authorization.ok_or(Malformed::Field("authorization"))?.parse()?;
        let identifier = wire.extensions.as_ref().map(identifier).transpose()?.flatten();
        Ok(Self { accepted, authorization, signature: Signature::parse(&signature)?, identifier })
    }

    /// The client's name for this request, where it set one.
    #[must_use]
    pub fn payment_identifier(&self) -> Option<&str> {
        self.identifier.as_deref()
    }
}

// === impl WireAuthorization ===

impl WireAuthorization {
    fn parse(&self) -> Result<Authorization, Malformed> {
        Ok(Authorization {
            from: address(self.from.as_deref(), "authorization.from")?,
            to: address(self.to.as_deref(), "authorization.to")?,
            value: number(self.value.as_deref(), "authorization.value")?,
            valid_after: number(self.valid_after.as_deref(), "authorization.validAfter")?,
            valid_before: number(self.valid_before.as_deref(), "authorization.validBefore")?,
            nonce: nonce(self.nonce.as_deref())?,
        })
    }
}

/// `0x` and 40 hexadecimal digits in any case: clients differ in it (notes: captures of the Rust client).
pub(crate) fn address(text: Option<&str>, field: &'static str) -> Result<Address, Malformed> {
    let text =
        text.filter(|text| text.len() == 42 && text.starts_with("0x")).ok_or(Malformed::Field(field))?;
    Address::from_str(text).map_err(|_| Malformed::Field(field))
}

/// Decimal digits without sign or leading zero, at most 256 bits.
fn number(text: Option<&str>, field: &'static str) -> Result<U256, Malformed> {
    let canonical = |text: &str| {
        !text.is_empty()
            && text.len() <= 78
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    let text = text.filter(|text| canonical(text)).ok_or(Malformed::Field(field))?;
    U256::from_str_radix(text, 10).map_err(|_| Malformed::Field(field))
}

fn nonce(text: Option<&str>) -> Result<B256, Malformed> {
    const FIELD: &str = "authorization.nonce";
    let text =
        text.filter(|text| text.len() == 66 && text.starts_with("0x")).ok_or(Malformed::Field(FIELD))?;
    B256::from_str(text).map_err(|_| Malformed::Field(FIELD))
}

fn identifier(extensions: &Map<String, Value>) -> Result<Option<String>, Malformed> {
    let info = extensions.get(PAYMENT_IDENTIFIER).and_then(|extension| extension.get("info"));
    match info.and_then(|info| info.get("id")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if is_identifier(id) => Ok(Some(id.clone())),
        Some(_) => Err(Malformed::Identifier),
    }
}

fn is_identifier(id: &str) -> bool {
    IDENTIFIER_LENGTH.contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
