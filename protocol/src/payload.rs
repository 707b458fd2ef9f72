//! [`PaymentPayload`]: what a payment header says, parsed and not yet believed.
//!
//! Absent and `null` are the same everywhere, unknown fields are ignored, numbers are decimal strings of up to 256
//! bits, addresses come in any case. What does not fit is malformed: answered with 400, never with a panic.

use std::sync::Arc;

use alloy_primitives::U256;
use domain::{Address, Amount, Asset, B256};
use serde_json::Value;
use thiserror::Error;

use crate::authorization::Authorization;
use crate::header::{self, HeaderError};
use crate::network;
use crate::permit::{Permit, Witness};
use crate::seal::Seal;
use crate::signature::SignatureError;
use crate::transfer::Transfer;
use crate::verify::Method;
use crate::wire::{self, Extensions, Extra, Fields, Kept, Payload, PermitFields, Text, Wire};
use crate::{X402_VERSION, X402_VERSION_1};

/// Shortest and longest payment identifier, in characters.
const IDENTIFIER_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// How much of what serde says is repeated, in characters: it may quote the header.
const JSON_ERROR_MAX: usize = 160;

/// A payment as its client wrote it.
#[derive(Debug)]
pub struct PaymentPayload {
    pub(crate) terms: Terms,
    pub(crate) transfer: Transfer,
    pub(crate) seal: Seal,
    identifier: Option<String>,
    json: Arc<str>,
}

/// What the client says that it accepted.
#[derive(Debug)]
pub(crate) enum Terms {
    /// v2: all of an offer.
    Offer(Accepted),
    /// v1: no more than this.
    Named {
        scheme: String,
        /// CAIP-2 of v1's name, or the name as it is where v1 has none such.
        network: String,
    },
}

/// An offer as the client repeats it. What is no address or no amount is none of ours.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) scheme: String,
    pub(crate) network: String,
    pub(crate) amount: Option<Amount>,
    pub(crate) asset: Option<Address>,
    pub(crate) pay_to: Option<Address>,
    pub(crate) max_timeout_seconds: u64,
    pub(crate) extra: Extra,
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
    /// A number that would not be passed on as it was written, and under which two payments could seem one.
    #[error("the payment has a number with a fraction, or of more than 64 bits; write it as a string")]
    Number,
    /// The signature is of another shape.
    #[error("the payment's signature cannot be used: {0}")]
    Signature(#[from] SignatureError),
    /// The payment identifier is of another shape.
    #[error("the payment identifier must be 16 to 128 letters, digits, `-` or `_`")]
    Identifier,
}

// === impl PaymentPayload ===

impl PaymentPayload {
    /// Reads a payment header.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(header: &[u8]) -> Result<Self, Malformed> {
        let json = String::from_utf8(header::decode(header)?)
            .map_err(|_| Malformed::Json("it is not UTF-8".to_owned()))?;
        let mut wire: Wire<'_> = serde_json::from_str(&json).map_err(|error| Malformed::json(&error))?;
        let terms = terms(&mut wire)?;
        let payload = wire.payload.ok_or(Malformed::Field("payload"))?;
        let signature = payload.signature.as_ref().ok_or(Malformed::Field("signature"))?;
        let seal = Seal::parse(&signature.0)?;
        let transfer = transfer(&payload)?;
        let identifier = identifier(wire.extensions)?;
        Ok(Self { terms, transfer, seal, identifier, json: json.into() })
    }

    /// All of it, as it came.
    #[must_use]
    pub const fn json(&self) -> &Arc<str> {
        &self.json
    }

    /// How value moves, as its payer signed it.
    #[must_use]
    pub const fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// The payer's signature of that.
    #[must_use]
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// That it may have been signed by a key, which is all that some payers have.
    ///
    /// # Errors
    /// [`Malformed::Signature`].
    pub fn may_be_by_key(&self) -> Result<(), Malformed> {
        Ok(self.seal.key().map(drop)?)
    }

    /// The version of x402 that it is written in, and is to be answered in.
    #[must_use]
    pub const fn version(&self) -> u64 {
        match self.terms {
            Terms::Offer(_) => X402_VERSION,
            Terms::Named { .. } => X402_VERSION_1,
        }
    }

    /// The network that its client names: CAIP-2, also where v1 has another name for it.
    #[must_use]
    pub fn network(&self) -> &str {
        match &self.terms {
            Terms::Offer(accepted) => &accepted.network,
            Terms::Named { network, .. } => network,
        }
    }

    /// Whether its client may mean this asset: v1 names no more than the network.
    #[must_use]
    pub fn may_be_in(&self, asset: &Asset) -> bool {
        *self.network() == *asset.network
            && match &self.terms {
                Terms::Offer(accepted) => accepted.asset == Some(asset.address),
                Terms::Named { .. } => true,
            }
    }

    /// Whether it is a payment of that kind, by its scheme and by what moves its value. It may still be another one.
    #[must_use]
    pub fn is_by(&self, method: &Method<'_>) -> bool {
        let moves_so = match self.transfer {
            Transfer::Authorization(_) => matches!(method, Method::Authorization(_)),
            Transfer::Permit(_) => !matches!(method, Method::Authorization(_)),
        };
        moves_so && self.scheme() == method.scheme()
    }

    /// The scheme that its client names.
    pub(crate) fn scheme(&self) -> &str {
        match &self.terms {
            Terms::Offer(accepted) => &accepted.scheme,
            Terms::Named { scheme, .. } => scheme,
        }
    }

    /// Our quote, where the client echoes one. Anybody may have written it.
    #[must_use]
    pub fn quote(&self) -> Option<&str> {
        match &self.terms {
            Terms::Offer(accepted) => accepted.extra.quote.as_ref().and_then(Value::as_str),
            Terms::Named { .. } => None,
        }
    }

    /// The client's name for this request, where it set one.
    #[must_use]
    pub fn payment_identifier(&self) -> Option<&str> {
        self.identifier.as_deref()
    }
}

