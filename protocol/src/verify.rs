//! [`verify`]: is this payment one we asked for, and did its payer sign it? Cheapest checks first, the signature last.
//!
//! What is compared with is always our own offer. A client's copy that disagrees is refused, even where the signature
//! would cover our terms: the client meant something else.

use alloy_primitives::U256;
use domain::{Address, Amount, Asset, B256, ReplayKey, UnixMillis};
use serde_json::Value;

use crate::eip712::Domain;
use crate::offer::{MAX_TIMEOUT_SECONDS, Offer, QUOTE, SCHEME_EXACT};
use crate::payload::PaymentPayload;
use crate::wire;

mod rejection;

pub use rejection::Rejection;

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

/// Judges a payment.
///
/// # Errors
/// See [`Rejection`].
pub fn verify(payment: &PaymentPayload, expected: &Expected<'_>) -> Result<VerifiedPayment, Rejection> {
    is_ours(&payment.accepted, expected.asset)?;
    let authorization = &payment.authorization;
    // What pays no price of this route may have paid before the price or the recipient changed, or for another route: it
    // is judged to the end, so that its earlier outcome can be found.
    let quote = agrees(payment, expected).and_then(|()| matching_quote(payment, expected.quotes));
    let now = U256::from(expected.at.seconds().unsigned_abs());
    if authorization.valid_after > now {
        return Err(quote.err().unwrap_or(Rejection::NotYetValid));
    }
    if authorization.valid_before > now + U256::from(MAX_TIMEOUT_SECONDS + SKEW_SECONDS) {
        return Err(quote.err().unwrap_or(Rejection::ValidTooLong));
    }
    let digest = expected.domain.digest(authorization);
    match payment.signature.recover(digest) {
        Ok(signer) if signer == authorization.from => {}
        _ => return Err(quote.err().unwrap_or(Rejection::Signature)),
    }
    // Fits: it is at most a minute and a half from now.
    let valid_before = authorization.valid_before.saturating_to::<u64>();
    let (network, payer) = (&expected.asset.network, authorization.from);
    let replay_key =
        ReplayKey::new(valid_before, network, expected.asset.address, payer, authorization.nonce);
    if authorization.valid_before <= now {
        return Err(Rejection::Expired { replay_key, payer });
    }
    let quote =
        quote.map_err(|reason| Rejection::Unpriced { reason: Box::new(reason), replay_key, payer })?;
    Ok(VerifiedPayment { payer, amount: quote.price, revision: quote.revision, replay_key, digest })
}

/// Scheme, network and asset: with any other, the signature is over something else.
fn is_ours(accepted: &Offer, asset: &Asset) -> Result<(), Rejection> {
    if accepted.scheme != SCHEME_EXACT {
        return Err(Rejection::Scheme(accepted.scheme.chars().take(32).collect()));
    }
    if accepted.network != *asset.network {
        return Err(Rejection::Network(accepted.network.chars().take(64).collect()));
    }
    if wire::address(&accepted.asset) != Some(asset.address) {
        return Err(Rejection::Asset);
    }
    Ok(())
}

/// Field by field, as the public SDKs compare since 2.13: every field equal, `extra` a superset of ours. The amount
/// and the quote are [`matching_quote`]'s.
fn agrees(payment: &PaymentPayload, expected: &Expected<'_>) -> Result<(), Rejection> {
    let (accepted, asset) = (&payment.accepted, expected.asset);
    if payment.authorization.to != expected.pay_to || wire::address(&accepted.pay_to) != Some(expected.pay_to)
    {
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
    Ok(())
}

/// The price that is paid: the one whose quote was echoed, or without an echo the first of the same amount.
fn matching_quote<'a>(payment: &PaymentPayload, quotes: &'a [Quote<'a>]) -> Result<&'a Quote<'a>, Rejection> {
    let accepted = &payment.accepted;
    let amount = Amount::parse_atomic(&accepted.amount);
    let has_amount = |quote: &&Quote<'_>| amount == Some(quote.price);
    let quote = match accepted.extra.get(QUOTE) {
        None | Some(Value::Null) => quotes.iter().find(has_amount),
        Some(Value::String(text)) => {
            let quote = quotes.iter().find(|quote| quote.quote == text).ok_or(Rejection::Quote)?;
            Some(quote).filter(has_amount)
        }
        Some(_) => return Err(Rejection::Quote),
    };
    let quote = quote.ok_or(Rejection::Offer("amount"))?;
    if payment.authorization.value != U256::from(quote.price.atomic().unsigned_abs()) {
        return Err(Rejection::Value);
    }
    Ok(quote)
}

#[cfg(test)]
mod tests;
