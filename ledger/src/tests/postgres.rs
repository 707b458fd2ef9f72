//! What only PostgreSQL has: a lease that somebody else can take, and a server that goes away in the middle.

use std::sync::Arc;
use std::time::Duration;

use domain::{Capture, Secret};

use super::kit::{Books, clean, request, signed};
use crate::database::Database;
use crate::{
    CaptureError, Health, Held, Hold, HoldError, HoldRequest, Ledger, Settings, Unobserved, VoidError,
    audit_database,
};

/// Payments while the server ends connections again and again (case D3).
const ROUNDS: u8 = 40;

/// Books in PostgreSQL, whatever the environment says, and where they are.
pub(super) fn books() -> (Books, String) {
    let url = test_postgres::fresh_database();
    (books_at(url.clone()), url)
}

pub(super) fn books_at(url: String) -> Books {
    Books::at(Settings::new(Database::Postgres { url: Secret::new(url) }))
}

/// As somebody else taking the ledger over would leave the database.
pub(super) fn take_over(url: &str) {
    let taken = "update ledger.lease set owner = 'somebody else', epoch = epoch + 1,
                   expires_at = clock_timestamp() + interval '1 hour';
                 update ledger.marker set epoch = epoch + 1";
    assert_eq!(test_postgres::query(url, taken), "");
}

pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in 30 s: {what}");
}

#[tokio::test]
async fn c16_whoever_comes_second_is_told_the_owner_and_its_epoch() {
    let (books, url) = books();
    books.fund(1, 100).await;
    let second = Ledger::open(books.settings.clone(), books.clock.clone(), Arc::new(Unobserved));
    let refused = second.map(drop).unwrap_err().to_string();
    let epoch = test_postgres::query(&url, "select epoch from ledger.marker");
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    assert!(refused.contains(&format!("epoch {epoch}")), "{refused}");
    books.finish().await;
}

#[tokio::test]
async fn t3_whoever_was_taken_over_commits_nothing_and_ends() {
    let (books, url) = books();
    books.fund(1, 100).await;
    books.pay(signed(10, 7)).await.delivered();
    let (first, second) = (books.hold(request(1)).await.unwrap(), books.hold(request(1)).await.unwrap());
    let before = test_postgres::query(&url, "select batch, seq, gross, open from ledger.marker");
    take_over(&url);
    assert!(matches!(first.capture().await.unwrap_err(), CaptureError::Unknown | CaptureError::Failed));
    assert!(matches!(second.capture().await.unwrap_err(), CaptureError::Unknown | CaptureError::Failed));
    assert_eq!(books.hold(request(1)).await.unwrap_err(), HoldError::Unavailable);
    let Health::Closed(why) = books.ledger.health() else { panic!("still open") };
    assert!(why.contains("somebody else"), "{why}");
    assert!(books.seen.failures.lock().iter().any(|fatal| *fatal), "the process is told to end");
    assert_eq!(test_postgres::query(&url, "select batch, seq, gross, open from ledger.marker"), before);
    assert_eq!(test_postgres::query(&url, "select count(*) from ledger.payment"), "1");
    clean(&audit_database(&books.settings.database).await.unwrap());
}

#[tokio::test]
async fn t3_a_lease_that_ran_out_is_renewed_before_anything_is_committed() {
    let (books, url) = books();
    books.fund(1, 100).await;
    let hold = books.hold(request(10)).await.unwrap();
    // As after a long pause: over, and nobody else came.
    let past = "update ledger.lease set expires_at = clock_timestamp() - interval '1 minute'";
    assert_eq!(test_postgres::query(&url, past), "");
    hold.capture().await.unwrap().delivered();
    let renewed = "select expires_at > clock_timestamp() from ledger.lease";
    assert_eq!(test_postgres::query(&url, renewed), "t");
    assert_eq!(books.balance(1).await, 90);
    books.finish().await;
}

