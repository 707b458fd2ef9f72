//! [`Limiter`]: one limit, a bucket for each consumer (GCRA, by the crate `governor`). Time comes from its clock.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use domain::internet::customer;
use domain::{AgentId, RateLimit};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};
use ledger::{CallCount, CallsOf, Ledger, LedgerError};

use crate::limits::RATE_BUCKETS_MAX;
use crate::rate::buckets::{self, Buckets};

/// Whose calls are counted together. Never what a client only says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumer {
    /// Whose key or signature was verified.
    Agent(AgentId),
    /// Everybody else, by where the connection comes from: see [`Consumer::at`].
    Address(IpAddr),
}

/// What a limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One route.
    Route,
    /// All routes of a provider.
    Provider,
}

/// The space of all buckets, of agents and of addresses apart: no flood of addresses costs an agent its bucket.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    agents: Arc<buckets::Space>,
    addresses: Arc<buckets::Space>,
}

/// One limit and its buckets.
#[derive(Debug)]
pub(crate) struct Limiter<C: Clock = MonotonicClock> {
    scope: Scope,
    limit: RateLimit,
    clock: C,
    agents: Keyed<AgentId, C>,
    addresses: Keyed<IpAddr, C>,
}

type Keyed<K, C> = RateLimiter<K, Buckets<K>, C, StateInformationMiddleware>;

/// What is left to a consumer of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) scope: Scope,
    pub(crate) limit: RateLimit,
    /// Calls that would be let through now.
    pub(crate) remaining: u32,
    /// Set where the call is one too many: when the next one is let through.
    pub(crate) wait: Option<Duration>,
}

// === impl Consumer ===

impl Consumer {
    /// Whoever connects from there. A client without an address is one with all others without.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self::Address(address.map_or(Ipv4Addr::UNSPECIFIED.into(), customer))
    }

    /// Where it connects from, where that is all that is known of it.
    pub(crate) const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Agent(_) => None,
        }
    }

    /// Whose share of the counter of several gateways its calls take.
    pub(super) const fn of(self) -> CallsOf {
        match self {
            Self::Agent(_) => CallsOf::Agents,
            Self::Address(_) => CallsOf::Addresses,
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Address(address) => write!(f, "address:{address}"),
        }
    }
}

// === impl Scope ===

impl Scope {
    /// As it stands in fields, answers and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Provider => "provider",
        }
    }
}

// === impl Space ===

impl Space {
    /// Room for so many agents, and for so many addresses.
    pub(crate) fn new(max: usize) -> Self {
        let space = || Arc::new(buckets::Space::new(max));
        Self { agents: space(), addresses: space() }
    }
}

impl Default for Space {
    fn default() -> Self {
        Self::new(RATE_BUCKETS_MAX)
    }
}

// === impl Limiter ===

impl<C: Clock + Clone> Limiter<C> {
    pub(crate) fn new(scope: Scope, limit: RateLimit, space: &Space, clock: C) -> Self {
        // An interval is at least a microsecond.
        let quota = Quota::with_period(limit.interval()).unwrap_or(Quota::per_hour(limit.burst()));
        let quota = quota.allow_burst(limit.burst());
        Self {
            scope,
            limit,
            agents: RateLimiter::new(quota, Buckets::new(Arc::clone(&space.agents)), clock.clone()),
            addresses: RateLimiter::new(quota, Buckets::new(Arc::clone(&space.addresses)), clock.clone()),
            clock,
        }
    }

    pub(crate) const fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Counts a call. One that is too many leaves the bucket as it is.
    pub(crate) fn count(&self, consumer: Consumer) -> Standing {
        let counted = match consumer {
            Consumer::Agent(agent) => self.agents.check_key(&agent),
            Consumer::Address(address) => self.addresses.check_key(&address),
        };
        let (remaining, wait) = match counted {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.clock.now()))),
        };
        Standing { scope: self.scope, limit: self.limit, remaining, wait }
    }

    /// Counts a call with all other gateways, in the database. What is counted there is not counted here. Other terms begin
    /// anew.
    pub(crate) async fn count_together(
        &self,
        name: &str,
        consumer: Consumer,
        ledger: &Ledger,
    ) -> Result<Standing, LedgerError> {
        let (scope, limit) = (self.scope, self.limit);
        let terms = format!("{}/{}ms+{}", limit.calls(), limit.per().as_millis(), limit.burst());
        let key = format!("{consumer} {} {terms} {name}", scope.name());
        let CallCount { remaining, wait } = ledger.count_call(consumer.of(), &key, limit).await?;
        Ok(Standing { scope, limit, remaining, wait })
    }

    /// Lets go of buckets that are full.
    pub(crate) fn sweep(&self) {
        self.agents.retain_recent();
        self.addresses.retain_recent();
    }
}
