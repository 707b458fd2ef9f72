//! Signing, for `faregate pay`, tests and benches: an offer becomes a payment header, a text an EIP-191 signature. And what was signed as it
//! stands in a payment ([`payload`]), for whoever shows it to a facilitator.

mod permit;

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
use crate::offer::Offer;
use crate::signature::{Signature, SignatureError, SigningKey};
use crate::transfer::Transfer;
use crate::wire;

/// Why an offer cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// There is no such offer.
    #[error("the challenge has no offer {0}")]
    NoOffer(usize),
    /// Neither `exact` nor `upto` by EIP-3009 or Permit2 on an EVM network.
    #[error(
        "only offers of scheme `exact` or `upto` by EIP-3009 or Permit2 on an `eip155` network can be signed: {0}"
    )]
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
    let transfer = transfer(key, offer, nonce, at)?;
    let payload = payload(&transfer, &key.sign(digest_of(offer, &transfer)?));
    let mut payment = json!({ "x402Version": X402_VERSION, "payload": payload, "accepted": offer });
    if let Some(resource) = &challenge.resource {
        payment["resource"] = json!(resource);
    }
    Ok(header::encode(payment.to_string().as_bytes()))
}

/// Whether an offer can be signed, whoever signs.
///
/// # Errors
/// See [`SignError`].
pub fn check(offer: &Offer) -> Result<(), SignError> {
    if offer.is_plain() {
        return domain(offer).map(drop);
    }
    permit::spender(offer)?;
    permit::domain(offer).map(drop)
}

/// The digest that [`sign_offer`] signs: on the wallet rail the receipt's `transaction`.
///
/// # Errors
/// See [`SignError`].
pub fn digest(key: &SigningKey, offer: &Offer, nonce: B256, at: UnixMillis) -> Result<B256, SignError> {
    digest_of(offer, &transfer(key, offer, nonce, at)?)
}

fn transfer(key: &SigningKey, offer: &Offer, nonce: B256, at: UnixMillis) -> Result<Transfer, SignError> {
    Ok(if offer.is_plain() {
        Transfer::Authorization(authorize(key, offer, nonce, at)?)
    } else {
        Transfer::Permit(permit::permit(key, offer, nonce, at)?)
    })
}

/// What was signed and its signature, as they stand in a payment: `payload`.
#[must_use]
pub fn payload(transfer: &Transfer, signature: &[u8]) -> Value {
    match transfer {
        Transfer::Authorization(authorization) => payload_json(authorization, signature),
        Transfer::Permit(permit) => permit::payload_json(permit, signature),
    }
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
    if !offer.is_plain() {
        return Err(SignError::Unsupported(offer.scheme.clone()));
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

/// What is signed for an offer.
///
/// # Errors
/// See [`SignError`].
pub fn digest_of(offer: &Offer, transfer: &Transfer) -> Result<B256, SignError> {
    Ok(match transfer {
        Transfer::Authorization(authorization) => domain(offer)?.digest(authorization),
        Transfer::Permit(permit) => permit::domain(offer)?.digest(permit),
    })
}

/// The EIP-712 domain an offer names.
///
/// # Errors
/// See [`SignError`].
pub fn domain(offer: &Offer) -> Result<Domain, SignError> {
    let chain_id = chain_id(offer)?;
    let text = |name: &'static str| {
        offer.extra.get(name).and_then(Value::as_str).map(Arc::from).ok_or(SignError::Field(name))
    };
    Ok(Domain::new(&Asset {
        network: offer.network.as_str().into(),
        chain_id,
        address: wire::address(&offer.asset).ok_or(SignError::Field("asset"))?,
        name: text("name")?,
        version: text("version")?,
    }))
}

/// The number of the network that an offer is on.
fn chain_id(offer: &Offer) -> Result<u64, SignError> {
    let number = offer.network.strip_prefix("eip155:").and_then(|id| id.parse().ok());
    number.ok_or_else(|| SignError::Unsupported(offer.network.clone()))
}

/// An authorization and its signature as they stand in a payment.
fn payload_json(authorization: &Authorization, signature: &[u8]) -> Value {
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
