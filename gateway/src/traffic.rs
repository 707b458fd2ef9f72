//! [`Traffic`]: how each route is called, counted in memory for its provider's analytics. [`Bookkeeper`] hands the counts to
//! the registry.
//!
//! A request costs a few atomic additions, and a short lock where it failed. What is kept is bounded by the routes there are
//! and the reasons there are: nothing that a client sends becomes a key.

mod bookkeeper;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::latency::STEPS_US;
use domain::{Catalog, LatencyStep, Route};
use parking_lot::Mutex;
use registry::RouteSums;

use crate::metrics::Outcome;

pub(crate) use bookkeeper::Bookkeeper;

/// All routes that were called since they were handed in.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    routes: Mutex<HashMap<Names, Arc<RouteTraffic>>>,
}

/// A provider's name and a route's.
type Names = (Arc<str>, Arc<str>);

/// The counts of one route since they were last taken.
#[derive(Debug)]
pub(crate) struct RouteTraffic {
    pub(crate) provider: Arc<str>,
    pub(crate) route: Arc<str>,
    /// Requests that are a success, by the number of their outcome.
    outcomes: [AtomicU64; Outcome::ALL.len()],
    failures: Mutex<HashMap<(Outcome, &'static str), u64>>,
    /// Answers by the number of their step.
    answers: [AtomicU64; STEPS_US.len()],
}

// === impl Traffic ===

impl Traffic {
    /// The counts of a route: the same ones in every catalog that has it.
    pub(crate) fn of(&self, catalog: &Catalog, route: &Route) -> Arc<RouteTraffic> {
        let provider =
            catalog.provider(route.provider).map_or_else(|| "".into(), |provider| Arc::clone(&provider.name));
        let names = (provider, Arc::clone(&route.name));
        let mut routes = self.routes.lock();
        let known = routes.entry(names).or_insert_with_key(|names| Arc::new(RouteTraffic::new(names)));
        Arc::clone(known)
    }

    /// Takes all counts, and lets go of routes that no catalog and no request holds any more.
    pub(crate) fn take(&self) -> Vec<RouteSums> {
        let mut sums = Vec::new();
        self.routes.lock().retain(|_, route| {
            // Looked at first: what is counted after it is taken would be lost.
            let is_held = Arc::strong_count(route) > 1;
            sums.extend(route.take());
            is_held
        });
        sums
    }
}

// === impl RouteTraffic ===

impl RouteTraffic {
    fn new((provider, route): &Names) -> Self {
        Self {
            provider: Arc::clone(provider),
            route: Arc::clone(route),
            outcomes: std::array::from_fn(|_| AtomicU64::new(0)),
            failures: Mutex::new(HashMap::new()),
            answers: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts a request that is over. `answered` is how long the header of an upstream's answer took.
    pub(crate) fn ended(&self, outcome: Outcome, reason: Option<&'static str>, answered: Option<Duration>) {
        match reason {
            None => {
                self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
            }
            Some(reason) => *self.failures.lock().entry((outcome, reason)).or_insert(0) += 1,
        }
        if let Some(took) = answered {
            self.answers[LatencyStep::of(took).index()].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Option<RouteSums> {
        let taken = |count: &AtomicU64| Some(count.swap(0, Ordering::Relaxed)).filter(|count| *count > 0);
        let successes = Outcome::ALL.iter().zip(&self.outcomes);
        let mut requests: Vec<_> =
            successes.filter_map(|(outcome, count)| Some((outcome.name(), "", taken(count)?))).collect();
        let failures = std::mem::take(&mut *self.failures.lock());
        requests
            .extend(failures.into_iter().map(|((outcome, reason), count)| (outcome.name(), reason, count)));
        let steps = STEPS_US.iter().zip(&self.answers);
        let answers: Vec<_> =
            steps.filter_map(|(end, count)| Some((LatencyStep::ending_at(*end)?, taken(count)?))).collect();
        let is_empty = requests.is_empty() && answers.is_empty();
        let sums = || RouteSums {
            provider: Arc::clone(&self.provider),
            route: Arc::clone(&self.route),
            requests,
            answers,
        };
        (!is_empty).then(sums)
    }
}

#[cfg(test)]
mod tests;
