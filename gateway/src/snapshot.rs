//! [`Snapshot`]: one catalog made ready to serve. One request uses one snapshot from its first byte to its last.

pub(crate) mod newer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::RouteId;
use domain::catalog::{Catalog, Provider, Route};
use futures_util::future;
use ledger::Ledger;
use protocol::quote::QuoteKey;
use registry::Registry;
use settlement::rail::Settlers;

use crate::metrics::Metrics;
use crate::offer::RouteOffer;
use crate::offer::currency::{Currencies, Extras};
use crate::rate::Rates;
use crate::traffic::{RouteTraffic, Traffic};
use crate::upstream::health;
use crate::upstream::pool::Pool;

/// How long names of a new catalog are waited for, all together, before it is put in force without them.
const RESOLVE_MAX: Duration = Duration::from_millis(500);

/// Everything a request is judged and forwarded by.
pub(crate) struct Snapshot {
    catalog: Arc<Catalog>,
    /// By route; free routes have none.
    offers: Vec<Option<Arc<RouteOffer>>>,
    /// By provider. None where its upstream cannot be used, and its routes answer 503.
    pools: Vec<Option<Arc<Pool>>>,
    rates: Rates,
    /// By route.
    traffic: Vec<Arc<RouteTraffic>>,
    /// Who may settle payments of `upto`, as the offers name them.
    settlers: Vec<Settlers>,
    /// What the offers on non-EVM networks carry.
    extras: Extras,
}

// === impl Snapshot ===

impl Snapshot {
    /// Makes a catalog ready. What is the same as in the snapshot before is taken over from it: offers, pools with what is
    /// known of their health, and the buckets of rate limits.
    pub(crate) async fn build(
        catalog: Arc<Catalog>,
        ledger: &Ledger,
        currencies: &Currencies,
        traffic: &Traffic,
        before: Option<&Self>,
    ) -> Self {
        let (settlers, extras) = (currencies.settlers(), currencies.extras());
        let offered = before.filter(|before| before.settlers == settlers && before.extras == extras);
        let offers = offers(&catalog, &QuoteKey::new(ledger.secret()), currencies, offered);
        let known = before.map(Self::pools_by_name).unwrap_or_default();
        let mut pools = Vec::with_capacity(catalog.providers().len());
        let mut resolving = Vec::new();
        for provider in catalog.providers() {
            if let Some(pool) =
                known.get(&*provider.name).filter(|pool| *pool.upstream() == provider.upstream)
            {
                pools.push(Some(Arc::clone(pool)));
                continue;
            }
            let pool = new_pool(provider, ledger).await;
            resolving.extend(pool.clone().map(|pool| tokio::spawn(health::resolve(pool))));
            pools.push(pool);
        }
        let _ = tokio::time::timeout(RESOLVE_MAX, future::join_all(resolving)).await;
        let rates = Rates::new(&catalog, before.map(|before| &before.rates));
        let traffic = catalog.routes().iter().map(|route| traffic.of(&catalog, route)).collect();
        Self { catalog, offers, pools, rates, traffic, settlers, extras }
    }

    fn pools_by_name(&self) -> HashMap<&str, &Arc<Pool>> {
        let providers = self.catalog.providers().iter().map(|provider| &*provider.name);
        providers.zip(&self.pools).filter_map(|(name, pool)| Some((name, pool.as_ref()?))).collect()
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn offer(&self, id: RouteId) -> Option<&RouteOffer> {
        self.offers.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn pool(&self, route: &Route) -> Option<&Arc<Pool>> {
        self.pools.get(route.provider.0 as usize)?.as_ref()
    }

    /// All pools in use.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.iter().flatten()
    }

    pub(crate) fn traffic(&self, id: RouteId) -> Option<&Arc<RouteTraffic>> {
        self.traffic.get(id.0 as usize)
    }

    pub(crate) const fn rates(&self) -> &Rates {
        &self.rates
    }
}

/// Follows the registry: each catalog becomes a snapshot, and the snapshot is swapped in whole.
pub(crate) async fn follow(
    registry: Registry,
    current: Arc<ArcSwap<Snapshot>>,
    ledger: Ledger,
    currencies: Currencies,
    traffic: Arc<Traffic>,
    metrics: Arc<Metrics>,
) {
    let mut catalogs = registry.catalogs();
    // Kept until the next swap: to free thousands of routes takes milliseconds, and no request shall be the last to hold it.
    let mut retired = current.load_full();
    // The first one may be newer than what serves.
    catalogs.mark_changed();
    let mut changes = currencies.changes();
    loop {
        tokio::select! {
            changed = catalogs.changed() => if changed.is_err() { return },
            () = Currencies::changed(&mut changes) => {}
        }
        let catalog = catalogs.borrow_and_update().clone();
        let before = current.load_full();
        let has_changed = before.settlers != currencies.settlers() || before.extras != currencies.extras();
        if catalog.version() > before.catalog.version() || has_changed {
            let next = Snapshot::build(catalog, &ledger, &currencies, &traffic, Some(&before)).await;
            drop(std::mem::replace(&mut retired, current.swap(Arc::new(next))));
        }
        let version = current.load().catalog.version();
        // After the swap: who waits for this number finds the catalog serving.
        metrics.set_catalog_version(version);
        registry.serves(version);
        tracing::info!(catalog.version = version, "catalog serves");
    }
}

/// What each route asks for. An offer says only what its route and its provider's recipients say.
fn offers(
    catalog: &Catalog,
    key: &QuoteKey,
    currencies: &Currencies,
    before: Option<&Snapshot>,
) -> Vec<Option<Arc<RouteOffer>>> {
    let mut known: HashMap<*const Route, (&Provider, &Arc<RouteOffer>)> = HashMap::new();
    if let Some(before) = before {
        let offered = before.catalog.routes().iter().zip(&before.offers);
        known.extend(offered.filter_map(|(route, offer)| {
            let provider = before.catalog.provider(route.provider)?;
            Some((Arc::as_ptr(route), (&**provider, offer.as_ref()?)))
        }));
    }
    let offer = |route: &Arc<Route>| {
        let provider = catalog.provider(route.provider)?;
        match known.get(&Arc::as_ptr(route)) {
            Some((then, offer))
                if (then.pay_to, then.payee) == (provider.pay_to, provider.payee)
                    && then.foreign == provider.foreign =>
            {
                Some(Arc::clone(offer))
            }
            _ => RouteOffer::new(route, provider, currencies, key).map(Arc::new),
        }
    };
    catalog.routes().iter().map(offer).collect()
}

async fn new_pool(provider: &Provider, ledger: &Ledger) -> Option<Arc<Pool>> {
    if let Err(error) = ledger.open_provider(&provider.name).await {
        tracing::error!(provider.name = %provider.name, %error, "provider has no account, its routes answer 503");
        return None;
    }
    match Pool::new(provider.upstream.clone()) {
        Ok(pool) => Some(Arc::new(pool)),
        Err(error) => {
            tracing::error!(provider.name = %provider.name, %error, "upstream cannot be used, its routes answer 503");
            None
        }
    }
}
