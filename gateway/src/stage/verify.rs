//! Verify: a credential becomes a claim to be held for, or a refusal with the standard code. No I/O.
//!
//! Our own offers are what a payment is judged by, never the client's copy of them (DESIGN section 2).

use domain::{Amount, Price, UnixMillis};
use protocol::X402_VERSION;
use protocol::offer::MAX_TIMEOUT_SECONDS;
use protocol::payload::{Malformed, PaymentPayload};
use protocol::verify::{Expected, Method, Quote, Rejection, VerifiedPayment, verify as verify_payment};
use registry::agent_key::AgentKey;
use registry::config::Limits;

use crate::credential::Credential;
use crate::refusal::{Refusal, Unpaid};
use crate::snapshot::RouteOffer;
use crate::stage::route::Routed;

/// Who says they pay, and for which of the route's quotes.
pub(crate) struct Claim {
    pub(crate) claimant: Claimant,
    /// The price the payment is for: the current one, or a superseded one whose quote is honoured.
    pub(crate) price: Price,
    pub(crate) revision: u32,
    /// The identifier in the payment, where the client set one.
    pub(crate) identifier: Option<String>,
}

/// Whose word the claim rests on.
pub(crate) enum Claimant {
    /// An agent key, not looked up yet.
    Key(AgentKey),
    /// A signature that was recovered.
    Signature(VerifiedPayment),
    /// A right signature that pays for nothing now, because its time is over or its price is none of this route's. It may
    /// have paid: then its outcome is told, and no 402.
    Earlier { rejection: Rejection },
}

// === impl Claim ===

impl Claim {
    /// The most the call can cost.
    pub(crate) fn maximum(&self) -> Amount {
        self.price.maximum().unwrap_or(Amount::ZERO)
    }
}

/// Judges the credential of a priced request.
pub(crate) fn verify(
    credential: Credential<'_>,
    routed: &Routed,
    offer: &RouteOffer,
    asset: &domain::Asset,
    at: UnixMillis,
    limits: &Limits,
) -> Result<Claim, Refusal> {
    match credential {
        Credential::None => {
            let price = routed.route.price.maximum().unwrap_or(Amount::ZERO);
            Err(Refusal::PaymentRequired(Unpaid::Missing { price }))
        }
        Credential::Key(key) => Ok(Claim {
            claimant: Claimant::Key(key),
            price: routed.route.price.clone(),
            revision: routed.route.revision,
            identifier: None,
        }),
        Credential::Payment(header) => {
            if header.len() > limits.payment_header_bytes_max {
                return Err(Refusal::HeadersTooLarge(limits.payment_header_bytes_max));
            }
            let payload = PaymentPayload::parse(header.as_bytes())
                .map_err(|malformed| Refusal::MalformedPayment(malformed.to_string()))?;
            // Nothing is offered in version 1: it has no name for the wallet rail's network.
            if payload.version() != X402_VERSION {
                let malformed = Malformed::Version(payload.version());
                return Err(Refusal::MalformedPayment(malformed.to_string()));
            }
            signed(&payload, routed, offer, asset, at)
        }
    }
}

fn signed(
    payload: &PaymentPayload,
    routed: &Routed,
    offer: &RouteOffer,
    asset: &domain::Asset,
    at: UnixMillis,
) -> Result<Claim, Refusal> {
    let identifier = payload.payment_identifier().map(str::to_owned);
    let payable: Vec<_> =
        offer.quotes.iter().filter(|quote| quote.until.is_none_or(|until| at < until)).collect();
    let quotes: Vec<Quote<'_>> = payable
        .iter()
        .map(|quote| Quote { price: quote.amount, revision: quote.revision, quote: &quote.text })
        .collect();
    let expected = Expected {
        asset,
        method: Method::Authorization(routed.snapshot.domain()),
        pay_to: routed.provider.pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        margin_seconds: 0,
        quotes: &quotes,
        at,
    };
    let (claimant, revision) = match verify_payment(payload, &expected) {
        Ok(payment) => {
            let revision = payment.revision();
            (Claimant::Signature(payment), revision)
        }
        Err(rejection) if rejection.signed().is_some() => {
            (Claimant::Earlier { rejection }, routed.route.revision)
        }
        Err(rejection) => return Err(refuse(&rejection)),
    };
    let price = payable
        .iter()
        .find(|quote| quote.revision == revision)
        .map_or_else(|| routed.route.price.clone(), |quote| quote.price.clone());
    Ok(Claim { claimant, price, revision, identifier })
}

/// A rejected payment was not charged and never will be: it may be asked for again.
pub(crate) fn refuse(rejection: &Rejection) -> Refusal {
    Refusal::PaymentRequired(Unpaid::Rejected { code: rejection.code(), message: rejection.to_string() })
}
