//! Verify: a credential becomes a claim to be held for, or a refusal with the standard code. No I/O: what only a payer's contract knows is
//! left open for [`super::prove`].
//!
//! Our own offers are what a payment is judged by, never the client's copy of them (DESIGN section 2).

use std::sync::Arc;

use domain::{Address, Amount, B256, Price, ReplayKey, Route, UnixMillis};
use protocol::foreign::ForeignPayload;
use protocol::payload::{Malformed, PaymentPayload};
use protocol::seal::Seal;
use protocol::verify::{
    Expected, Quote, Rejection, VerifiedPayment, verify as verify_by_key, verify_on_chain,
};
use protocol::{X402_VERSION_1, network};
use registry::agent_key::AgentKey;
use registry::config::Limits;

use crate::answer::refusal::{Refusal, Unpaid};
use crate::offer::foreign_way::ForeignWay;
use crate::offer::way::Way;
use crate::offer::{OfferedQuote, RouteOffer};
use crate::payment::credential::Credential;

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
    /// A signature over the wallet's dollar that was recovered.
    Signature(VerifiedPayment),
    /// One over a token of a public network.
    OnChain(Box<OnChain>),
    /// A payment on a network whose signatures are not verified here.
    Foreign(Box<ForeignClaim>),
    /// A right signature that pays for nothing now, because its time is over or its price is none of this route's. It may
    /// have paid: then its outcome is told, and no 402.
    Earlier { rejection: Rejection, way: Way, version: u64 },
    /// No key has signed it for its payer, whose contract may have.
    Unproven(Box<Unproven>),
}

/// A payment that is its payer's where the contract at the payer's address says so.
pub(crate) struct Unproven {
    pub(crate) payer: Address,
    pub(crate) seal: Seal,
    /// What may have been signed, and on which network. At least one.
    pub(crate) digests: Vec<(Arc<str>, B256)>,
    /// What it is refused with otherwise.
    pub(crate) refusal: Refusal,
}

/// A payment on a public network.
pub(crate) struct OnChain {
    pub(crate) payment: VerifiedPayment,
    /// The same as it came.
    pub(crate) payload: PaymentPayload,
    pub(crate) way: Way,
    /// The quote that it pays.
    pub(crate) quote: String,
}

/// A payment on a non-EVM network. Who pays, and whether it was signed rightly, is its facilitator's to say.
pub(crate) struct ForeignClaim {
    /// CAIP-2.
    pub(crate) network: Arc<str>,
    /// The version of x402 that it is written in.
    pub(crate) version: u64,
    pub(crate) replay_key: ReplayKey,
    pub(crate) digest: B256,
    /// What it pays; else what is wrong with it. It may have paid all the same, before.
    pub(crate) paid: Result<ForeignPaid, Rejection>,
}

/// What such a payment pays.
pub(crate) struct ForeignPaid {
    pub(crate) way: ForeignWay,
    /// The quote that it pays.
    pub(crate) quote: String,
    /// All of it, as it came: JSON.
    pub(crate) payload: Arc<str>,
}

// === impl Claim ===

impl Claim {
    /// At the current price.
    fn new(claimant: Claimant, route: &Route, payload: &PaymentPayload) -> Self {
        Self {
            claimant,
            price: route.price.clone(),
            revision: route.revision,
            identifier: payload.payment_identifier().map(str::to_owned),
        }
    }

    /// The most the call can cost.
    pub(crate) fn maximum(&self) -> Amount {
        self.price.maximum().unwrap_or(Amount::ZERO)
    }
}

/// Judges the credential of a priced request. `found`: what its payer's contract was found to have signed.
pub(crate) fn verify(
    credential: Credential<'_>,
    route: &Route,
    offer: &RouteOffer,
    at: UnixMillis,
    found: Option<B256>,
    limits: &Limits,
) -> Result<Claim, Refusal> {
    match credential {
        Credential::None => {
            let price = route.price.maximum().unwrap_or(Amount::ZERO);
            Err(Refusal::PaymentRequired(Unpaid::Missing { price }))
        }
        Credential::Key(key) => {
            let (price, revision) = (route.price.clone(), route.revision);
            Ok(Claim { claimant: Claimant::Key(key), price, revision, identifier: None })
        }
        Credential::Payment(header) => {
            if header.len() > limits.payment_header_bytes_max {
                return Err(Refusal::HeadersTooLarge(limits.payment_header_bytes_max));
            }
            let read = PaymentPayload::parse(header.as_bytes()).and_then(|payload| {
                if !offer.is_on(payload.network()) {
                    payload.may_be_by_key()?;
                }
                Ok(payload)
            });
            match read {
                Ok(payload) => signed(payload, route, offer, at, found),
                Err(malformed) => foreign(header.as_bytes(), route, offer, at)
                    .unwrap_or_else(|| Err(Refusal::MalformedPayment(malformed.to_string()))),
            }
        }
    }
}

