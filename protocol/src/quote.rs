//! Quotes: a mark in every offer that says which route, price and revision it was made for. Clients echo it; nobody but
//! us can make one, so that an offer for one route is refused at another of the same price.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Price;

/// How much of the keyed hash stands in a quote, in bytes.
const MARK_BYTES: usize = 16;

/// How much of the keyed hash stands behind the version, in bytes.
const TAG_BYTES: usize = 8;

/// Makes quotes.
#[derive(Clone)]
pub struct QuoteKey {
    mark: [u8; 32],
    tag: [u8; 32],
}

// === impl QuoteKey ===

impl QuoteKey {
    /// From a secret that is made once and kept.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        let key = |context| blake3::derive_key(context, &secret);
        Self { mark: key("faregate 2026-11-23 quote"), tag: key("faregate 2026-11-25 quote version") }
    }

    /// The quote for a price of a route: `REVISION.MARK.VERSION.TAG`. The mark is over all of it. `version` is the one of the
    /// catalog that brought the revision; its tag can be checked by who does not know the route yet.
    #[must_use]
    pub fn quote(&self, route: &str, price: &Price, revision: u32, version: u64) -> String {
        let mut mac = blake3::Hasher::new_keyed(&self.mark);
        mac.update(&(route.len() as u64).to_be_bytes());
        mac.update(route.as_bytes());
        mac.update(&revision.to_be_bytes());
        mac.update(&version.to_be_bytes());
        match price {
            Price::Free => {}
            Price::Fixed(amount) => {
                mac.update(&amount.atomic().to_be_bytes());
            }
            Price::Metered(metered) => {
                mac.update(&metered.maximum().atomic().to_be_bytes());
                mac.update(&metered.unread().atomic().to_be_bytes());
                for unit in metered.units() {
                    let text = format!("{} {}", unit.from, unit.price);
                    mac.update(&(text.len() as u64).to_be_bytes());
                    mac.update(text.as_bytes());
                }
            }
            Price::Tiered(tiers) => {
                for tier in tiers.as_slice() {
                    mac.update(&tier.from_call.to_be_bytes());
                    mac.update(&tier.amount.atomic().to_be_bytes());
                }
            }
        }
        let mark = mac.finalize();
        let mark = URL_SAFE_NO_PAD.encode(&mark.as_bytes()[..MARK_BYTES]);
        format!("{revision}.{mark}.{version}.{}", self.tag(version))
    }

    /// The version of the catalog that a quote was made by. None where we did not make it.
    #[must_use]
    pub fn version(&self, quote: &str) -> Option<u64> {
        let (rest, tag) = quote.rsplit_once('.')?;
        let version = rest.rsplit_once('.')?.1.parse().ok()?;
        (self.tag(version) == tag).then_some(version)
    }

    fn tag(&self, version: u64) -> String {
        let tag = blake3::keyed_hash(&self.tag, &version.to_be_bytes());
        URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..TAG_BYTES])
    }
}

#[cfg(test)]
mod tests;
