//! [`Catalog`]: everything a request is judged by, immutable, indices instead of names. A request uses one.
//!
//! Made by `registry` from a file or from database rows, and only from what passed every check; nothing per agent
//! stands here. The gateway builds its snapshot (challenges, upstreams) from it.

mod serve;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;

use crate::amount::BasisPoints;
use crate::chain::{OfferOrder, Payee, Settle};
use crate::foreign_name::ForeignName;
use crate::path::CanonicalPath;
use crate::pattern::PathPattern;
use crate::price::Price;
use crate::rate::RateLimit;
use crate::router::{Entry, Methods, RouteId, Router};
use crate::scope::Sold;
use crate::secret::Secret;
use crate::settlement::SettlementRules;
use crate::time::UnixMillis;
pub use serve::{Served, Unserved};

/// One version of providers, routes and prices.
#[derive(Debug)]
pub struct Catalog {
    version: u64,
    providers: Vec<Arc<Provider>>,
    routes: Vec<Arc<Route>>,
    /// Shared by versions that answer the same requests.
    router: Arc<Router>,
}

/// A provider by its place in its catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(pub u32);

/// Who is paid, and where the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Unique, stable: the name of its accounts in the ledger.
    pub name: Arc<str>,
    /// What signed payments must be made out to; one per provider, so that a payment for one is void at another.
    pub pay_to: Address,
    /// How it is paid on public networks; not at all where not set.
    pub payee: Option<Payee>,
    /// Its own addresses on non-EVM networks, each by its network (CAIP-2).
    pub foreign: Vec<(Arc<str>, ForeignName)>,
    /// The platform's share of each payment.
    pub fee: BasisPoints,
    /// Hosts its routes are served on, lower case, without port; none means every host nobody else names.
    pub hosts: Vec<String>,
    /// Not served and not sold: its routes answer 503, and its quotes have ended.
    pub suspended: bool,
    /// How often one consumer may call it, all its routes together.
    pub rate_limit: Option<RateLimit>,
    /// When it is settled with.
    pub settlement: SettlementRules,
    /// Where its API is.
    pub upstream: Upstream,
}

/// The addresses and manners of an unmodified API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// One or several addresses that serve the same; healthy ones take turns.
    pub addresses: Vec<UpstreamAddress>,
    /// Set when the addresses speak TLS; always verified.
    pub tls: Option<UpstreamTls>,
    /// Put before the canonical path; empty, or begins with a slash and ends without one.
    pub base_path: String,
    /// The `Host` to send; the name of the address where not set.
    pub host: Option<String>,
    /// Fields set on every request: the provider's own API key. Names lower case.
    pub headers: Vec<(String, Secret)>,
    /// Always set.
    pub timeouts: UpstreamTimeouts,
    /// How to tell that an address is healthy; not asked where not set.
    pub health: Option<HealthCheck>,
    /// Speak HTTP/2 to it.
    pub http2: bool,
    /// Connect to addresses of the public internet only: whoever wrote it must not reach the operator's own network.
    pub public_only: bool,
}

/// Where one server of an upstream listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamAddress {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How the upstream's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name in the certificate and in SNI.
    pub server_name: String,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Every phase of a call has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Until the TCP connection and its TLS handshake stand.
    pub connect: Duration,
    /// Between the request and the response's header, and between two reads of its body.
    pub read: Duration,
    /// Between two writes of the request.
    pub write: Duration,
    /// How long an unused connection is kept. Shorter than the upstream's own keep-alive, or a POST may meet a
    /// closed connection.
    pub idle: Duration,
}

/// A question asked of every address, in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// A path that answers 2xx when healthy; without it, a TCP connection is enough.
    pub path: Option<String>,
    /// How often.
    pub interval: Duration,
}

/// One priced or free way into a provider's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Unique, stable: in metrics, policies and the ledger.
    pub name: Arc<str>,
    /// Whose it is.
    pub provider: ProviderId,
    /// Methods answered.
    pub methods: Methods,
    /// Paths answered.
    pub pattern: PathPattern,
    /// What kind of thing it sells, for policies and keys.
    pub category: Option<Arc<str>>,
    /// What a call costs now.
    pub price: Price,
    /// How many calls a day, UTC, each agent has for nothing.
    pub free_per_day: u32,
    /// Grows with every change of the route; part of the quote.
    pub revision: u32,
    /// The version of the catalog that brought this revision; part of the quote.
    pub since: u64,
    /// Earlier prices that are still payable, newest first, at most [`SUPERSEDED_PRICES_MAX`].
    pub superseded: Vec<SupersededPrice>,
    /// What the offer says of the resource.
    pub description: String,
    /// The media type that the offer names.
    pub mime_type: String,
    /// Whether a request may be sent a second time.
    pub retry: Retry,
    /// Which answers of the upstream are charged.
    pub charge_on: ChargeOn,
    /// When a call's money is made safe against a crash and a client that leaves.
    pub capture: Capture,
    /// When a payment on a public network is settled.
    pub settle: Settle,
    /// Which of its offers stand first.
    pub offer_order: OfferOrder,
    /// A captured payment whose delivery is unconfirmed may be forwarded once more, whatever the method.
    pub redeliver: bool,
    /// `%2F` may stand in the last parameter.
    pub escaped_slash: bool,
    /// Paid answers keep the upstream's `Cache-Control` as it is.
    pub cacheable: bool,
    /// Longest request body, in bytes; 413 above.
    pub request_bytes_max: u64,
    /// A stream broken off by the upstream after this many bytes was delivered: no refund.
    pub stream_bytes_min: u64,
    /// How often one consumer may call it.
    pub rate_limit: Option<RateLimit>,
}

