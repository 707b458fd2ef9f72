//! [`PaymentRequired`]: what a 402 asks for, and the extension by which clients name a request.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::header::{self, HeaderError};
use crate::offer::Offer;

/// The extension's key (x402 extension `payment-identifier`).
pub const PAYMENT_IDENTIFIER: &str = "payment-identifier";

/// The content of the `PAYMENT-REQUIRED` header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// 2.
    pub x402_version: u64,
    /// Why there is a 402: a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// The ways to pay, the preferred one first.
    pub accepts: Vec<Offer>,
    /// Declared extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Map<String, Value>>,
}

/// What a payment is for. Unsigned: never trusted, never required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The URL that was called.
    pub url: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The media type of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

// === impl PaymentRequired ===

impl PaymentRequired {
    /// The header's value.
    #[must_use]
    pub fn to_header(&self) -> String {
        header::encode(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// Reads the header's value.
    ///
    /// # Errors
    /// When it is not base64. What is not a challenge is `None`.
    pub fn parse(value: &[u8]) -> Result<Option<Self>, HeaderError> {
        Ok(serde_json::from_slice(&header::decode(value)?).ok())
    }
}

/// The declaration of `payment-identifier`: a client may name its request, so that a retry is the same one.
#[must_use]
pub fn payment_identifier_extension() -> Value {
    json!({
        "info": { "required": false },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "required": { "type": "boolean" },
                "id": { "type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[a-zA-Z0-9_-]+$" },
            },
            "required": ["required"],
        },
    })
}

#[cfg(test)]
mod tests;
