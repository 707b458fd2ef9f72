//! [`Pace`]: how many calls that change something one tenant makes. Each is a commit of the one writer, and an entry of the audit
//! log for ever. Each process counts its own; the operator is not counted.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, Uri};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Sustained, by all keys of a tenant together.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// At once: whoever applies a setup makes many in a row.
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// Tenants that are remembered before those are let go of who could make as many as any.
const TENANTS_KEPT: usize = 1_024;

/// The calls of each tenant.
pub(crate) struct Pace<C: Clock<Instant = Instant> + Clone> {
    made: RateLimiter<String, DashMapStateStore<String>, C, NoOpMiddleware<Instant>>,
    clock: C,
}

// === impl Pace ===

impl<C: Clock<Instant = Instant> + Clone> Pace<C> {
    pub(crate) fn new(clock: C) -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(AT_ONCE);
        let made = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Self { made, clock }
    }

    /// Counts a call of a tenant; nobody is the operator.
    ///
    /// # Errors
    /// It is one too many: for so long.
    pub(crate) fn count(
        &self,
        tenant: Option<&str>,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
    ) -> Result<(), Duration> {
        let counts = changes(method, uri) || is_named(method, headers);
        let Some(tenant) = tenant.filter(|_| counts) else { return Ok(()) };
        if self.made.len() > TENANTS_KEPT {
            self.made.retain_recent();
        }
        let counted = self.made.check_key(&tenant.to_owned());
        counted.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// Whether a call changes something, or takes the one writer to try to. What only asks in a body does not: by its whole path, because
/// tenants name what they make.
fn changes(method: &Method, uri: &Uri) -> bool {
    let path: Vec<&str> = uri.path().split('/').collect();
    let asks = matches!(
        path[..],
        ["", "v1", "agents", _, "simulate"] | ["", "v1", "agents", _, "signers", "challenge"]
    );
    let only_reads = matches!(*method, Method::GET | Method::HEAD) || (asks && *method == Method::POST);
    !only_reads
}

/// Whether a call is written down under its name ([`super::idempotent`]), whatever it asks.
fn is_named(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && headers.contains_key("idempotency-key")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A clock that the test moves.
    #[derive(Clone)]
    struct Hand(Arc<Mutex<Instant>>);

    impl Clock for Hand {
        type Instant = Instant;

        fn now(&self) -> Instant {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn a_tenant_changes_so_much_at_once_and_so_much_a_second_and_holds_up_nobody_else() {
        let hand = Hand(Arc::new(Mutex::new(Instant::now())));
        let pace = Pace::new(hand.clone());
        let (agents, plain) = (Uri::from_static("/v1/agents"), HeaderMap::new());
        let post = |tenant: Option<&str>| pace.count(tenant, (&Method::POST, &agents, &plain));
        assert!((0..AT_ONCE.get()).all(|_| post(Some("a")).is_ok()));
        let wait = post(Some("a")).unwrap_err();
        assert!(wait <= Duration::from_secs(1) / PER_SECOND.get(), "{wait:?}");
        assert!(pace.count(Some("a"), (&Method::GET, &agents, &plain)).is_ok() && post(Some("b")).is_ok());
        for asked in ["/v1/agents/agt_a/simulate", "/v1/agents/agt_a/signers/challenge"] {
            let (asked, mut named) = (asked.parse().unwrap(), HeaderMap::new());
            assert!(pace.count(Some("a"), (&Method::POST, &asked, &plain)).is_ok(), "{asked}");
            named.insert("idempotency-key", "n".parse().unwrap());
            assert!(
                pace.count(Some("a"), (&Method::POST, &asked, &named)).is_err(),
                "{asked} is written down"
            );
        }
        let named = Uri::from_static("/v1/routes/simulate");
        assert!(pace.count(Some("a"), (&Method::PATCH, &named, &plain)).is_err(), "a name is no call");
        assert!((0..=AT_ONCE.get()).all(|_| post(None).is_ok()));
        *hand.0.lock().unwrap() += Duration::from_secs(1);
        assert!((0..PER_SECOND.get()).all(|_| post(Some("a")).is_ok()));
        assert!(post(Some("a")).is_err());
    }
}
