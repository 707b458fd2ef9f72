//! [`Purchase`]: the offer that is taken, and [`Payment`], the one signature made for it.

use domain::{Address, Amount, B256, Clock};
use protocol::challenge::PaymentRequired;
use protocol::header::PAYMENT_REQUIRED;
use protocol::offer::Offer;
use protocol::sign::{self, SignError};
use protocol::signature::SigningKey;
use reqwest::header::HeaderMap;
use thiserror::Error;

use crate::clock::SystemClock;
use crate::random;

/// An offer that can be signed and is not too dear.
#[derive(Debug)]
pub(super) struct Purchase {
    challenge: PaymentRequired,
    index: usize,
}

/// A signed offer.
#[derive(Debug)]
pub(super) struct Payment {
    /// What is sent.
    pub(super) header: String,
    /// What was taken.
    pub(super) offer: Offer,
    /// The digest that was signed.
    pub(super) digest: B256,
    /// Who signed: the address that must be registered for an agent.
    pub(super) signer: Address,
}

/// Why nothing is signed.
#[derive(Debug, Error)]
pub(super) enum Declined {
    #[error("the 402 has no {PAYMENT_REQUIRED} header that can be read (x402 v2)")]
    NoChallenge,
    #[error("the 402 has no offer that can be signed: {0}")]
    NoOffer(SignError),
    #[error("the 402 has no offer on {network}: its offers are on {offered}")]
    NotThere { network: String, offered: String },
    #[error("the call costs {price}, above --max {max}")]
    TooDear { price: String, max: Amount },
}

// === impl Declined ===

impl Declined {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NoChallenge => "no_challenge",
            Self::NoOffer(_) | Self::NotThere { .. } => "no_offer",
            Self::TooDear { .. } => "price_above_max",
        }
    }
}

// === impl Purchase ===

impl Purchase {
    /// The first offer that can be signed for at most `max`, on `network` alone where one is named.
    pub(super) fn choose(headers: &HeaderMap, max: Amount, network: Option<&str>) -> Result<Self, Declined> {
        let header = headers.get(PAYMENT_REQUIRED).ok_or(Declined::NoChallenge)?;
        let challenge =
            PaymentRequired::parse(header.as_bytes()).ok().flatten().ok_or(Declined::NoChallenge)?;
        let mut declined = Declined::NoOffer(SignError::NoOffer(0));
        let is_wanted = |offer: &Offer| network.is_none_or(|network| network == offer.network);
        if let Some(network) = network.filter(|_| !challenge.accepts.iter().any(is_wanted)) {
            let mut offered: Vec<&str> = challenge.accepts.iter().map(|offer| &*offer.network).collect();
            offered.dedup();
            return Err(Declined::NotThere { network: network.to_owned(), offered: offered.join(", ") });
        }
        for (index, offer) in challenge.accepts.iter().enumerate().filter(|(_, offer)| is_wanted(offer)) {
            match sign::check(offer) {
                Ok(()) if is_within(offer, max) => return Ok(Self { challenge, index }),
                Ok(()) => declined = Declined::TooDear { price: price(&offer.amount), max },
                Err(error) if matches!(declined, Declined::NoOffer(_)) => declined = Declined::NoOffer(error),
                Err(_) => {}
            }
        }
        Err(declined)
    }

    /// Signs it, under a new random nonce.
    pub(super) fn sign(self, key: &SigningKey) -> anyhow::Result<Payment> {
        let Self { challenge, index } = self;
        let (nonce, at) = (B256::from(random::bytes()?), SystemClock.now());
        let header = sign::sign_offer(key, &challenge, index, nonce, at)?;
        let offer = challenge.accepts.into_iter().nth(index).ok_or(SignError::NoOffer(index))?;
        let digest = sign::digest(key, &offer, nonce, at)?;
        Ok(Payment { header, offer, digest, signer: key.address() })
    }
}

/// Atomic units as text: in dollars at the wallet's scale, or as they came where the ledger could not hold them.
pub(super) fn price(units: &str) -> String {
    Amount::parse_atomic(units).map_or_else(|| format!("{units} units"), |amount| amount.to_string())
}

fn is_within(offer: &Offer, max: Amount) -> bool {
    Amount::parse_atomic(&offer.amount).is_some_and(|amount| amount <= max)
}

#[cfg(test)]
mod tests;
