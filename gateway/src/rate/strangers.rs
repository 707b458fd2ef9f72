//! [`Strangers`]: how often one client makes us ask about payers of whom nothing is known: the nodes or facilitators of public networks, or
//! the registry about agents.
//!
//! To sign costs nothing, and each new key would cost a read of a balance, a verification, or a look-up. Whoever signs with many is told to wait, by where
//! its connection comes from. What is remembered is not asked for and not counted: a payer that had the funds within the last hour is no
//! stranger. Where only the answer tells who pays, it is counted before, and taken back of whoever is found to pay.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::buckets::{Buckets, Space};
use super::limiter::Consumer;
use crate::limits::{
    NOBODIES_AT_ONCE_MAX, NOBODIES_PER_SECOND_MAX, RATE_BUCKETS_MAX, STRANGERS_AT_ONCE_MAX,
    STRANGERS_PER_SECOND_MAX,
};

/// What it counts as in metrics.
pub(crate) const SCOPE: &str = "payers";

/// The questions of each client. Each gateway counts its own.
pub(crate) struct Strangers {
    asked: RateLimiter<IpAddr, Kept, MonotonicClock, NoOpMiddleware<Instant>>,
    buckets: Arc<Buckets<IpAddr>>,
    /// What one question takes of a bucket.
    interval: Duration,
    clock: MonotonicClock,
}

/// Its buckets, which a limiter keeps to itself.
struct Kept(Arc<Buckets<IpAddr>>);

// === impl Strangers ===

impl Strangers {
    /// So many clients may stand behind an address, and sign as so many together.
    pub(crate) fn new(clients_per_address: NonZeroU32) -> Self {
        let times = |limit: NonZeroU32| limit.saturating_mul(clients_per_address);
        Self::of(times(STRANGERS_PER_SECOND_MAX), times(STRANGERS_AT_ONCE_MAX))
    }

    /// The same for keys and signers that may be nobody's.
    pub(crate) fn of_agents(clients_per_address: NonZeroU32) -> Self {
        let times = |limit: NonZeroU32| limit.saturating_mul(clients_per_address);
        Self::of(times(NOBODIES_PER_SECOND_MAX), times(NOBODIES_AT_ONCE_MAX))
    }

    pub(crate) fn of(per_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(at_once);
        let (clock, interval) = (MonotonicClock, quota.replenish_interval());
        let buckets = Arc::new(Buckets::new(Arc::new(Space::new(RATE_BUCKETS_MAX))));
        let asked = RateLimiter::new(quota, Kept(Arc::clone(&buckets)), clock.clone());
        Self { asked, buckets, interval, clock }
    }

    /// Counts one more question.
    ///
    /// # Errors
    /// It is one too many: for so long.
    pub(crate) fn count(&self, client: Consumer) -> Result<(), Duration> {
        let Consumer::Address(address) = client else { return Ok(()) };
        self.asked.check_key(&address).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// What was counted was a payer's: it is as if it had not been.
    pub(crate) fn take_back(&self, client: Consumer) {
        if let Consumer::Address(address) = client {
            self.buckets.take_back(&address, self.interval);
        }
    }

    /// Lets go of clients that could ask as often as any.
    pub(crate) fn sweep(&self) {
        self.asked.retain_recent();
    }
}

// === impl Kept ===

impl StateStore for Kept {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, key: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, decide)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Kept {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_s_strangers_are_counted_and_another_s_are_not_its() {
        let count = |number| NonZeroU32::new(number).unwrap();
        let strangers = Strangers::of(count(1), count(3));
        let at = |address: &str| Consumer::at(Some(address.parse().unwrap()));
        // Of IPv6 a customer has all of these.
        let home = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(at);
        assert!(home.iter().all(|client| strangers.count(*client).is_ok()));
        let wait = strangers.count(at("2001:db8::4")).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        strangers.count(at("192.0.2.1")).unwrap();
    }

    #[test]
    fn whoever_is_found_to_pay_is_not_counted() {
        let count = |number| NonZeroU32::new(number).unwrap();
        let strangers = Strangers::of(count(1), count(3));
        let payer = Consumer::at(Some("192.0.2.1".parse().unwrap()));
        for _ in 0..30 {
            strangers.count(payer).unwrap();
            strangers.take_back(payer);
        }
        assert!((0..3).all(|_| strangers.count(payer).is_ok()), "all are left");
        assert!(strangers.count(payer).is_err());
    }

    #[test]
    fn an_address_that_stands_for_many_clients_has_what_all_of_them_have() {
        let strangers = Strangers::new(NonZeroU32::new(3).unwrap());
        let balancer = Consumer::at(Some("192.0.2.1".parse().unwrap()));
        let most = STRANGERS_AT_ONCE_MAX.get();
        assert!((0..3 * most).all(|_| strangers.count(balancer).is_ok()));
        assert!((0..most).any(|_| strangers.count(balancer).is_err()));
    }
}
