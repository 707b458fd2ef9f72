use std::time::Duration;

use domain::catalog::UpstreamTimeouts;

use super::*;
use crate::upstream::health::resolve_interval;

fn upstream(host: &str, public_only: bool) -> Upstream {
    let second = Duration::from_secs(1);
    Upstream {
        addresses: vec![UpstreamAddress { host: host.to_owned(), port: 80 }],
        tls: None,
        base_path: String::new(),
        host: None,
        headers: Vec::new(),
        timeouts: UpstreamTimeouts { connect: second, read: second, write: second, idle: second },
        health: None,
        http2: false,
        public_only,
    }
}

/// A name that leads home is judged by what it leads to, and so is an address.
#[tokio::test]
async fn an_upstream_that_may_only_be_public_never_leads_to_this_host() {
    for host in ["localhost", "127.0.0.1", "10.0.0.1", "::1"] {
        for (public_only, reached) in [(false, true), (true, false)] {
            let pool = Arc::new(Pool::new(upstream(host, public_only)).unwrap());
            crate::upstream::health::resolve(Arc::clone(&pool)).await;
            assert_eq!(pool.is_available(), reached, "{host}, public only: {public_only}");
            assert_eq!(pool.pick().is_some(), reached);
        }
    }
    assert!(Pool::new(upstream("8.8.8.8", true)).unwrap().is_available());
}

#[tokio::test]
async fn failures_of_an_upstream_are_told_once_a_minute_for_each() {
    let pool = Pool::new(upstream("127.0.0.1", false)).unwrap();
    assert_eq!([pool.tells(), pool.tells(), pool.tells()], [true, false, false]);
    let until = pool.told_until.load(Ordering::Relaxed);
    pool.told_until.store(until - TELL_EVERY_MS, Ordering::Relaxed);
    assert_eq!([pool.tells(), pool.tells()], [true, false], "a minute later");
    assert!(Pool::new(upstream("127.0.0.1", false)).unwrap().tells(), "another one is told of");
}

#[test]
fn d14_a_name_that_leads_nowhere_is_asked_for_again_soon() {
    let interval = |host| resolve_interval(&Pool::new(upstream(host, false)).unwrap()).as_secs();
    assert_eq!((interval("127.0.0.1"), interval("nowhere.invalid")), (10, 4));
}
