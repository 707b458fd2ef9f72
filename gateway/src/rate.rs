//! [`Rates`]: the rate limits of one catalog and the buckets behind them. What is counted when is in
//! [`crate::stage::rate`].
//!
//! A limiter whose terms did not change is taken over by the next catalog with all its buckets; one whose terms changed
//! begins anew. Buckets are bounded, all limits together: see [`buckets`].

mod buckets;
mod limiter;
mod strangers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::{Catalog, RateLimit, RouteId};
use ledger::{Ledger, LedgerError};

use crate::rail::Public;
use crate::snapshot::Snapshot;

pub(crate) use limiter::{Consumer, Limiter, Scope, Standing};
pub(crate) use strangers::{SCOPE as STRANGERS, Strangers};

/// How often buckets that are full again are let go of.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The limiters of a catalog.
#[derive(Default)]
pub(crate) struct Rates {
    space: limiter::Space,
    providers: Named,
    routes: Named,
    /// By route; most have none.
    limits: Vec<Option<RouteLimits>>,
}

/// By the name of what they limit.
type Named = HashMap<Arc<str>, Arc<Limiter>>;

/// The limits that a call of one route falls under, each with the name of what it limits: the route's, then the provider's.
/// At least one of them is there.
pub(crate) struct RouteLimits {
    limiters: Vec<(Arc<str>, Arc<Limiter>)>,
}

// === impl Rates ===

impl Rates {
    /// The limiters of a catalog, those of unchanged terms with the buckets that they had before.
    pub(crate) fn new(catalog: &Catalog, before: Option<&Self>) -> Self {
        let none = Self::default();
        let before = before.unwrap_or(&none);
        let space = before.space.clone();
        let providers = catalog.providers().iter().map(|provider| (&provider.name, provider.rate_limit));
        let providers = named(providers, &before.providers, Scope::Provider, &space);
        let routes = catalog.routes().iter().map(|route| (&route.name, route.rate_limit));
        let routes = named(routes, &before.routes, Scope::Route, &space);
        let of_route = |route: &domain::Route| {
            let provider = catalog.provider(route.provider)?;
            let of = |named: &Named, name: &Arc<str>| Some((Arc::clone(name), named.get(name).cloned()?));
            let limits = [of(&routes, &route.name), of(&providers, &provider.name)];
            let limiters: Vec<_> = limits.into_iter().flatten().collect();
            (!limiters.is_empty()).then_some(RouteLimits { limiters })
        };
        let limits = catalog.routes().iter().map(|route| of_route(route)).collect();
        Self { space, providers, routes, limits }
    }

    /// What a call of this route falls under; most fall under nothing.
    pub(crate) fn of(&self, route: RouteId) -> Option<&RouteLimits> {
        self.limits.get(route.0 as usize)?.as_ref()
    }

    fn limiters(&self) -> impl Iterator<Item = &Arc<Limiter>> {
        self.providers.values().chain(self.routes.values())
    }
}

// === impl RouteLimits ===

impl RouteLimits {
    /// Counts a call under every limit, until one refuses it. What was counted before that stays counted.
    pub(crate) fn count(&self, consumer: Consumer) -> Vec<Standing> {
        let mut standings = Vec::with_capacity(self.limiters.len());
        for (_, limiter) in &self.limiters {
            let standing = limiter.count(consumer);
            let is_over = standing.wait.is_some();
            standings.push(standing);
            if is_over {
                break;
            }
        }
        standings
    }

    /// The same with all other gateways together.
    ///
    /// # Errors
    /// The database does not answer.
    pub(crate) async fn count_together(
        &self,
        consumer: Consumer,
        ledger: &Ledger,
    ) -> Result<Vec<Standing>, LedgerError> {
        let mut standings = Vec::with_capacity(self.limiters.len());
        for (name, limiter) in &self.limiters {
            let standing = limiter.count_together(name, consumer, ledger).await?;
            let is_over = standing.wait.is_some();
            standings.push(standing);
            if is_over {
                break;
            }
        }
        Ok(standings)
    }
}

fn named<'a>(
    terms: impl Iterator<Item = (&'a Arc<str>, Option<RateLimit>)>,
    before: &Named,
    scope: Scope,
    space: &limiter::Space,
) -> Named {
    let limited = terms.filter_map(|(name, limit)| Some((name, limit?)));
    let limiters = limited.map(|(name, limit)| {
        let known = before.get(name).filter(|known| known.limit() == limit).cloned();
        let limiter =
            known.unwrap_or_else(|| Arc::new(Limiter::new(scope, limit, space, Default::default())));
        (Arc::clone(name), limiter)
    });
    limiters.collect()
}

/// Lets go of buckets that are full again, until the runtime ends.
pub(crate) async fn sweep(
    snapshot: Arc<ArcSwap<Snapshot>>,
    public: Option<Arc<Public>>,
    nobodies: Arc<Strangers>,
) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        snapshot.load_full().rates().limiters().for_each(|limiter| limiter.sweep());
        nobodies.sweep();
        if let Some(public) = &public {
            public.strangers.sweep();
        }
    }
}

#[cfg(test)]
mod tests;
