//! Names of the header fields that we write, and the one way in which a name is compared with them. Values are made where
//! they are known: [`crate::stage::forward`] for upstreams, [`crate::stage::capture`] for clients.

use http::HeaderName;

/// The payment's id: to the upstream and to the client.
pub(crate) static PAYMENT_ID: HeaderName = HeaderName::from_static("faregate-payment-id");

/// `captured`, `voided`, `refunded`, or `held` where the amount is known only at the end: to the client.
pub(crate) static PAYMENT_STATUS: HeaderName = HeaderName::from_static("faregate-payment-status");

/// The agent that pays, or the address that pays on a public network: to the upstream.
pub(crate) static PAYER: HeaderName = HeaderName::from_static("faregate-payer");

/// What it pays at most: to the upstream.
pub(crate) static PRICE: HeaderName = HeaderName::from_static("faregate-price");

/// The receipt (x402 v2): to the client.
pub(crate) static PAYMENT_RESPONSE: HeaderName = HeaderName::from_static("payment-response");

/// The receipt for who pays in v1.
pub(crate) static X_PAYMENT_RESPONSE: HeaderName = HeaderName::from_static("x-payment-response");

/// What is left under the rate limits: to the client.
pub(crate) static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Where the request came from: to the upstream.
pub(crate) static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether a name would be read as this one, which is lower case with dashes. Some servers read `_` in a name as `-`.
pub(crate) fn is(name: &str, ours: &str) -> bool {
    name.len() == ours.len() && begins(name, ours)
}

/// Whether a name would be read as one that begins so.
pub(crate) fn begins(name: &str, prefix: &str) -> bool {
    let dashed = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(byte, ours)| dashed(byte) == ours)
}
