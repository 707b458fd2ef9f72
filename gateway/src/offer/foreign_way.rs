//! [`ForeignWay`]: one way to pay a route on a non-EVM network.

use std::sync::Arc;

use domain::catalog::{Provider, Route};
use domain::{Amount, ForeignName, ForeignNetwork, Settle};
use protocol::foreign::ForeignPayload;
use protocol::offer::Offer;
use serde_json::{Map, Value};
use settlement::Foreign;
use settlement::foreign::OfferTerms;

/// A token of such a network, made out to a provider's own address there.
#[derive(Clone, Debug)]
pub(crate) struct ForeignWay {
    pub(crate) network: Arc<str>,
    pub(crate) token: ForeignName,
    pub(crate) pay_to: ForeignName,
    pub(crate) max_timeout_seconds: u64,
    /// What its facilitator wants clients to find in an offer.
    extra: Arc<Map<String, Value>>,
    /// By what of it.
    terms: Arc<OfferTerms>,
}

/// All ways to pay a route: in each token of each network where its provider has an address, whose facilitator has said what offers must
/// carry. What is signed there moves whole, and nothing can be taken back or collected later: a price that is known only from the answer,
/// and any other time to settle than after it, has none.
pub(crate) fn ways(route: &Route, provider: &Provider, foreign: Option<&Foreign>) -> Vec<ForeignWay> {
    let can_be = route.settle == Settle::After && route.price.metered().is_none();
    let Some(foreign) = foreign.filter(|_| can_be) else { return Vec::new() };
    let mut ways = Vec::new();
    for line in foreign.lines() {
        let ForeignNetwork { id, tokens, max_timeout_seconds } = line.network();
        let own = provider.foreign.iter().find(|(network, _)| network == id);
        let (Some((_, pay_to)), Some(terms)) = (own, foreign.terms(id)) else { continue };
        ways.extend(tokens.iter().map(|token| ForeignWay {
            network: Arc::clone(id),
            token: *token,
            pay_to: *pay_to,
            max_timeout_seconds: *max_timeout_seconds,
            extra: Arc::clone(&terms.extra),
            terms: Arc::clone(&terms),
        }));
    }
    ways
}

// === impl ForeignWay ===

impl ForeignWay {
    /// The same as it was when a client took it: it may have named another account of its facilitator then.
    pub(crate) fn taken_by(&self, payload: &ForeignPayload) -> Self {
        let extra =
            payload.taken().map_or_else(|| Arc::clone(&self.extra), |taken| self.terms.taken_as(taken));
        Self { extra, ..self.clone() }
    }

    /// What is asked for in this way.
    pub(crate) fn offer(&self, amount: Amount, quote: &str) -> Offer {
        let names = (&*self.network, self.token.as_str(), self.pay_to.as_str());
        Offer::foreign(names, amount, self.max_timeout_seconds, (&self.extra, quote))
    }
}
