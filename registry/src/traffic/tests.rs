use super::*;
use crate::registry::tests::{Place, TestClock};

const DAY: UnixMillis = UnixMillis(20_850 * DAY_MS);

fn hours(count: i64) -> UnixMillis {
    DAY.plus(count * HOUR_MS)
}

fn sums(source: u8, number: u64, at: UnixMillis) -> TrafficSums {
    let step = |millis| LatencyStep::of(Duration::from_millis(millis));
    let route = RouteSums {
        provider: "acme".into(),
        route: "quotes".into(),
        requests: vec![("paid", "", 90), ("voided", "upstream_5xx", 10)],
        answers: vec![(step(4), 90), (step(50), 10)],
    };
    let other = RouteSums { provider: "other".into(), ..route.clone() };
    TrafficSums { source: [source; 16], number, at, routes: vec![other, route] }
}

fn total(requests: &[Requests]) -> u64 {
    requests.iter().map(|requests| requests.requests).sum()
}

async fn open(place: &Place) -> Registry {
    Registry::open(&place.database, TestClock::new()).await.unwrap()
}

#[tokio::test]
async fn sums_of_several_gateways_add_up_and_the_same_ones_again_are_added_once() {
    let place = Place::new();
    let registry = open(&place).await;
    for (source, number) in [(1, 1), (2, 1), (1, 1), (1, 2), (2, 1), (1, 1)] {
        registry.add_traffic(&sums(source, number, hours(1))).await.unwrap();
    }
    let requests = registry.requests("acme", hours(1), hours(2)).await.unwrap();
    let told: Vec<_> = requests
        .iter()
        .map(|row| (row.route.as_str(), row.outcome.as_str(), row.reason.as_str(), row.requests))
        .collect();
    assert_eq!(told, [("quotes", "paid", "", 270), ("quotes", "voided", "upstream_5xx", 30)]);
    let failures = registry.failures("acme", hours(1), hours(2)).await.unwrap();
    assert_eq!((failures.len(), total(&failures)), (1, 30));
    assert!(registry.requests("nobody", hours(0), hours(9)).await.unwrap().is_empty());
}

#[tokio::test]
async fn percentiles_are_those_of_all_gateways_together() {
    let place = Place::new();
    let registry = open(&place).await;
    assert!(registry.latency("acme", hours(0), hours(24)).await.unwrap().is_empty());
    registry.add_traffic(&sums(1, 1, hours(1))).await.unwrap();
    registry.add_traffic(&sums(2, 1, hours(30))).await.unwrap();
    let told = registry.latency("acme", hours(0), hours(48)).await.unwrap();
    let (p50, p95) = (Duration::from_millis(4), Duration::from_millis(50));
    assert_eq!(told, [RouteLatency { route: "quotes".into(), answers: 200, p50, p95, p99: p95 }]);
}

#[tokio::test]
async fn a_time_is_rounded_outwards_to_hours_and_every_hour_counts_once() {
    let place = Place::new();
    let registry = open(&place).await;
    for hour in 0..72 {
        let number = u64::try_from(hour).unwrap() + 1;
        registry.add_traffic(&sums(1, number, hours(hour).plus(HOUR_MS - 1))).await.unwrap();
    }
    for (from, to) in [(0, 72), (0, 24), (5, 7), (5, 30), (23, 49), (24, 48), (13, 71), (30, 30)] {
        let requests = registry.requests("acme", hours(from), hours(to)).await.unwrap();
        assert_eq!(total(&requests), u64::try_from(to - from).unwrap() * 100, "{from} to {to}");
    }
    let within = registry.requests("acme", hours(2).plus(1), hours(3).plus(1)).await.unwrap();
    assert_eq!(total(&within), 200);
}

#[tokio::test]
async fn hours_are_forgotten_after_90_days_and_days_stay() {
    let place = Place::new();
    let registry = open(&place).await;
    registry.add_traffic(&sums(1, 1, hours(1))).await.unwrap();
    registry.forget_traffic(hours(24 * 90)).await.unwrap();
    assert_eq!(total(&registry.requests("acme", hours(1), hours(2)).await.unwrap()), 100);
    registry.forget_traffic(hours(24 * 90 + 2)).await.unwrap();
    assert_eq!(total(&registry.requests("acme", hours(1), hours(2)).await.unwrap()), 0);
    assert_eq!(total(&registry.requests("acme", hours(0), hours(24)).await.unwrap()), 100);
    registry.forget_traffic(hours(24 * (DAILY_KEPT_DAYS + 1))).await.unwrap();
    assert!(registry.latency("acme", hours(0), hours(24)).await.unwrap().is_empty());
}

#[test]
fn a_range_has_hours_around_its_whole_days() {
    let parts = |from: i64, to: i64| {
        let Parts { before, days, after } = Parts::of(hours(from), hours(to));
        [before, days, after].map(|(from, to)| ((from - DAY.0) / HOUR_MS, (to - DAY.0) / HOUR_MS))
    };
    assert_eq!(parts(0, 48), [(0, 0), (0, 48), (48, 48)]);
    assert_eq!(parts(5, 50), [(5, 24), (24, 48), (48, 50)]);
    assert_eq!(parts(5, 7), [(5, 7), (7, 7), (7, 7)]);
    assert_eq!(parts(20, 30), [(20, 30), (30, 30), (30, 30)]);
}
