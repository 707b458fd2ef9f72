//! [`verify`]: is this payment one we asked for, and did its payer sign it? Cheapest checks first, the signature last.
//!
//! What is compared with is always our own offer. A client's copy that disagrees is refused, even where the signature
//! would cover our terms: the client meant something else.

use alloy_primitives::U256;
use domain::{Address, Amount, Asset, B256, ReplayKey, UnixMillis};
use serde_json::Value;
use thiserror::Error;

use crate::eip712::Domain;
use crate::offer::{MAX_TIMEOUT_SECONDS, Offer, QUOTE, SCHEME_EXACT};
use crate::payload::{PaymentPayload, address};

/// How far a client's clock may be ahead of ours, in seconds.
pub const SKEW_SECONDS: u64 = 30;

/// A price that may be paid, and the quote that was given for it.
#[derive(Clone, Copy, Debug)]
pub struct Quote<'a> {
    /// What was asked for.
    pub price: Amount,
    /// The route's revision.
    pub revision: u32,
    /// The text in `extra.quote`.
    pub quote: &'a str,
}

/// What a payment must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What is paid in.
    pub asset: &'a Asset,
    /// The same asset's EIP-712 domain.
    pub domain: &'a Domain,
    /// Who must be paid.
    pub pay_to: Address,
    /// Prices that may be paid, the current one first.
    pub quotes: &'a [Quote<'a>],
    /// Ledger time.
    pub at: UnixMillis,
}

/// A payment that agrees with an offer of ours and was signed by its payer. Made here only; consumed by the hold.
#[must_use = "a verified payment that is not held pays for nothing"]
#[derive(Debug)]
pub struct VerifiedPayment {
    payer: Address,
    amount: Amount,
    revision: u32,
    replay_key: ReplayKey,
    digest: B256,
}

/// Why a payment is refused. Nothing was charged for it, and nothing will be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Another scheme.
    #[error("the scheme `{0}` is not offered; pay with `exact`")]
    Scheme(String),
    /// Another network.
    #[error("the network `{0}` is not the one that was offered")]
    Network(String),
    /// Another asset.
    #[error("the asset is not the one that was offered")]
    Asset,
    /// `accepted` is no offer of ours.
    #[error("the accepted offer differs from the one that was made in `{0}`; ask for a new one")]
    Offer(&'static str),
    /// A quote that is not for this route, or has ended.
    #[error("the quote is for another route or has ended; ask for a new one")]
    Quote,
    /// Made out to somebody else.
    #[error("the payment is made out to another recipient")]
    Recipient,
    /// Another amount than the price.
    #[error("the authorized value is not the price")]
    Value,
    /// Not valid yet.
    #[error("the authorization is not valid yet; check the clock")]
    NotYetValid,
    /// Valid for longer than was asked for.
    #[error("the authorization is valid for longer than the {MAX_TIMEOUT_SECONDS} seconds that were offered")]
    ValidTooLong,
    /// Its time is over; everything else about it is right, the signature included.
    #[error("the authorization has expired; sign a new one")]
    Expired {
        /// By which its earlier outcome can be found.
        replay_key: ReplayKey,
        /// Who signed it.
        payer: Address,
    },
    /// Not signed by its payer.
    #[error("the signature is not the payer's")]
    Signature,
}

// === impl VerifiedPayment ===

impl VerifiedPayment {
    /// Who signed.
    #[must_use]
    pub fn payer(&self) -> Address {
        self.payer
    }

    /// What was authorized: the price of the quote.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// The revision of the price that is paid.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Its identity, for ever.
    #[must_use]
    pub fn replay_key(&self) -> ReplayKey {
        self.replay_key
    }

    /// What was signed; the `transaction` of its receipt.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.digest
    }
}

// === impl Rejection ===

