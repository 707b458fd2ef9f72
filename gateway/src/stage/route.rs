//! Route: one route of one catalog, or nothing is forwarded.

use std::sync::Arc;

use domain::RouteId;
use domain::catalog::{Provider, Route, Served};

use crate::answer::refusal::Refusal;
use crate::offer::RouteOffer;
use crate::rate::RouteLimits;
use crate::snapshot::Snapshot;
use crate::stage::admit::Admitted;
use crate::traffic::RouteTraffic;
use crate::upstream::pool::Pool;

/// Where a request goes, and what that costs. Holds on to the snapshot it was found in.
#[derive(Clone)]
pub(crate) struct Routed {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) id: RouteId,
    pub(crate) route: Arc<Route>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) pool: Arc<Pool>,
}

// === impl Routed ===

impl Routed {
    /// What is asked for it; `None` on a free route.
    pub(crate) fn offer(&self) -> Option<&RouteOffer> {
        self.snapshot.offer(self.id)
    }

    /// Where its calls are counted.
    pub(crate) fn traffic(&self) -> Option<&Arc<RouteTraffic>> {
        self.snapshot.traffic(self.id)
    }

    /// How often it may be called; `None` where nothing is said.
    pub(crate) fn limits(&self) -> Option<&RouteLimits> {
        self.snapshot.rates().of(self.id)
    }
}

/// Finds the route of an admitted request.
pub(crate) fn route(snapshot: &Arc<Snapshot>, request: &Admitted) -> Result<Routed, Refusal> {
    if !request.may_be_served() {
        let allowed = snapshot.catalog().methods(request.host(), &request.path);
        return Err(Refusal::Method { method: Some(request.method.clone()), allowed });
    }
    let Served { id, route, provider } =
        snapshot.catalog().serve(request.host(), &request.method, &request.path)?;
    if request.content_length.is_some_and(|length| length > route.request_bytes_max) {
        return Err(Refusal::BodyTooLarge(route.request_bytes_max));
    }
    // Asked before a challenge: nobody should pay for what cannot be served.
    let pool = snapshot.pool(route).filter(|pool| pool.is_available()).ok_or(Refusal::NoUpstream)?;
    Ok(Routed {
        snapshot: Arc::clone(snapshot),
        id,
        route: Arc::clone(route),
        provider: Arc::clone(provider),
        pool: Arc::clone(pool),
    })
}