/// What the payer of a payment signed, and the signature: for whoever settles a payment that was verified, from its JSON.
///
/// # Errors
/// See [`Malformed`].
pub fn signed(json: &str) -> Result<(Transfer, Seal), Malformed> {
    let wire: Kept<'_> = serde_json::from_str(json).map_err(|error| Malformed::json(&error))?;
    let payload = wire.payload.ok_or(Malformed::Field("payload"))?;
    let signature = payload.signature.as_ref().ok_or(Malformed::Field("signature"))?;
    Ok((transfer(&payload)?, Seal::parse(&signature.0)?))
}

// === impl Accepted ===

impl From<wire::Accepted<'_>> for Accepted {
    fn from(accepted: wire::Accepted<'_>) -> Self {
        Self {
            amount: Amount::parse_atomic(&accepted.amount),
            asset: wire::address(&accepted.asset),
            pay_to: wire::address(&accepted.pay_to),
            max_timeout_seconds: accepted.max_timeout_seconds,
            scheme: accepted.scheme.into_owned(),
            network: accepted.network.into_owned(),
            extra: accepted.extra.unwrap_or_default(),
        }
    }
}

// === impl Malformed ===

impl Malformed {
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        Self::Json(error.to_string().chars().take(JSON_ERROR_MAX).collect())
    }
}

fn terms(wire: &mut Wire<'_>) -> Result<Terms, Malformed> {
    match wire.x402_version {
        Some(X402_VERSION) => {
            let accepted = wire.accepted.take().ok_or(Malformed::Field("accepted"))?;
            Ok(Terms::Offer(accepted.into()))
        }
        Some(X402_VERSION_1) => {
            let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.to_string());
            let network = text(&wire.network).ok_or(Malformed::Field("network"))?;
            Ok(Terms::Named {
                scheme: text(&wire.scheme).ok_or(Malformed::Field("scheme"))?,
                network: network::of_v1_name(&network).map_or(network, str::to_owned),
            })
        }
        Some(other) => Err(Malformed::Version(other)),
        None => Err(Malformed::Field("x402Version")),
    }
}

fn transfer(payload: &Payload<'_>) -> Result<Transfer, Malformed> {
    match (&payload.authorization, &payload.permit2_authorization) {
        (Some(fields), None) => authorization(fields).map(Transfer::Authorization),
        (None, Some(fields)) => permit(fields).map(Transfer::Permit),
        _ => Err(Malformed::Field("authorization")),
    }
}

fn permit(fields: &PermitFields<'_>) -> Result<Permit, Malformed> {
    let permitted = fields.permitted.as_ref().ok_or(Malformed::Field("permit2Authorization.permitted"))?;
    let witness = fields.witness.as_ref().ok_or(Malformed::Field("permit2Authorization.witness"))?;
    let nonce = fields.nonce.as_ref().and_then(|text| wire::nonce(&text.0));
    let named = |facilitator: &Text<'_>| {
        wire::address(&facilitator.0).ok_or(Malformed::Field("permit2Authorization.witness.facilitator"))
    };
    Ok(Permit {
        from: address(fields.from.as_ref(), "permit2Authorization.from")?,
        token: address(permitted.token.as_ref(), "permit2Authorization.permitted.token")?,
        amount: number(permitted.amount.as_ref(), "permit2Authorization.permitted.amount")?,
        spender: address(fields.spender.as_ref(), "permit2Authorization.spender")?,
        nonce: nonce.ok_or(Malformed::Field("permit2Authorization.nonce"))?,
        deadline: number(fields.deadline.as_ref(), "permit2Authorization.deadline")?,
        witness: Witness {
            to: address(witness.to.as_ref(), "permit2Authorization.witness.to")?,
            valid_after: number(witness.valid_after.as_ref(), "permit2Authorization.witness.validAfter")?,
            facilitator: witness.facilitator.as_ref().map(named).transpose()?,
        },
    })
}

fn authorization(fields: &Fields<'_>) -> Result<Authorization, Malformed> {
    Ok(Authorization {
        from: address(fields.from.as_ref(), "authorization.from")?,
        to: address(fields.to.as_ref(), "authorization.to")?,
        value: number(fields.value.as_ref(), "authorization.value")?,
        valid_after: number(fields.valid_after.as_ref(), "authorization.validAfter")?,
        valid_before: number(fields.valid_before.as_ref(), "authorization.validBefore")?,
        nonce: nonce(fields.nonce.as_ref())?,
    })
}

fn address(text: Option<&Text<'_>>, field: &'static str) -> Result<Address, Malformed> {
    text.and_then(|text| wire::address(&text.0)).ok_or(Malformed::Field(field))
}

fn number(text: Option<&Text<'_>>, field: &'static str) -> Result<U256, Malformed> {
    text.and_then(|text| wire::number(&text.0)).ok_or(Malformed::Field(field))
}

fn nonce(text: Option<&Text<'_>>) -> Result<B256, Malformed> {
    text.and_then(|text| wire::word(&text.0)).ok_or(Malformed::Field("authorization.nonce"))
}

pub(crate) fn identifier(extensions: Option<Extensions>) -> Result<Option<String>, Malformed> {
    let info = extensions.and_then(|extensions| extensions.payment_identifier).and_then(|echo| echo.info);
    match info.and_then(|info| info.id) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if is_identifier(&id) => Ok(Some(id)),
        Some(_) => Err(Malformed::Identifier),
    }
}

fn is_identifier(id: &str) -> bool {
    IDENTIFIER_LENGTH.contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests;
