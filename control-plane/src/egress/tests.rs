use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::tests::receiver::{Receiver, Reply};

const PRIVATE: Rules = Rules { allow_private: true, allow_http: true };

/// Only what a name leads to is judged: the receivers of tests have no certificates.
const HTTP: Rules = Rules { allow_private: false, allow_http: true };

fn egress(rules: Rules) -> Egress {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Egress::new(rules).unwrap()
}

/// One whose names lead to the addresses of `answers`, one lookup after the other; the last one stays.
fn rebinding(rules: Rules, answers: &[&[&str]]) -> (Egress, Arc<AtomicUsize>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let answers: Vec<_> = answers.iter().map(parse).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = counter.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        let answer = answers[turn].clone();
        Box::pin(async move { Ok::<_, io::Error>(answer) })
    });
    (Egress::with_lookup(rules, lookup).unwrap(), asked)
}

async fn post(egress: &Egress, url: &str) -> Result<u16, SendError> {
    egress.post(&egress.target(url).unwrap(), HeaderMap::new(), b"{}".to_vec()).await
}

fn private(host: &str) -> SendError {
    SendError::Target(TargetError::Unknown(host.to_owned()))
}

#[tokio::test]
async fn a_body_is_sent_over_kept_connections_and_the_status_comes_back() {
    let receiver = Receiver::of(204).await;
    let egress = egress(PRIVATE);
    assert_eq!(post(&egress, &receiver.url()).await, Ok(204));
    let seen = &receiver.seen()[0];
    assert_eq!(seen.line, "POST /hooks HTTP/1.1");
    assert!(seen.field("user-agent").starts_with("Faregate-Webhooks/"));
    assert_eq!(seen.field("content-type"), "application/json");
    assert_eq!(seen.body, b"{}");
}

#[tokio::test]
async fn w4_a_private_address_is_refused_at_the_connection_too() {
    let receiver = Receiver::of(200).await;
    let port = receiver.address.port();
    for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1"] {
        let (egress, _) = rebinding(HTTP, &[&[address]]);
        assert_eq!(post(&egress, "http://hooks.example/").await, Err(private("hooks.example")), "{address}");
        let checked = egress.check("http://hooks.example/").await;
        assert_eq!(checked.unwrap_err(), TargetError::Unknown("hooks.example".to_owned()), "{address}");
    }
    // The name of this host, by the system's own lookup.
    let named = Target::parse(&format!("http://localhost:{port}/"), PRIVATE).unwrap();
    let strict = egress(HTTP);
    assert_eq!(strict.post(&named, HeaderMap::new(), Vec::new()).await, Err(private("localhost")));
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn w5_a_name_that_was_public_when_it_was_checked_is_judged_again_at_the_connection() {
    let receiver = Receiver::of(200).await;
    let (egress, asked) = rebinding(HTTP, &[&["93.184.216.34"], &["127.0.0.1"]]);
    let target = egress.check("http://rebound.example/").await.unwrap();
    let sent = egress.post(&target, HeaderMap::new(), Vec::new()).await;
    assert_eq!(sent, Err(private("rebound.example")));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn w5_the_connection_goes_to_an_address_that_was_judged_and_to_no_other() {
    let receiver = Receiver::of(200).await;
    let port = receiver.address.port();
    let url = format!("http://pinned.example:{port}/");
    // Were the name looked up a second time for the connection, it would lead elsewhere.
    let (egress, asked) = rebinding(PRIVATE, &[&["127.0.0.1"], &["127.0.0.2"]]);
    assert_eq!(post(&egress, &url).await, Ok(200));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // A private address among public ones is never tried.
    let (mixed, _) = rebinding(HTTP, &[&["127.0.0.1", "::1", "93.184.216.34", "fe80::1"]]);
    let found = mixed.guard.addresses("mixed.example").await.unwrap();
    assert_eq!(found, ["93.184.216.34".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn w6_no_redirect_is_followed() {
    let other = Receiver::of(200).await;
    let place = other.url();
    let receiver = Receiver::start(move |_| Reply::Redirect(place.clone())).await;
    assert_eq!(post(&egress(PRIVATE), &receiver.url()).await, Ok(302));
    assert_eq!((receiver.count(), other.count()), (1, 0));
}

#[tokio::test]
async fn w2_an_answer_after_20_seconds_is_none() {
    let receiver = Receiver::start(|_| Reply::Late(Duration::from_secs(20), 200)).await;
    let egress = egress(PRIVATE);
    let url = receiver.url();
    let sending = tokio::spawn(async move { post(&egress, &url).await });
    receiver.wait(1).await;
    // From here on nothing moves but time, and time by itself.
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    assert_eq!(sending.await.unwrap(), Err(SendError::Timeout));
    let waited = before.elapsed();
    assert!(waited < SEND_TIMEOUT + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off_and_counts_by_its_status() {
    let receiver = Receiver::start(|_| Reply::Huge).await;
    assert_eq!(post(&egress(PRIVATE), &receiver.url()).await, Ok(200));
}

#[tokio::test]
async fn a_reset_and_a_closed_port_are_told_apart_and_name_no_address() {
    let receiver = Receiver::start(|_| Reply::Reset).await;
    let egress = egress(PRIVATE);
    let broken = post(&egress, &receiver.url()).await.unwrap_err();
    assert_eq!(broken, SendError::Broken);
    let url = receiver.url();
    drop(receiver);
    tokio::task::yield_now().await;
    let refused = post(&egress, &url).await.unwrap_err();
    assert_eq!(refused, SendError::Connect);
    assert!(!format!("{broken} {refused}").contains("127.0.0.1"));
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_as_one_that_leads_to_no_public_address() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let nowhere: Lookup = Arc::new(|_| Box::pin(async { Err(io::Error::other("no such name")) }));
    let egress = Egress::with_lookup(Rules::default(), nowhere).unwrap();
    let unknown = egress.check("https://hooks.example/").await.unwrap_err();
    assert_eq!(unknown, TargetError::Unknown("hooks.example".to_owned()));
    let target = egress.target("https://hooks.example/").unwrap();
    let sent = egress.post(&target, HeaderMap::new(), Vec::new()).await;
    assert_eq!(sent, Err(private("hooks.example")));
    assert_eq!(
        egress.check("https://127.1/").await.unwrap_err(),
        TargetError::Private("127.0.0.1".to_owned())
    );
}