impl Rejection {
    /// The code that the public SDKs use for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scheme(_) => "unsupported_scheme",
            Self::Network(_) => "invalid_network",
            Self::Asset | Self::Offer(_) => "invalid_payment_requirements",
            Self::Quote => "invalid_quote",
            Self::Recipient => "invalid_exact_evm_recipient_mismatch",
            Self::Value => "invalid_exact_evm_authorization_value",
            Self::NotYetValid => "invalid_exact_evm_payload_authorization_valid_after",
            Self::ValidTooLong | Self::Expired { .. } => {
                "invalid_exact_evm_payload_authorization_valid_before"
            }
            Self::Signature => "invalid_exact_evm_signature",
        }
    }
}

/// Judges a payment.
///
/// # Errors
/// See [`Rejection`].
pub fn verify(payment: &PaymentPayload, expected: &Expected<'_>) -> Result<VerifiedPayment, Rejection> {
    let quote = matching_quote(&payment.accepted, expected)?;
    let authorization = &payment.authorization;
    if authorization.to != expected.pay_to {
        return Err(Rejection::Recipient);
    }
    if authorization.value != U256::from(quote.price.atomic().unsigned_abs()) {
        return Err(Rejection::Value);
    }
    let now = U256::from(expected.at.seconds().unsigned_abs());
    if authorization.valid_after > now {
        return Err(Rejection::NotYetValid);
    }
    if authorization.valid_before > now + U256::from(MAX_TIMEOUT_SECONDS + SKEW_SECONDS) {
        return Err(Rejection::ValidTooLong);
    }
    let digest = expected.domain.digest(authorization);
    match payment.signature.recover(digest) {
        Ok(signer) if signer == authorization.from => {}
        _ => return Err(Rejection::Signature),
    }
    // Fits: it is at most a minute and a half from now.
    let valid_before = authorization.valid_before.saturating_to::<u64>();
    let network = &expected.asset.network;
    let payer = authorization.from;
    let replay_key =
        ReplayKey::new(valid_before, network, expected.asset.address, payer, authorization.nonce);
    if authorization.valid_before <= now {
        return Err(Rejection::Expired { replay_key, payer });
    }
    Ok(VerifiedPayment { payer, amount: quote.price, revision: quote.revision, replay_key, digest })
}

/// Field by field, as the public SDKs compare since 2.13: every field equal, `extra` a superset of ours.
fn matching_quote<'a>(accepted: &Offer, expected: &Expected<'a>) -> Result<&'a Quote<'a>, Rejection> {
    let asset = expected.asset;
    if accepted.scheme != SCHEME_EXACT {
        return Err(Rejection::Scheme(accepted.scheme.chars().take(32).collect()));
    }
    if accepted.network != *asset.network {
        return Err(Rejection::Network(accepted.network.chars().take(64).collect()));
    }
    if address(Some(&accepted.asset), "asset").ok() != Some(asset.address) {
        return Err(Rejection::Asset);
    }
    if address(Some(&accepted.pay_to), "payTo").ok() != Some(expected.pay_to) {
        return Err(Rejection::Recipient);
    }
    if accepted.max_timeout_seconds != MAX_TIMEOUT_SECONDS {
        return Err(Rejection::Offer("maxTimeoutSeconds"));
    }
    for (key, ours) in [("name", &asset.name), ("version", &asset.version)] {
        if accepted.extra.get(key).and_then(Value::as_str) != Some(&**ours) {
            return Err(Rejection::Offer("extra"));
        }
    }
    let has_amount = |quote: &&Quote<'_>| accepted.amount == quote.price.atomic().to_string();
    match accepted.extra.get(QUOTE) {
        None | Some(Value::Null) => expected.quotes.iter().find(has_amount).ok_or(Rejection::Offer("amount")),
        Some(Value::String(text)) => {
            let quote = expected.quotes.iter().find(|quote| quote.quote == text).ok_or(Rejection::Quote)?;
            Some(quote).filter(has_amount).ok_or(Rejection::Offer("amount"))
        }
        Some(_) => Err(Rejection::Quote),
    }
}

#[cfg(test)]
mod tests;
