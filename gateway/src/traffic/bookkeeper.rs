//! [`Bookkeeper`]: hands what was counted to the registry, every few seconds and at the end, beside all requests.
//!
//! A hand-in that fails is tried again as it was: the registry tells by its number whether it was added after all. What is
//! counted meanwhile stays where it is counted, and is parted by hours only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, UnixMillis};
use registry::{Registry, TrafficSums};
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::traffic::Traffic;

/// How often is handed in.
const INTERVAL: Duration = Duration::from_secs(10);

/// Hours that wait while the registry's database is away; what is counted after them goes into the last.
const WAITING_MAX: usize = 48;

/// How long the last hand-in may take.
const LAST_MAX: Duration = Duration::from_secs(2);

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Carries counts from memory to the registry.
pub(crate) struct Bookkeeper {
    traffic: Arc<Traffic>,
    pub(super) registry: Registry,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// Of this process; made with the first sums.
    source: Option<[u8; 16]>,
    number: u64,
    /// Since when is counted what was not taken yet; all of it lies in this one hour.
    since: UnixMillis,
    /// Taken and not handed in, oldest first. The first may have been added already.
    waiting: VecDeque<TrafficSums>,
    /// The hour in which old sums were last let go of.
    forgot: i64,
}

// === impl Bookkeeper ===

impl Bookkeeper {
    pub(crate) fn new(
        traffic: Arc<Traffic>,
        registry: Registry,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let since = clock.now();
        let waiting = VecDeque::new();
        Self { traffic, registry, clock, metrics, source: None, number: 0, since, waiting, forgot: 0 }
    }

    /// Hands in until `end` is dropped, and once more then.
    pub(crate) async fn run(mut self, mut end: oneshot::Receiver<()>) {
        loop {
            let left = HOUR_MS - self.clock.now().0.rem_euclid(HOUR_MS);
            let to_hour = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            tokio::select! {
                () = tokio::time::sleep(INTERVAL.min(to_hour)) => self.hand_in().await,
                _ = &mut end => break,
            }
        }
        let last = async {
            self.hand_in().await;
            // What was counted while older sums waited.
            self.hand_in().await;
        };
        if tokio::time::timeout(LAST_MAX, last).await.is_err() || !self.waiting.is_empty() {
            tracing::warn!("the last counts for analytics could not be written down");
        }
    }

    /// Hands in all there is, as far as the registry takes it.
    pub(crate) async fn hand_in(&mut self) {
        let now = self.clock.now();
        self.take(now);
        while let Some(sums) = self.waiting.front() {
            if let Err(error) = self.registry.add_traffic(sums).await {
                self.metrics.traffic_failed();
                tracing::warn!(%error, "counts for analytics could not be written down, tried again soon");
                return;
            }
            self.waiting.pop_front();
        }
        if self.forgot != hour(now) && self.registry.forget_traffic(now).await.is_ok() {
            self.forgot = hour(now);
        }
    }

    /// Takes what was counted, unless something waits: that must stay as it is, and a new hour alone begins the next.
    fn take(&mut self, now: UnixMillis) {
        let is_new_hour = hour(now) != hour(self.since);
        let may_take = self.waiting.is_empty() || (is_new_hour && self.waiting.len() < WAITING_MAX);
        let Some(source) = self.source().filter(|_| may_take) else { return };
        let routes = self.traffic.take();
        let at = std::mem::replace(&mut self.since, now);
        if !routes.is_empty() {
            self.number += 1;
            self.waiting.push_back(TrafficSums { source, number: self.number, at, routes });
        }
    }

    /// None for as long as the system gives no random bytes.
    fn source(&mut self) -> Option<[u8; 16]> {
        if self.source.is_none() {
            let mut bytes = [0; 16];
            self.source = getrandom::fill(&mut bytes).ok().map(|()| bytes);
        }
        self.source
    }
}

fn hour(at: UnixMillis) -> i64 {
    at.0.div_euclid(HOUR_MS)
}
