//! [`RouteOffer`]: what a priced route asks for: every way to pay it, and every quote that still pays for it.
//!
//! A way to pay ([`way`], on a non-EVM network [`foreign_way`]) is in a currency ([`currency`]); all ways of a route are told in one 402
//! ([`challenge`]).

pub(crate) mod challenge;
pub(crate) mod currency;
pub(crate) mod foreign_way;
pub(crate) mod way;

use std::sync::Arc;

use domain::catalog::{Provider, Route};
use domain::{Amount, Network, OfferOrder, Payee, Price, Settle, UnixMillis};
use protocol::offer::Offer;
use protocol::quote::QuoteKey;
use registry::catalog::QUOTE_TTL_MS;
use settlement::Foreign;

use crate::offer::challenge::Challenge;
use crate::offer::currency::{Currencies, Currency};
use crate::offer::foreign_way::ForeignWay;
use crate::offer::way::{Moves, Way};

/// What a priced route asks for.
pub(crate) struct RouteOffer {
    pub(crate) challenge: Challenge,
    /// In the order of the 402.
    pub(crate) ways: Vec<Way>,
    /// On non-EVM networks, in the order of the 402.
    pub(crate) foreign: Vec<ForeignWay>,
    /// Such networks (CAIP-2), whether the route is offered there or not: what was signed for one may have paid.
    pub(crate) foreign_networks: Vec<Arc<str>>,
    /// Ways that are not offered, and may have been: what was signed in one may have paid.
    pub(crate) not_offered: Vec<Way>,
    quotes: Vec<OfferedQuote>,
}

/// A price that was offered and may still be paid.
pub(crate) struct OfferedQuote {
    pub(crate) price: Price,
    pub(crate) amount: Amount,
    pub(crate) revision: u32,
    pub(crate) text: String,
    /// The end of a superseded price; none for the current one.
    until: Option<UnixMillis>,
}

// === impl RouteOffer ===

impl RouteOffer {
    /// None for a free route.
    pub(crate) fn new(
        route: &Route,
        provider: &Provider,
        currencies: &Currencies,
        key: &QuoteKey,
    ) -> Option<Self> {
        let offered = |revision: u32, since: u64, price: &Price, until: Option<UnixMillis>| {
            let text = key.quote(&route.name, price, revision, since);
            price.maximum().map(|amount| OfferedQuote { price: price.clone(), amount, revision, text, until })
        };
        let current = offered(route.revision, route.since, &route.price, None)?;
        let ways = ways(route, provider, currencies);
        let mut offers: Vec<Offer> =
            ways.iter().map(|way| way.offer(current.amount, &current.text)).collect();
        let foreign = foreign_way::ways(route, provider, currencies.foreign());
        // Behind those of EVM networks; the wallet's is the first of all, or the last.
        let place = match route.offer_order {
            OfferOrder::ChainFirst => offers.len().saturating_sub(1),
            OfferOrder::WalletFirst => offers.len(),
        };
        offers.splice(place..place, foreign.iter().map(|way| way.offer(current.amount, &current.text)));
        let lines = currencies.foreign().into_iter().flat_map(Foreign::lines);
        let foreign_networks = lines.map(|line| Arc::clone(&line.network().id)).collect();
        let challenge = Challenge::new(route, &offers);
        let earlier = route
            .superseded
            .iter()
            .filter_map(|old| offered(old.revision, old.since, &old.price, Some(old.until)));
        let quotes = std::iter::once(current).chain(earlier).collect();
        let not_offered = not_offered(provider, currencies, &ways);
        Some(Self { challenge, ways, foreign, foreign_networks, not_offered, quotes })
    }

    /// The quotes that pay for the route at `at`, the current one first. One that was given for a payment that may be valid
    /// for longer than quotes are kept is honoured for as long.
    pub(crate) fn payable(&self, way: &Way, at: UnixMillis) -> impl Iterator<Item = &OfferedQuote> {
        self.valid(way.currency.max_timeout_seconds(), way.takes_less(), at)
    }

    /// The same of a way on a non-EVM network.
    pub(crate) fn payable_in(&self, way: &ForeignWay, at: UnixMillis) -> impl Iterator<Item = &OfferedQuote> {
        self.valid(way.max_timeout_seconds, false, at)
    }