/// A price that was, and until when a quote for it is honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupersededPrice {
    /// The revision that quoted it.
    pub revision: u32,
    /// The version of the catalog that brought that revision.
    pub since: u64,
    /// The price.
    pub price: Price,
    /// The end of its quotes.
    pub until: UnixMillis,
}

/// How many superseded prices a route remembers: all of half a minute where it changes ten times a second.
pub const SUPERSEDED_PRICES_MAX: usize = 300;

/// Whether a failed request may be sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Only where no byte of it can have reached an upstream.
    #[default]
    Never,
    /// GET, HEAD and OPTIONS also after a connection died under them.
    Safe,
}

/// When a call's money is made safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// With the upstream's answer: until then a crash, or a client that leaves a safe request, charges nothing.
    #[default]
    After,
    /// Before the request is forwarded, by a hold that outlives the process: from then on only an upstream that does not
    /// deliver ends it uncharged.
    Before,
}

/// The statuses of the upstream that are charged. The default: 2xx, 101 and 304.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChargeOn {
    /// Charged instead of the default list, where set; with 200 comes 206.
    pub statuses: Option<Vec<u16>>,
}

// === impl Catalog ===

impl Catalog {
    /// Puts providers and routes together.
    ///
    /// # Errors
    /// The index of a route and the index of the route it collides with: both answer the same requests, or
    /// differ only in case.
    pub fn new(
        version: u64,
        providers: Vec<Arc<Provider>>,
        routes: Vec<Arc<Route>>,
    ) -> Result<Self, (usize, usize)> {
        let mut router = Router::default();
        for (index, route) in routes.iter().enumerate() {
            let hosts = providers.get(route.provider.0 as usize).map_or(&[][..], |provider| &provider.hosts);
            let entry = Entry {
                route: RouteId(u32::try_from(index).unwrap_or(u32::MAX)),
                hosts,
                methods: &route.methods,
                pattern: &route.pattern,
                priced: route.price != Price::Free,
            };
            router.insert(&entry).map_err(|taken| (index, taken.0 as usize))?;
        }
        Ok(Self { version, providers, routes, router: Arc::new(router) })
    }

    /// As [`Self::new`], for the version after `before`: where only prices and terms differ, its router is kept.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn after(
        before: &Self,
        version: u64,
        providers: Vec<Arc<Provider>>,
        routes: Vec<Arc<Route>>,
    ) -> Result<Self, (usize, usize)> {
        let same = same(before.providers(), &providers, |one, other| one.hosts == other.hosts)
            && same(before.routes(), &routes, Route::answers_as);
        if !same {
            return Self::new(version, providers, routes);
        }
        Ok(Self { version, providers, routes, router: Arc::clone(&before.router) })
    }

    /// A catalog that serves nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self { version: 0, providers: Vec::new(), routes: Vec::new(), router: Arc::default() }
    }

    /// Grows with every catalog that is put in force.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// All routes; a [`RouteId`] is an index into them.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// All providers; a [`ProviderId`] is an index into them.
    #[must_use]
    pub fn providers(&self) -> &[Arc<Provider>] {
        &self.providers
    }

    /// The route with this index.
    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.routes.get(id.0 as usize)
    }

    /// The provider of a route.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> Option<&Arc<Provider>> {
        self.providers.get(id.0 as usize)
    }

    /// The methods that a path is answered for; none where it is for any, or for none.
    #[must_use]
    pub fn methods(&self, host: &str, path: &CanonicalPath) -> Vec<String> {
        self.router.methods(host, path)
    }

    /// The route that answers a request. `host` is lower case, without its port.
    #[must_use]
    pub fn find(&self, host: &str, method: &str, path: &CanonicalPath) -> Option<RouteId> {
        self.router.find(host, method, path)
    }
}

// === impl Route ===

impl Route {
    /// Whether a call must be paid.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.price != Price::Free
    }

    /// What its calls are of, for policies and keys; `provider` is its provider's name.
    #[must_use]
    pub fn sold<'a>(&'a self, provider: &'a str) -> Sold<'a> {
        Sold { route: &self.name, provider, category: self.category.as_deref() }
    }

    /// Whether it is found by the same requests as another route in its place.
    #[must_use]
    pub fn answers_as(&self, other: &Self) -> bool {
        self.provider == other.provider
            && self.methods == other.methods
            && self.pattern == other.pattern
            && self.is_priced() == other.is_priced()
    }

    /// The prices a payment may be judged by at `at`: the current one first, then those still honoured.
    pub fn payable(&self, at: UnixMillis) -> impl Iterator<Item = (u32, &Price)> {
        let earlier = self.superseded.iter().filter(move |price| at < price.until);
        std::iter::once((self.revision, &self.price))
            .chain(earlier.map(|earlier| (earlier.revision, &earlier.price)))
    }
}

// === impl ChargeOn ===

impl ChargeOn {
    /// Whether an upstream's answer with this status was a delivery. A part (206) counts wherever the whole does: a client may ask for
    /// all of it as one part (RFC 9110 section 14.2).
    #[must_use]
    pub fn charges(&self, status: u16) -> bool {
        match &self.statuses {
            Some(list) => list.contains(&status) || (status == 206 && list.contains(&200)),
            None => matches!(status, 101 | 200..=299 | 304),
        }
    }
}

fn same<T>(one: &[Arc<T>], other: &[Arc<T>], alike: impl Fn(&T, &T) -> bool) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other) || alike(one, other))
}
