//! [`Snapshot`]: one catalog made ready to serve. One request uses one snapshot from its first byte to its last.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::catalog::{Catalog, Provider, Route};
use domain::{RouteId, UnixMillis};
use ledger::Ledger;
use protocol::eip712;
use protocol::quote::QuoteKey;
use tokio::sync::watch;

use crate::challenge::Challenge;
use crate::health;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::rate::Rates;
use crate::traffic::{RouteTraffic, Traffic};

/// Changes that come within this time become one version.
const GATHER: Duration = Duration::from_millis(50);

/// How long names of a new catalog are waited for before it is put in force without them.
const RESOLVE_MAX: Duration = Duration::from_secs(2);

/// Everything a request is judged and forwarded by.
pub(crate) struct Snapshot {
    catalog: Arc<Catalog>,
    /// By route; free routes have none.
    offers: Vec<Option<RouteOffer>>,
    /// By provider. None where its upstream cannot be used, and its routes answer 503.
    pools: Vec<Option<Arc<Pool>>>,
    rates: Rates,
    /// By route.
    traffic: Vec<Arc<RouteTraffic>>,
    domain: Arc<eip712::Domain>,
}

/// What a priced route asks for, and every quote that still pays for it.
pub(crate) struct RouteOffer {
    pub(crate) challenge: Challenge,
    pub(crate) quotes: Vec<OfferedQuote>,
}

/// A price that was offered and may still be paid.
pub(crate) struct OfferedQuote {
    pub(crate) price: domain::Price,
    pub(crate) amount: domain::Amount,
    pub(crate) revision: u32,
    pub(crate) text: String,
    /// The end of a superseded price; none for the current one.
    pub(crate) until: Option<UnixMillis>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Makes a catalog ready. Pools, and with them what is known of health, are taken over from the snapshot before
    /// where the upstream is the same, and so are the buckets of rate limits whose terms are.
    pub(crate) async fn build(
        catalog: Arc<Catalog>,
        ledger: &Ledger,
        traffic: &Traffic,
        before: Option<&Self>,
    ) -> Self {
        let asset = ledger.asset();
        let key = QuoteKey::new(ledger.secret());
        let offers = catalog
            .routes()
            .iter()
            .map(|route| {
                let provider = catalog.provider(route.provider)?;
                RouteOffer::new(route, provider, asset, &key)
            })
            .collect();
        let mut pools = Vec::with_capacity(catalog.providers().len());
        for provider in catalog.providers() {
            if let Err(error) = ledger.open_provider(&provider.name).await {
                tracing::error!(provider.name = %provider.name, %error, "provider has no account, its routes answer 503");
                pools.push(None);
                continue;
            }
            pools.push(pool(provider, before).await);
        }
        let rates = Rates::new(&catalog, before.map(|before| &before.rates));
        let traffic = catalog.routes().iter().map(|route| traffic.of(&catalog, route)).collect();
        Self { catalog, offers, pools, rates, traffic, domain: Arc::new(eip712::Domain::new(asset)) }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.catalog.route(id)
    }

    pub(crate) fn provider(&self, route: &Route) -> Option<&Arc<Provider>> {
        self.catalog.provider(route.provider)
    }

    pub(crate) fn offer(&self, id: RouteId) -> Option<&RouteOffer> {
        self.offers.get(id.0 as usize)?.as_ref()
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

    pub(crate) fn domain(&self) -> &eip712::Domain {
        &self.domain
    }
}

// === impl RouteOffer ===

impl RouteOffer {
    fn new(route: &Route, provider: &Provider, asset: &domain::Asset, key: &QuoteKey) -> Option<Self> {
        let offered = |revision: u32, price: &domain::Price, until: Option<UnixMillis>| {
            let text = key.quote(&route.name, price, revision);
            price.maximum().map(|amount| OfferedQuote { price: price.clone(), amount, revision, text, until })
        };
        let current = offered(route.revision, &route.price, None)?;
        let challenge = Challenge::new(route, provider, asset, current.amount, &current.text);
        let earlier =
            route.superseded.iter().filter_map(|old| offered(old.revision, &old.price, Some(old.until)));
        let quotes = std::iter::once(current).chain(earlier).collect();
        Some(Self { challenge, quotes })
    }
}

/// Follows the registry: each catalog becomes a snapshot, and the snapshot is swapped in whole.
pub(crate) async fn follow(
    mut catalogs: watch::Receiver<Arc<Catalog>>,
    current: Arc<ArcSwap<Snapshot>>,
    ledger: Ledger,
    traffic: Arc<Traffic>,
    metrics: Arc<Metrics>,
) {
    // Kept until the next swap: to free thousands of routes takes milliseconds, and no request shall be the last to hold it.
    let mut retired = current.load_full();
    while catalogs.changed().await.is_ok() {
        tokio::time::sleep(GATHER).await;
        let catalog = catalogs.borrow_and_update().clone();
        let before = current.load_full();
        let next = Snapshot::build(catalog, &ledger, &traffic, Some(&before)).await;
        let version = next.catalog.version();
        drop(std::mem::replace(&mut retired, current.swap(Arc::new(next))));
        // After the swap: who waits for this number finds the catalog serving.
        metrics.set_catalog_version(version);
        tracing::info!(catalog.version = version, "catalog serves");
    }
}

async fn pool(provider: &Provider, before: Option<&Snapshot>) -> Option<Arc<Pool>> {
    let known = before.and_then(|before| before.pools().find(|pool| *pool.upstream() == provider.upstream));
    if let Some(pool) = known {
        return Some(Arc::clone(pool));
    }
    match Pool::new(provider.upstream.clone()) {
        Ok(pool) => {
            let pool = Arc::new(pool);
            let _ = tokio::time::timeout(RESOLVE_MAX, health::resolve(Arc::clone(&pool))).await;
            Some(pool)
        }
        Err(error) => {
            tracing::error!(provider.name = %provider.name, %error, "upstream cannot be used, its routes answer 503");
            None
        }
    }
}
