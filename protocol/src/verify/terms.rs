//! Whether a payment's terms are those of an offer of ours. What its client wrote beside the signature must agree as well: one that
//! disagrees meant something else.

use alloy_primitives::U256;
use serde_json::Value;

use super::{Expected, Method, Quote, Rejection};
use crate::offer::{PERMIT2_METHOD, SCHEME_EXACT, SCHEME_UPTO};
use crate::payload::{Accepted, PaymentPayload, Terms};
use crate::permit::{EXACT_PROXY, UPTO_PROXY};
use crate::transfer::Transfer;
use crate::wire::Extra;

/// Scheme, network and asset: with any other, the signature is over something else.
pub(super) fn is_ours(payment: &PaymentPayload, expected: &Expected<'_>) -> Result<(), Rejection> {
    let (scheme, network) = (payment.scheme(), payment.network());
    if scheme != expected.method.scheme() {
        return Err(Rejection::Scheme(scheme.chars().take(32).collect()));
    }
    if *network != *expected.asset.network {
        return Err(Rejection::Network(network.chars().take(64).collect()));
    }
    match &payment.terms {
        Terms::Offer(accepted) if accepted.asset != Some(expected.asset.address) => Err(Rejection::Asset),
        _ => Ok(()),
    }
}

/// Field by field, as the public SDKs compare since 2.13: every field equal, `extra` a superset of ours. The amount
/// and the quote are [`matching_quote`]'s.
pub(super) fn agrees(payment: &PaymentPayload, expected: &Expected<'_>) -> Result<(), Rejection> {
    if payment.transfer.to() != expected.pay_to {
        return Err(Rejection::Recipient);
    }
    if let Transfer::Permit(permit) = &payment.transfer {
        let (proxy, facilitator) = match expected.method {
            Method::Upto(_, facilitator) => (UPTO_PROXY, Some(facilitator)),
            Method::Authorization(_) | Method::Permit(_) => (EXACT_PROXY, None),
        };
        if permit.token != expected.asset.address {
            return Err(Rejection::Token);
        }
        if permit.spender != proxy {
            return Err(Rejection::Spender);
        }
        if permit.witness.facilitator != facilitator {
            return Err(Rejection::Facilitator);
        }
    }
    match &payment.terms {
        Terms::Offer(accepted) => offered(accepted, expected),
        Terms::Named { .. } => Ok(()),
    }
}

fn offered(accepted: &Accepted, expected: &Expected<'_>) -> Result<(), Rejection> {
    if accepted.pay_to != Some(expected.pay_to) {
        return Err(Rejection::Recipient);
    }
    if accepted.max_timeout_seconds != expected.max_timeout_seconds {
        return Err(Rejection::Offer("maxTimeoutSeconds"));
    }
    let Extra { name, version, asset_transfer_method, .. } = &accepted.extra;
    let is = |told: &Option<Value>, ours: &str| told.as_ref().and_then(Value::as_str) == Some(ours);
    let is_permit = !matches!(expected.method, Method::Authorization(_));
    let agrees = is(name, &expected.asset.name)
        && is(version, &expected.asset.version)
        && (!is_permit || is(asset_transfer_method, PERMIT2_METHOD));
    if agrees { Ok(()) } else { Err(Rejection::Offer("extra")) }
}

/// The price that is paid: the one whose quote was echoed, or without an echo the first of the same amount.
pub(super) fn matching_quote<'a>(
    payment: &PaymentPayload,
    quotes: &'a [Quote<'a>],
) -> Result<&'a Quote<'a>, Rejection> {
    let value = payment.transfer.value();
    let has_value = |quote: &&Quote<'_>| value == U256::from(quote.price.atomic().unsigned_abs());
    let Terms::Offer(accepted) = &payment.terms else {
        return quotes.iter().find(has_value).ok_or(Rejection::Value);
    };
    let has_amount = |quote: &&Quote<'_>| accepted.amount == Some(quote.price);
    let quote = match &accepted.extra.quote {
        None | Some(Value::Null) => quotes.iter().find(has_amount),
        Some(Value::String(text)) => {
            let quote = quotes.iter().find(|quote| quote.quote == text).ok_or(Rejection::Quote)?;
            Some(quote).filter(has_amount)
        }
        Some(_) => return Err(Rejection::Quote),
    };
    let quote = quote.ok_or(Rejection::Offer("amount"))?;
    if has_value(&quote) { Ok(quote) } else { Err(Rejection::Value) }
}

// === impl Method ===

impl Method<'_> {
    pub(crate) const fn scheme(&self) -> &'static str {
        match self {
            Self::Authorization(_) | Self::Permit(_) => SCHEME_EXACT,
            Self::Upto(..) => SCHEME_UPTO,
        }
    }
}
