//! Quotes: a mark in every offer that says which route, price and revision it was made for. Clients echo it; nobody but
//! us can make one, so that an offer for one route is refused at another of the same price.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Price;

/// How much of the keyed hash stands in a quote, in bytes.
const MARK_BYTES: usize = 16;

/// Makes quotes.
#[derive(Clone)]
pub struct QuoteKey([u8; 32]);

// === impl QuoteKey ===

impl QuoteKey {
    /// From a secret that is made once and kept.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(blake3::derive_key("faregate 2026-11-23 quote", &secret))
    }

    /// The quote for a price of a route: the revision in clear, then its mark.
    #[must_use]
    pub fn quote(&self, route: &str, price: &Price, revision: u32) -> String {
        let mut mac = blake3::Hasher::new_keyed(&self.0);
        mac.update(&(route.len() as u64).to_be_bytes());
        mac.update(route.as_bytes());
        mac.update(&revision.to_be_bytes());
        match price {
            Price::Free => {}
            Price::Fixed(amount) => {
                mac.update(&amount.atomic().to_be_bytes());
            }
            Price::Tiered(tiers) => {
                for tier in tiers.as_slice() {
                    mac.update(&tier.from_call.to_be_bytes());
                    mac.update(&tier.amount.atomic().to_be_bytes());
                }
            }
        }
        let mark = mac.finalize();
        format!("{revision}.{}", URL_SAFE_NO_PAD.encode(&mark.as_bytes()[..MARK_BYTES]))
    }
}

#[cfg(test)]
mod tests;