/// A payment on a non-EVM network; none where it is not on one of ours.
fn foreign(
    header: &[u8],
    route: &Route,
    offer: &RouteOffer,
    at: UnixMillis,
) -> Option<Result<Claim, Refusal>> {
    if offer.foreign_networks.is_empty() {
        return None;
    }
    let payload = match ForeignPayload::parse(header) {
        Ok(payload) => payload,
        Err(malformed @ (Malformed::Field("payload.transaction") | Malformed::Number)) => {
            return Some(Err(Refusal::MalformedPayment(malformed.to_string())));
        }
        Err(_) => return None,
    };
    let network = offer.foreign_networks.iter().find(|network| ***network == *payload.network)?;
    let judged = pays(&payload, offer, at);
    let price = judged.as_ref().map_or_else(|_| route.price.clone(), |(_, paid)| Price::Fixed(paid.amount));
    let revision = judged.as_ref().map_or(route.revision, |(_, paid)| paid.revision);
    let (replay_key, digest) = (payload.replay_key(), payload.digest());
    let text: Arc<str> = payload.json.into();
    let claimed = ForeignClaim {
        network: Arc::clone(network),
        version: payload.version,
        replay_key,
        digest,
        paid: judged.map(|(way, paid)| ForeignPaid { way, quote: paid.text.clone(), payload: text }),
    };
    let claimant = Claimant::Foreign(Box::new(claimed));
    Some(Ok(Claim { claimant, price, revision, identifier: payload.identifier }))
}

/// In which way it pays, and which quote.
fn pays<'a>(
    payload: &ForeignPayload,
    offer: &'a RouteOffer,
    at: UnixMillis,
) -> Result<(ForeignWay, &'a OfferedQuote), Rejection> {
    let mut rejected = None;
    for way in &offer.foreign {
        let way = way.taken_by(payload);
        let payable: Vec<_> = offer.payable_in(&way, at).collect();
        let Some(current) = payable.first() else { continue };
        let ours = way.offer(current.amount, &current.text);
        if !payload.may_be(&ours) {
            continue;
        }
        let quotes: Vec<_> = payable
            .iter()
            .map(|quote| Quote { price: quote.amount, revision: quote.revision, quote: &quote.text })
            .collect();
        let judged = payload.pays(&ours, &quotes).map(|quote| quote.revision);
        match judged {
            Ok(revision) => {
                let paid = payable.iter().find(|quote| quote.revision == revision).ok_or(Rejection::Quote)?;
                return Ok((way, *paid));
            }
            Err(rejection) => {
                rejected.get_or_insert(rejection);
            }
        }
    }
    Err(rejected.unwrap_or_else(|| Rejection::Network(payload.network.chars().take(64).collect())))
}

/// Judges a payment in every way that it may have been made in. v1 names no token: which one was meant, its signature tells.
fn signed(
    payload: PaymentPayload,
    route: &Route,
    offer: &RouteOffer,
    at: UnixMillis,
    found: Option<B256>,
) -> Result<Claim, Refusal> {
    let (mut rejected, mut digests) = (None, Vec::new());
    let named = |way: &Way, digest| (Arc::clone(&way.currency.asset.network), digest);
    for way in candidates(&payload, offer)? {
        let payable: Vec<_> = offer.payable(way, at).collect();
        let rejection = match judge(&payload, way, &payable, at, found) {
            Ok(payment) => return claim(payment, way, &payable, payload, route),
            Err(rejection) => rejection,
        };
        digests.extend(rejection.unproven().map(|digest| named(way, digest)));
        if rejection.signed().is_some() {
            let claimant = Claimant::Earlier { rejection, way: way.of(&payload), version: payload.version() };
            return Ok(Claim::new(claimant, route, &payload));
        }
        rejected.get_or_insert(rejection);
    }
    let Some(rejected) = rejected else { return Err(Refusal::Internal) };
    // Offers change; what was signed for one of before may have paid, or still may.
    let is_meant = |way: &&Way| {
        payload.may_be_in(&way.currency.asset) && *way.currency.asset.network == *payload.network()
    };
    for way in offer.not_offered.iter().filter(is_meant) {
        let Err(other) = judge(&payload, way, &[], at, found) else { continue };
        digests.extend(other.unproven().map(|digest| named(way, digest)));
        if let Some((replay_key, payer)) = other.signed() {
            let rejection = Rejection::Unpriced { reason: Box::new(rejected), replay_key, payer };
            let claimant = Claimant::Earlier { rejection, way: way.of(&payload), version: payload.version() };
            return Ok(Claim::new(claimant, route, &payload));
        }
    }
    let refusal = refuse(&rejected);
    if digests.is_empty() || found.is_some() {
        return Err(refusal);
    }
    let (payer, seal) = (payload.transfer().from(), payload.seal().clone());
    let unproven = Unproven { payer, seal, digests, refusal };
    Ok(Claim::new(Claimant::Unproven(Box::new(unproven)), route, &payload))
}

