use std::net::IpAddr;
use std::path::Path;
use std::thread;

use domain::AgentId;
use governor::clock::FakeRelativeClock;
use registry::{Config, Environment};

use super::limiter::Space;
use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

fn agent(number: u8) -> Consumer {
    Consumer::Agent(AgentId::from_bytes([number; 16]))
}

fn address(text: &str) -> Consumer {
    Consumer::at(Some(text.parse::<IpAddr>().unwrap()))
}

fn limiter(clock: &FakeRelativeClock, space: usize) -> Limiter<FakeRelativeClock> {
    let limit = RateLimit::new(100, Duration::from_secs(1), 200).unwrap();
    Limiter::new(Scope::Route, limit, &Space::new(space), clock.clone())
}

fn accepted(limiter: &Limiter<FakeRelativeClock>, consumer: Consumer, calls: usize) -> usize {
    (0..calls).filter(|_| limiter.count(consumer).wait.is_none()).count()
}

#[test]
fn only_who_was_verified_takes_the_share_of_agents_in_what_gateways_count_together() {
    assert_eq!(agent(1).of(), ledger::CallsOf::Agents);
    assert_eq!(address("192.0.2.1").of(), ledger::CallsOf::Addresses);
}

#[test]
fn r12_ten_times_the_burst_is_let_through_as_rate_and_burst_say_and_at_any_time() {
    let clock = FakeRelativeClock::default();
    let limiter = limiter(&clock, 10);
    let mut total = accepted(&limiter, agent(1), 2_000);
    assert_eq!(total, 200, "the burst");
    for elapsed in 1..=3_000 {
        clock.advance(MILLISECOND);
        total += accepted(&limiter, agent(1), 2);
        assert_eq!(total, 200 + elapsed / 10, "after {elapsed} ms");
    }
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(accepted(&limiter, agent(1), 2_000), 200, "an hour saves up no more than the burst");
}

#[test]
fn r12_a_refusal_says_when_the_next_call_is_let_through_and_costs_nothing() {
    let clock = FakeRelativeClock::default();
    let limiter = limiter(&clock, 10);
    assert_eq!(limiter.count(agent(1)).remaining, 199);
    accepted(&limiter, agent(1), 199);
    for _ in 0..100 {
        let refused = limiter.count(agent(1));
        assert_eq!((refused.remaining, refused.wait), (0, Some(10 * MILLISECOND)));
    }
    clock.advance(10 * MILLISECOND);
    assert_eq!(limiter.count(agent(1)).wait, None);
}

#[test]
fn r12_many_threads_get_the_burst_together() {
    let limiter = limiter(&FakeRelativeClock::default(), 10);
    let total: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| accepted(&limiter, agent(1), 500))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 200);
}

#[test]
fn r12_two_agents_do_not_disturb_each_other_and_neither_does_an_address() {
    let limiter = limiter(&FakeRelativeClock::default(), 10);
    assert_eq!(accepted(&limiter, agent(1), 1_000), 200);
    assert_eq!(accepted(&limiter, address("192.0.2.1"), 1_000), 200);
    assert_eq!(accepted(&limiter, agent(2), 1_000), 200);
    assert_eq!(accepted(&limiter, address("192.0.2.2"), 1_000), 200);
}

#[test]
fn an_ipv6_customer_is_one_however_many_addresses_it_takes() {
    let limiter = limiter(&FakeRelativeClock::default(), 10);
    let spread = (0..1_000).map(|host| address(&format!("2001:db8:0:7::{host:x}")));
    assert_eq!(spread.filter(|from| limiter.count(*from).wait.is_none()).count(), 200);
    assert!(limiter.count(address("2001:db8:0:8::1")).wait.is_none(), "the next customer");
    assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
}

#[test]
fn where_the_space_is_taken_newcomers_share_a_bucket_and_are_never_unlimited() {
    let clock = FakeRelativeClock::default();
    let limiter = limiter(&clock, 2);
    for known in [1, 2] {
        assert_eq!(accepted(&limiter, agent(known), 1), 1);
    }
    let newcomers = (3..=250).map(agent);
    assert_eq!(newcomers.map(|newcomer| accepted(&limiter, newcomer, 10)).sum::<usize>(), 200);
    assert_eq!(accepted(&limiter, agent(1), 1_000), 199, "who is known has a bucket of its own");
    assert_eq!(accepted(&limiter, address("192.0.2.1"), 1_000), 200, "and so has an address");

    clock.advance(Duration::from_secs(3));
    limiter.sweep();
    assert_eq!(accepted(&limiter, agent(250), 1_000), 200, "full buckets made room");
}

#[test]
fn the_space_of_a_limit_that_goes_is_free_again() {
    let clock = FakeRelativeClock::default();
    let space = Space::new(1);
    let limit = RateLimit::new(1, Duration::from_secs(1), 1).unwrap();
    for number in 0..5 {
        let limiter = Limiter::new(Scope::Route, limit, &space, clock.clone());
        assert!(limiter.count(agent(number)).wait.is_none());
        assert!(limiter.count(agent(number)).wait.is_some());
        assert!(limiter.count(agent(9)).wait.is_none(), "the bucket of all others is this limiter's own");
    }
}

#[test]
fn a_limit_keeps_its_buckets_through_a_reload_until_its_terms_change() {
    let rates = |terms: &str, before: Option<&Rates>| Rates::new(&catalog(terms), before);
    let terms = "rate_limit = { calls = 1, per = \"1d\", burst = 3 }";
    let left = |rates: &Rates| rates.of(RouteId(0)).unwrap().count(agent(1)).last().unwrap().remaining;
    let first = rates(terms, None);
    assert_eq!(left(&first), 2);
    let second = rates(terms, Some(&first));
    assert_eq!(left(&second), 1);
    let third = rates("rate_limit = { calls = 2, per = \"1d\", burst = 3 }", Some(&second));
    assert_eq!(left(&third), 2, "other terms begin anew");
    assert!(rates("", Some(&third)).of(RouteId(0)).is_none());
}

#[test]
fn a_call_counts_under_the_route_and_the_provider_until_one_refuses() {
    let text = "rate_limit = { calls = 1, per = \"1d\", burst = 1 }";
    let rates = Rates::new(&catalog_with(text, "rate_limit = { calls = 1, per = \"1d\", burst = 5 }"), None);
    let standings = |route| rates.of(RouteId(route)).unwrap().count(agent(1));
    let first = standings(0);
    let told: Vec<_> = first.iter().map(|standing| (standing.scope, standing.remaining)).collect();
    assert_eq!(told, [(Scope::Route, 0), (Scope::Provider, 4)]);
    let refused = standings(0);
    assert_eq!(refused.len(), 1, "the provider's is not spent on it");
    assert!(refused[0].wait.is_some());
    let other: Vec<_> = standings(1).iter().map(|standing| (standing.scope, standing.remaining)).collect();
    assert_eq!(other, [(Scope::Provider, 3)], "a route without a limit of its own");
}

fn catalog(route_line: &str) -> Catalog {
    catalog_with(route_line, "")
}

fn catalog_with(route_line: &str, provider_line: &str) -> Catalog {
    let text = format!(
        "[[providers]]\nname = \"acme\"\n{provider_line}\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
         [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"$1\"\n{route_line}\n\
         [[providers.routes]]\nname = \"b\"\npath = \"/b\"\nprice = \"$1\"\n"
    );
    let loaded = Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap();
    Catalog::new(1, loaded.config.catalog.providers, loaded.config.catalog.routes).unwrap()
}
