use std::path::Path;
use std::sync::atomic::AtomicI64;

use domain::{Clock, UnixMillis};
use registry::{Config, Database, Environment, Registry, Requests};
use tempfile::TempDir;

use super::*;
use crate::metrics::Metrics;

const HOUR_MS: i64 = 3_600_000;
const START: UnixMillis = UnixMillis(500_000 * HOUR_MS);

struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> UnixMillis {
        START.plus(self.0.load(Ordering::Relaxed))
    }
}

struct Rig {
    files: TempDir,
    clock: Arc<HandClock>,
    traffic: Arc<Traffic>,
    registry: Registry,
}

impl Rig {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(0)));
        let registry = open(&files, &clock).await;
        Self { files, clock, traffic: Arc::default(), registry }
    }

    fn bookkeeper(&self) -> Bookkeeper {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        Bookkeeper::new(Arc::clone(&self.traffic), self.registry.clone(), clock, metrics)
    }

    fn hours_pass(&self, hours: i64) {
        self.clock.0.fetch_add(hours * HOUR_MS, Ordering::Relaxed);
    }

    async fn requests(&self, from: i64, to: i64) -> Vec<Requests> {
        let at = |hours: i64| START.plus(hours * HOUR_MS);
        self.registry.requests("acme", at(from), at(to)).await.unwrap()
    }
}

async fn open(files: &TempDir, clock: &Arc<HandClock>) -> Registry {
    let clock: Arc<dyn Clock> = clock.clone();
    Registry::open(&Database::Sqlite { directory: files.path().to_owned() }, clock).await.unwrap()
}

fn catalog() -> Catalog {
    let text = "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
                [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"$1\"\n";
    let loaded = Config::parse(Path::new("f.toml"), text, &Environment::default()).unwrap();
    Catalog::new(1, loaded.config.catalog.providers, loaded.config.catalog.routes).unwrap()
}

fn route(traffic: &Traffic) -> Arc<RouteTraffic> {
    let catalog = catalog();
    traffic.of(&catalog, &catalog.routes()[0])
}

fn counts(requests: &[Requests]) -> Vec<(&str, &str, u64)> {
    requests.iter().map(|row| (row.outcome.as_str(), row.reason.as_str(), row.requests)).collect()
}

#[test]
fn a_route_has_one_count_in_every_catalog_and_is_let_go_of_when_no_one_holds_it() {
    let traffic = Traffic::default();
    let (old, new) = (route(&traffic), route(&traffic));
    old.ended(Outcome::Paid, None, Some(Duration::from_millis(3)));
    new.ended(Outcome::Paid, None, None);
    new.ended(Outcome::Voided, Some("upstream_5xx"), None);
    drop(old);
    let taken = traffic.take();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].requests, [("paid", "", 2), ("voided", "upstream_5xx", 1)]);
    assert_eq!(taken[0].answers.len(), 1);
    assert!(traffic.take().is_empty(), "what was taken is not taken again");

    new.ended(Outcome::Free, None, None);
    drop(new);
    assert_eq!(traffic.take().len(), 1, "a route that went away hands in its last counts");
    assert!(traffic.routes.lock().is_empty());
}

#[tokio::test]
async fn what_was_counted_stands_in_its_hour() {
    let rig = Rig::new().await;
    let (mut books, route) = (rig.bookkeeper(), route(&rig.traffic));
    route.ended(Outcome::Paid, None, Some(Duration::from_millis(3)));
    // The tick at the end of the hour comes when the next one has begun.
    rig.hours_pass(1);
    books.hand_in().await;
    route.ended(Outcome::Refused, Some("rate_limited"), None);
    books.hand_in().await;
    assert_eq!(counts(&rig.requests(0, 1).await), [("paid", "", 1)]);
    assert_eq!(counts(&rig.requests(1, 2).await), [("refused", "rate_limited", 1)]);
}

#[tokio::test]
async fn while_the_database_is_away_hours_wait_and_nothing_is_lost_or_added_twice() {
    let mut rig = Rig::new().await;
    let (mut books, route) = (rig.bookkeeper(), route(&rig.traffic));
    rig.registry.close().await;
    for _ in 0..3 {
        for _ in 0..5 {
            route.ended(Outcome::Paid, None, None);
            books.hand_in().await;
        }
        rig.hours_pass(1);
        // The tick at the end of the hour.
        books.hand_in().await;
    }
    rig.registry = open(&rig.files, &rig.clock).await;
    books.registry = rig.registry.clone();
    books.hand_in().await;
    books.hand_in().await;
    for hour in 0..3 {
        assert_eq!(counts(&rig.requests(hour, hour + 1).await), [("paid", "", 5)], "hour {hour}");
    }
}

#[tokio::test]
async fn the_end_hands_in_what_is_left() {
    let rig = Rig::new().await;
    let (books, route) = (rig.bookkeeper(), route(&rig.traffic));
    let (end, ends) = tokio::sync::oneshot::channel();
    let running = tokio::spawn(books.run(ends));
    route.ended(Outcome::Free, None, Some(Duration::from_millis(3)));
    drop(end);
    running.await.unwrap();
    assert_eq!(counts(&rig.requests(0, 1).await), [("free", "", 1)]);
    let latency = rig.registry.latency("acme", START, START.plus(1)).await.unwrap();
    assert_eq!((latency[0].answers, latency[0].p50), (1, Duration::from_micros(3_150)));
}
