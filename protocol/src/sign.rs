//! Signing, for `faregate pay`, tests and benches: an offer becomes a payment header, a text an EIP-191 signature.

use std::sync::Arc;

use alloy_primitives::{U256, eip191_hash_message};
use domain::{Address, Asset, B256, UnixMillis};
use serde_json::{Value, json};
use thiserror::Error;

use crate::X402_VERSION;
use crate::authorization::Authorization;
use crate::challenge::PaymentRequired;
use crate::eip712::Domain;
use crate::header;
use crate::offer::{Offer, SCHEME_EXACT};
use crate::signature::{Signature, SignatureError, SigningKey};
use crate::wire;

/// Why an offer cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// There is no such offer.
    #[error("the challenge has no offer {0}")]
    NoOffer(usize),
    /// Not `exact` by EIP-3009 on an EVM network.
    #[error("only offers of scheme `exact` by EIP-3009 on an `eip155` network can be signed: {0}")]
    Unsupported(String),
    /// A field is missing or malformed.
    #[error("the offer's `{0}` is missing or malformed")]
    Field(&'static str),
}

/// Signs one offer of a challenge; returns the `PAYMENT-SIGNATURE` header. `nonce` must be random.
///
/// # Errors
/// See [`SignError`].
pub fn sign_offer(
    key: &SigningKey,
    challenge: &PaymentRequired,
    index: usize,
    nonce: B256,
    at: UnixMillis,
) -> Result<String, SignError> {
    let offer = challenge.accepts.get(index).ok_or(SignError::NoOffer(index))?;
    let authorization = authorize(key, offer, nonce, at)?;
    let signature = key.sign(domain(offer)?.digest(&authorization));
    let mut payment = json!({
        "x402Version": X402_VERSION,
        "payload": payload_json(&authorization, &signature),
        "accepted": offer,
    });
    if let Some(resource) = &challenge.resource {
        payment["resource"] = json!(resource);
    }
    Ok(header::encode(payment.to_string().as_bytes()))
}

/// What the key would sign for an offer.
///
/// # Errors
/// See [`SignError`].
pub fn authorize(
    key: &SigningKey,
    offer: &Offer,
    nonce: B256,
    at: UnixMillis,
) -> Result<Authorization, SignError> {
    let method = offer.extra.get("assetTransferMethod").and_then(Value::as_str).unwrap_or("eip3009");
    if offer.scheme != SCHEME_EXACT || method != "eip3009" {
        return Err(SignError::Unsupported(format!("{} / {method}", offer.scheme)));
    }
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    Ok(Authorization {
        from: key.address(),
        to: wire::address(&offer.pay_to).ok_or(SignError::Field("payTo"))?,
        value: wire::number(&offer.amount).ok_or(SignError::Field("amount"))?,
        valid_after: U256::ZERO,
        valid_before: U256::from(seconds.saturating_add(offer.max_timeout_seconds)),
        nonce,
    })
}

/// The EIP-712 domain an offer names.
///
/// # Errors
/// See [`SignError`].
pub fn domain(offer: &Offer) -> Result<Domain, SignError> {
    let chain_id = offer.network.strip_prefix("eip155:").and_then(|id| id.parse().ok());
    let text = |name: &'static str| {
        offer.extra.get(name).and_then(Value::as_str).map(Arc::from).ok_or(SignError::Field(name))
    };
    Ok(Domain::new(&Asset {
        network: offer.network.as_str().into(),
        chain_id: chain_id.ok_or_else(|| SignError::Unsupported(offer.network.clone()))?,
        address: wire::address(&offer.asset).ok_or(SignError::Field("asset"))?,
        name: text("name")?,
        version: text("version")?,
    }))
}

/// An authorization and its signature as they stand in a payment.
fn payload_json(authorization: &Authorization, signature: &[u8; 65]) -> Value {
    json!({
        "signature": alloy_primitives::hex::encode_prefixed(signature),
        "authorization": {
            "from": authorization.from.to_checksum(None),
            "to": authorization.to.to_checksum(None),
            "value": authorization.value.to_string(),
            "validAfter": authorization.valid_after.to_string(),
            "validBefore": authorization.valid_before.to_string(),
            "nonce": authorization.nonce.to_string(),
        },
    })
}

/// Signs a text as wallets do (EIP-191, `personal_sign`).
#[must_use]
pub fn sign_message(key: &SigningKey, text: &str) -> String {
    alloy_primitives::hex::encode_prefixed(key.sign(eip191_hash_message(text.as_bytes())))
}

/// The address that signed a text (EIP-191).
///
/// # Errors
/// See [`SignatureError`].
pub fn recover_message(text: &str, signature: &str) -> Result<Address, SignatureError> {
    Signature::parse(signature)?.recover(eip191_hash_message(text.as_bytes()))
}

#[cfg(test)]
mod tests;
