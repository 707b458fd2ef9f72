//! [`SettlementResponse`]: the `PAYMENT-RESPONSE` header (`X-PAYMENT-RESPONSE` in v1), what clients read as the settlement of their payment.

use domain::{Amount, PaymentId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::header::{self, HeaderError};
use crate::network;

/// x402 v2's `SettleResponse`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettlementResponse {
    /// Whether value moved.
    pub success: bool,
    /// A code where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// The same as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Who paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// The transaction on a public network; on the wallet rail, `0x` and the digest of the payment; empty on failure.
    pub transaction: String,
    /// CAIP-2; always there.
    pub network: String,
    /// Atomic units, in decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// `paymentId`: the payment in Faregate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
}

// === impl SettlementResponse ===

impl SettlementResponse {
    /// A payment that was captured.
    #[must_use]
    pub fn settled(network: &str, payer: &str, digest: [u8; 32], amount: Amount, payment: PaymentId) -> Self {
        let extra = Map::from_iter([("paymentId".to_owned(), Value::from(payment.to_string()))]);
        Self {
            success: true,
            error_reason: None,
            error_message: None,
            payer: Some(payer.to_owned()),
            transaction: alloy_primitives::hex::encode_prefixed(digest),
            network: network.to_owned(),
            amount: Some(amount.atomic().to_string()),
            extra: Some(extra),
        }
    }

    /// The same as v1 says it: the network by its name, and nothing that v1 has no key for.
    #[must_use]
    pub fn in_v1(self) -> Self {
        let network = network::v1_name(&self.network).map_or(self.network, str::to_owned);
        Self { network, amount: None, extra: None, error_message: None, ..self }
    }

    /// The header's value.
    #[must_use]
    pub fn to_header(&self) -> String {
        header::encode(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// Reads the header's value.
    ///
    /// # Errors
    /// When it is not base64. What is no receipt is `None`.
    pub fn parse(value: &[u8]) -> Result<Option<Self>, HeaderError> {
        Ok(serde_json::from_slice(&header::decode(value)?).ok())
    }
}

#[cfg(test)]
mod tests;