    fn valid(&self, seconds: u64, takes_less: bool, at: UnixMillis) -> impl Iterator<Item = &OfferedQuote> {
        let valid_ms = seconds.saturating_mul(1000);
        let longer = i64::try_from(valid_ms).unwrap_or(i64::MAX).saturating_sub(QUOTE_TTL_MS).max(0);
        let quotes = self.quotes.iter().filter(move |quote| takes_less || quote.price.metered().is_none());
        quotes.filter(move |quote| quote.until.is_none_or(|until| at < until.plus(longer)))
    }

    /// Whether a network is a public one on which the route is, or may have been, paid.
    pub(crate) fn is_on(&self, network: &str) -> bool {
        let is_there = |way: &Way| way.currency.network.as_ref().is_some_and(|found| *found.id == *network);
        self.ways.iter().chain(&self.not_offered).any(is_there)
    }

    /// Whether the route can be paid on a public network.
    pub(crate) fn is_on_chain(&self) -> bool {
        !self.foreign.is_empty() || self.ways.iter().any(|way| way.currency.network.is_some())
    }
}

/// The wallet, and every token of every network where the provider can be paid, in each way that the price can be paid in. A route that takes
/// the money before its upstream answers is offered only where it could be given back: out of our treasury, on a network on which something
/// can leave it, and where the price is known before.
fn ways(route: &Route, provider: &Provider, currencies: &Currencies) -> Vec<Way> {
    let wallet = Way {
        currency: Arc::clone(&currencies.wallet),
        moves: Moves::Authorization,
        pay_to: provider.pay_to,
        payee: None,
    };
    let can_be = |payee: Payee, network: &Network| match route.settle {
        Settle::Before => {
            let can_give_back = payee == Payee::Treasury && currencies.outlets.contains(&network.id);
            can_give_back && route.price.metered().is_none()
        }
        Settle::After | Settle::Deferred => true,
    };
    let way = |currency: &Arc<Currency>, moves: Moves| {
        let (payee, network) = (provider.payee?, currency.network.as_ref()?);
        let pay_to = payee.address(network).filter(|_| can_be(payee, network))?;
        Some(Way { currency: Arc::clone(currency), moves, pay_to, payee: Some(payee) })
    };
    let tokens = currencies.tokens.iter().flat_map(|currency| {
        let moves = moves(route, currency, currencies);
        moves.into_iter().filter_map(|moves| way(currency, moves))
    });
    match route.offer_order {
        OfferOrder::ChainFirst => tokens.chain(std::iter::once(wallet)).collect(),
        OfferOrder::WalletFirst => std::iter::once(wallet).chain(tokens).collect(),
    }
}

/// How the price of a route can be paid in a currency. What is signed for `exact` is moved whole: a price that is known from the answer
/// needs `upto`.
fn moves(route: &Route, currency: &Currency, currencies: &Currencies) -> Vec<Moves> {
    if route.price.metered().is_none() {
        return currency.methods.iter().copied().map(Moves::from).collect();
    }
    let settlers = currencies.settlers_of(currency);
    Some(Moves::Upto(settlers.clone())).filter(|_| !settlers.is_empty()).into_iter().collect()
}

/// All that could be offered on public networks beside these ways, whatever route, prices, settlers and treasury are now.
fn not_offered(provider: &Provider, currencies: &Currencies, ways: &[Way]) -> Vec<Way> {
    let is_offered = |currency: &Arc<Currency>, moves: &Moves| {
        let is_like = |way: &Way| std::mem::discriminant(&way.moves) == std::mem::discriminant(moves);
        ways.iter().any(|way| Arc::ptr_eq(&way.currency, currency) && is_like(way))
    };
    let all = currencies.tokens.iter().flat_map(|currency| {
        let moves = [Moves::Authorization, Moves::Permit, Moves::Upto([].into())];
        moves.into_iter().map(move |moves| (currency, moves))
    });
    let others = all.filter(|(currency, moves)| !is_offered(currency, moves));
    others
        .map(|(currency, moves)| Way {
            currency: Arc::clone(currency),
            moves,
            pay_to: provider.pay_to,
            payee: provider.payee,
        })
        .collect()
}

#[cfg(test)]
mod tests;