/// The ways that a payment may have been made in; where it fits none, one that says what is wrong with it.
fn candidates<'a>(payload: &PaymentPayload, offer: &'a RouteOffer) -> Result<Vec<&'a Way>, Refusal> {
    let is_v1 = payload.version() == X402_VERSION_1;
    let is_there = |way: &&Way| *way.currency.asset.network == *payload.network();
    // The wallet's network has no name in version 1, so that nobody can mean it there.
    let is_offered = |way: &&Way| !is_v1 || network::v1_name(&way.currency.asset.network).is_some();
    let offered = || offer.ways.iter().filter(is_offered);
    let is_unnamed = is_v1 && offer.ways.iter().any(|way| is_there(&way) && !is_offered(&way));
    let Some(first) = offered().next().filter(|_| !is_unnamed) else {
        let malformed = Malformed::Version(payload.version());
        return Err(Refusal::MalformedPayment(malformed.to_string()));
    };
    let meant = || offered().filter(|way| payload.may_be_in(&way.currency.asset));
    let fitting: Vec<&Way> = meant().filter(|way| payload.is_by(&way.method(payload))).collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let meant: Vec<&Way> = meant().collect();
    Ok(if meant.is_empty() { vec![offered().find(is_there).unwrap_or(first)] } else { meant })
}

fn judge(
    payload: &PaymentPayload,
    way: &Way,
    payable: &[&OfferedQuote],
    at: UnixMillis,
    found: Option<B256>,
) -> Result<VerifiedPayment, Rejection> {
    let quotes: Vec<Quote<'_>> = payable
        .iter()
        .map(|quote| Quote { price: quote.amount, revision: quote.revision, quote: &quote.text })
        .collect();
    let expected = Expected {
        asset: &way.currency.asset,
        method: way.method(payload),
        pay_to: way.pay_to,
        max_timeout_seconds: way.currency.max_timeout_seconds(),
        margin_seconds: way.margin_seconds(),
        quotes: &quotes,
        at,
    };
    match way.currency.network {
        Some(_) => verify_on_chain(payload, &expected, found),
        // Nobody but a key signs for a wallet.
        None => verify_by_key(payload, &expected),
    }
}

/// What a verified payment pays for.
fn claim(
    payment: VerifiedPayment,
    way: &Way,
    payable: &[&OfferedQuote],
    payload: PaymentPayload,
    route: &Route,
) -> Result<Claim, Refusal> {
    let paid = payable.iter().find(|quote| quote.revision == payment.revision()).ok_or(Refusal::Internal)?;
    let (price, revision) = (paid.price.clone(), paid.revision);
    if way.currency.network.is_none() {
        let claim = Claim::new(Claimant::Signature(payment), route, &payload);
        return Ok(Claim { price, revision, ..claim });
    }
    // Tiers and free calls are an agent's, and who pays on chain is none: the price is the one that was quoted.
    let price = if price.metered().is_some() { price } else { Price::Fixed(paid.amount) };
    let identifier = payload.payment_identifier().map(str::to_owned);
    let on_chain = OnChain { way: way.of(&payload), quote: paid.text.clone(), payload, payment };
    Ok(Claim { claimant: Claimant::OnChain(Box::new(on_chain)), price, revision, identifier })
}

/// A rejected payment was not charged and never will be: it may be asked for again.
pub(crate) fn refuse(rejection: &Rejection) -> Refusal {
    Refusal::PaymentRequired(Unpaid::Rejected { code: rejection.code(), message: rejection.to_string() })
}

#[cfg(test)]
mod tests;