#[tokio::test]
async fn t3_whoever_takes_over_captures_the_holds_on_disk_and_their_last_owner_ends_none() {
    let (mut books, url) = books();
    books.fund(1, 100).await;
    let mut holds = Vec::new();
    for nonce in 1..=3 {
        let durable = HoldRequest { capture: Capture::Before, ..signed(10, nonce) };
        holds.push(books.hold(durable).await.unwrap());
    }
    assert_eq!(test_postgres::query(&url, "select count(*) from ledger.hold"), "3");
    let (second, writer) = loop {
        let past = "update ledger.lease set expires_at = clock_timestamp() - interval '1 minute'";
        assert_eq!(test_postgres::query(&url, past), "");
        // It renews now and then; between the two it is taken.
        let clock = books.clock.clone();
        if let Ok(opened) = Ledger::open(books.settings.clone(), clock, Arc::new(Unobserved)) {
            break opened;
        }
    };
    let charged = "select count(*), sum(gross) from ledger.payment";
    assert_eq!(test_postgres::query(&url, charged), "3|30", "before anything is served");
    let [captured, voided, dropped] = <[Hold; 3]>::try_from(holds).unwrap();
    assert_eq!(captured.capture().await.unwrap_err(), CaptureError::Unknown);
    assert_eq!(voided.void().await.unwrap_err(), VoidError::Unknown);
    drop(dropped);
    books.crash().await;
    assert_eq!(test_postgres::query(&url, charged), "3|30");
    for nonce in 1..=3 {
        let Ok(Held::Redelivery(redelivery)) = second.hold(signed(10, nonce)).await else {
            panic!("{nonce}")
        };
        redelivery.delivered();
    }
    clean(&second.audit().await.unwrap());
    writer.close();
    let report = audit_database(&books.settings.database).await.unwrap();
    clean(&report);
    assert_eq!((report.payments, report.holds), (3, 0));
}

#[tokio::test]
async fn the_next_owner_need_not_wait_for_one_that_ended_or_died() {
    let (mut books, url) = books();
    books.fund(1, 100).await;
    books.close().await;
    let over = "select expires_at <= clock_timestamp() from ledger.lease";
    assert_eq!(test_postgres::query(&url, over), "t", "a close lets go of the lease");
    books.reopen().await;
    books.crash().await;
    assert_eq!(test_postgres::query(&url, over), "f", "a crash does not");
    books.reopen().await;
    assert_eq!(test_postgres::query(&url, over), "f");
    assert_eq!(test_postgres::query(&url, "select epoch from ledger.marker"), "3");
    books.finish().await;
}

#[tokio::test]
async fn d3_connections_that_end_during_commits_lose_nothing_and_charge_nothing_twice() {
    let (books, url) = books();
    books.fund(1, 1_000_000).await;
    let (mut acknowledged, mut unknown) = (0, 0);
    for round in 0..ROUNDS {
        let mut payments = tokio::task::JoinSet::new();
        for number in 0..5 {
            let ledger = books.ledger.clone();
            payments.spawn(async move {
                let mut request = signed(1, number);
                request.replay =
                    Some(super::kit::replay(number, super::kit::NOON / 1000 + 60 + i64::from(round)));
                let crate::Held::Hold(hold) = ledger.hold(request).await.ok()? else { return None };
                Some(hold.capture().await.map(crate::Receipt::delivered))
            });
        }
        let killer = url.clone();
        let ended = tokio::task::spawn_blocking(move || test_postgres::terminate_backends(&killer));
        for outcome in payments.join_all().await.into_iter().flatten() {
            match outcome {
                Ok(()) => acknowledged += 1,
                Err(CaptureError::Failed | CaptureError::Refused | CaptureError::Spent) => {}
                Err(CaptureError::Unknown) => unknown += 1,
            }
        }
        ended.await.unwrap();
        until("the ledger works again", || books.ledger.health() == Health::Ok).await;
    }
    assert_eq!(unknown, 0, "the marker tells");
    assert!(acknowledged > 0);
    let charged: i64 = test_postgres::query(&url, "select count(*) from ledger.payment").parse().unwrap();
    assert_eq!(charged, acknowledged, "charged and acknowledged are the same payments");
    books.finish().await;
}

#[tokio::test]
async fn d1_a_server_that_is_gone_closes_holds_and_comes_back_by_itself() {
    let cluster = test_postgres::Cluster::start();
    let books = books_at(cluster.fresh_database());
    books.fund(1, 100).await;
    let held = books.hold(request(10)).await.unwrap();
    cluster.stop_fast();
    let capturing = held.capture();
    until("holds are refused", || books.ledger.health() != Health::Ok).await;
    assert_eq!(books.hold(request(10)).await.unwrap_err(), HoldError::Unavailable);
    cluster.start_again();
    until("holds are given again", || books.ledger.health() == Health::Ok).await;
    let charged = match capturing.await {
        Ok(receipt) => {
            receipt.delivered();
            10
        }
        Err(error) => {
            assert_eq!(error, CaptureError::Failed);
            0
        }
    };
    assert_eq!(books.balance(1).await, 100 - charged);
    books.pay(request(10)).await.delivered();
    assert_eq!(books.balance(1).await, 90 - charged);
    books.finish().await;
}
