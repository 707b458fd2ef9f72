//! Holds that outlive their process (`capture = "before"`): the row stands before anyone may forward, ends with the payment,
//! and what a crash leaves is captured by the next start, once.

use std::time::Duration;

use domain::{Capture, PaymentId};
use sqlx::{ConnectOptions, Connection};

use super::kit::{Books, Fault, HOUR, NOON, agent, named, request, signed, tiers, wallet};
use crate::commit::StoreError;
use crate::commit::sqlite::reader_options;
use crate::database::Database;
use crate::{CaptureError, Held, HoldError, HoldRequest, Redelivery, VoidError};

fn durable(request: HoldRequest) -> HoldRequest {
    HoldRequest { capture: Capture::Before, ..request }
}

fn broken() -> StoreError {
    StoreError::Broken("the disk is full".to_owned())
}

fn fatal() -> StoreError {
    StoreError::Fatal("a sync failed".to_owned())
}

/// With the provider open, so that the next batch is the hold's.
async fn funded(units: i64) -> Books {
    let books = Books::funded(units).await;
    books.ledger.open_provider("acme").await.unwrap();
    books
}

async fn on_disk(books: &Books) -> u64 {
    let report = books.ledger.audit().await.unwrap();
    super::kit::clean(&report);
    report.holds
}

pub(super) async fn until_over(books: &Books) {
    for _ in 0..1_000 {
        if books.ledger.shared.memory.lock().holds.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something is still held after 10 s");
}

/// As a hand in the database would.
async fn delete_rows(books: &Books) {
    match &books.settings.database {
        Database::Postgres { url } => {
            assert_eq!(test_postgres::query(url.expose(), "delete from ledger.hold"), "");
        }
        Database::Sqlite { .. } => {
            let options = reader_options(&books.path()).read_only(false);
            let mut connection = options.connect().await.unwrap();
            sqlx::query("delete from hold").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

async fn redelivery(books: &Books, request: HoldRequest) -> Redelivery {
    match books.ledger.hold(request).await.unwrap() {
        Held::Redelivery(redelivery) => redelivery,
        other => panic!("a redelivery was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn the_row_stands_as_long_as_the_hold() {
    let books = funded(1_000).await;
    let captured = books.hold(durable(signed(10, 1))).await.unwrap();
    let voided = books.hold(durable(named(20, "call"))).await.unwrap();
    let dropped = books.hold(durable(request(40))).await.unwrap();
    assert_eq!(on_disk(&books).await, 3);
    assert_eq!(books.available(1).await, 930);
    captured.capture().await.unwrap().delivered();
    assert_eq!((on_disk(&books).await, books.balance(1).await), (2, 990));
    voided.void().await.unwrap();
    assert_eq!((on_disk(&books).await, books.available(1).await), (1, 950));
    drop(dropped);
    until_over(&books).await;
    assert_eq!((on_disk(&books).await, books.available(1).await), (0, 990));
    // What was voided can be paid for, and what was captured cannot be again.
    books.pay(durable(named(20, "call"))).await.delivered();
    assert!(matches!(books.ledger.hold(durable(signed(10, 1))).await, Ok(Held::Prior(_))));
    books.finish().await;
}

#[tokio::test]
async fn many_at_once_share_their_commits() {
    let books = funded(10_000).await;
    let mut asked = tokio::task::JoinSet::new();
    for nonce in 0..100 {
        let ledger = books.ledger.clone();
        asked.spawn(async move { ledger.hold(durable(signed(10, nonce))).await });
    }
    let mut holds = Vec::new();
    while let Some(held) = asked.join_next().await {
        let Held::Hold(hold) = held.unwrap().unwrap() else { panic!("no hold") };
        holds.push(hold);
    }
    assert_eq!(on_disk(&books).await, 100);
    let (mut captured, mut voided) = (Vec::new(), Vec::new());
    for (hold, number) in holds.into_iter().zip(0..) {
        if number % 3 == 0 { voided.push(hold.void()) } else { captured.push(hold.capture()) }
    }
    for capturing in captured {
        capturing.await.unwrap().delivered();
    }
    for voiding in voided {
        voiding.await.unwrap();
    }
    assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 10_000 - 660));
    books.finish().await;
}

#[tokio::test]
async fn c3_what_a_crash_leaves_on_disk_is_captured_by_the_next_start_once() {
    let mut books = funded(1_000).await;
    let held = [signed(10, 1), named(20, "call"), request(40)].map(durable);
    let mut out = Vec::new();
    for request in &held {
        out.push(books.hold(request.clone()).await.unwrap());
    }
    books.pay(durable(signed(80, 2))).await.delivered();
    books.crash().await;
    // Whoever still has them cannot say what becomes of them.
    let mut out = out.into_iter();
    assert_eq!(out.next().unwrap().capture().await.unwrap_err(), CaptureError::Unknown);
    assert_eq!(out.next().unwrap().void().await.unwrap_err(), VoidError::Unknown);
    drop(out);
    books.reopen().await;
    assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 1_000 - 150));
    // The same request is delivered, free, under the receipt of then.
    for request in &held[..2] {
        let again = HoldRequest { payment: self::request(1).payment, ..request.clone() };
        let redelivery = redelivery(&books, again).await;
        assert_eq!(redelivery.record().payment, request.payment);
        redelivery.delivered();
    }
    books.crash().await;
    books.reopen().await;
    assert_eq!(books.balance(1).await, 1_000 - 150);
    books.finish().await;
}

#[tokio::test]
async fn what_is_found_days_later_is_charged_to_its_own_windows_and_tier() {
    let mut books = funded(1_000).await;
    let tiered = || HoldRequest {
        price: tiers(&[(1, 100), (3, 50)]),
        per_day: Some(super::kit::amount(300)),
        ..durable(request(0))
    };
    books.pay(tiered()).await.delivered();
    books.clock.set(NOON + HOUR);
    let left = [books.hold(tiered()).await.unwrap(), books.hold(tiered()).await.unwrap()];
    books.crash().await;
    drop(left);
    books.clock.set(NOON + 40 * 24 * HOUR);
    books.reopen().await;
    // The second call of November, and the third, which is cheaper.
    assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 1_000 - 250));
    assert_eq!(books.ledger.spending(agent(1)).await.unwrap().month.spent.atomic(), 0);
    books.pay(tiered()).await.delivered();
    assert_eq!(books.balance(1).await, 1_000 - 350);
    books.finish().await;
}

#[tokio::test]
async fn a_clean_close_leaves_no_row() {
    let mut books = funded(100).await;
    let out = books.hold(durable(signed(10, 1))).await.unwrap();
    let asking = books.ledger.hold(durable(signed(10, 2)));
    books.faults.commit(Fault::Wait);
    let (_, ()) = tokio::join!(
        async { drop(tokio::time::timeout(Duration::from_millis(1), asking).await) },
        books.faults.until_waiting()
    );
    books.faults.let_go();
    books.close().await;
    let report = crate::audit_database(&books.settings.database).await.unwrap();
    super::kit::clean(&report);
    assert_eq!((report.holds, report.payments), (0, 0));
    // It comes too late, and is not told that nothing was charged.
    assert_eq!(out.capture().await.unwrap_err(), CaptureError::Unknown);
    books.reopen().await;
    assert_eq!(books.available(1).await, 100);
    books.finish().await;
}

#[tokio::test]
async fn whoever_leaves_while_the_row_is_written_leaves_none() {
    let books = funded(100).await;
    books.pay(request(1)).await.delivered();
    books.faults.commit(Fault::Wait);
    let asking = books.ledger.hold(durable(signed(10, 1)));
    let left = tokio::time::timeout(Duration::from_millis(20), asking).await;
    assert!(left.is_err());
    books.faults.until_waiting().await;
    books.faults.let_go();
    until_over(&books).await;
    assert_eq!((on_disk(&books).await, books.available(1).await), (0, 99));
    books.finish().await;
}

#[tokio::test]
async fn c14_a_row_that_cannot_be_written_gives_no_hold_and_charges_nothing() {
    for fault in [broken(), StoreError::Refused("a wall".to_owned())] {
        let mut books = funded(100).await;
        books.faults.commit(Fault::Before(fault));
        assert_eq!(books.hold(durable(signed(10, 1))).await.unwrap_err(), HoldError::Unavailable);
        assert!(books.ledger.shared.memory.lock().holds.is_empty());
        books.crash().await;
        books.reopen().await;
        assert_eq!((on_disk(&books).await, books.available(1).await), (0, 100));
        books.pay(durable(signed(10, 1))).await.delivered();
        books.finish().await;
    }
}

#[tokio::test]
async fn an_ambiguous_row_that_stands_gives_the_hold() {
    let books = funded(100).await;
    books.faults.commit(Fault::After(broken()));
    books.faults.resolve(broken());
    let hold = books.hold(durable(signed(10, 1))).await.unwrap();
    assert_eq!(on_disk(&books).await, 1);
    hold.capture().await.unwrap().delivered();
    books.finish().await;
}

#[tokio::test]
async fn c15_where_nobody_knows_whether_the_row_stands_nobody_is_told_that_nothing_was_charged() {
    for stands in [true, false] {
        let mut books = funded(100).await;
        let asked = durable(signed(10, 1));
        let payment: PaymentId = asked.payment;
        books.faults.commit(if stands { Fault::After(fatal()) } else { Fault::Before(fatal()) });
        assert_eq!(books.hold(asked).await.unwrap_err(), HoldError::Unknown(payment));
        // Nor is whoever comes again before the process has ended.
        let again = books.hold(durable(signed(10, 1))).await.unwrap_err();
        assert!(matches!(again, HoldError::InProgress), "{again:?}");
        books.crash().await;
        books.faults.heal();
        books.reopen().await;
        if stands {
            let redelivery = redelivery(&books, durable(signed(10, 1))).await;
            assert_eq!(redelivery.record().payment, payment);
            redelivery.delivered();
        } else {
            books.pay(durable(signed(10, 1))).await.delivered();
        }
        assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 90));
        books.finish().await;
    }
}

#[tokio::test]
async fn a_capture_that_fails_is_made_up_for_by_itself_or_by_the_next_start() {
    for crash in [false, true] {
        let mut books = funded(100).await;
        let hold = books.hold(durable(signed(10, 1))).await.unwrap();
        for _ in 0..if crash { 100 } else { 2 } {
            books.faults.commit(Fault::Before(broken()));
        }
        assert_eq!(hold.capture().await.unwrap_err(), CaptureError::Unknown);
        let again = books.hold(durable(signed(10, 1))).await.unwrap_err();
        assert!(matches!(again, HoldError::InProgress | HoldError::Unavailable), "{again:?}");
        if crash {
            books.crash().await;
            books.faults.heal();
            books.reopen().await;
        } else {
            until_over(&books).await;
        }
        assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 90));
        redelivery(&books, durable(signed(10, 1))).await.delivered();
        books.finish().await;
    }
}

#[tokio::test]
async fn a_void_that_fails_says_so_and_is_made_up_for() {
    let books = funded(100).await;
    let hold = books.hold(durable(signed(10, 1))).await.unwrap();
    books.faults.commit(Fault::Before(broken()));
    books.faults.commit(Fault::Before(broken()));
    assert_eq!(hold.void().await.unwrap_err(), VoidError::Unknown);
    // As long as the row stands its funds are held.
    assert_eq!(books.available(1).await, 90);
    until_over(&books).await;
    assert_eq!((on_disk(&books).await, books.available(1).await), (0, 100));
    books.pay(durable(signed(10, 1))).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_capture_that_the_last_wall_refuses_is_voided() {
    let books = funded(100).await;
    let hold = books.hold(durable(signed(10, 1))).await.unwrap();
    books.faults.commit(Fault::Before(StoreError::Refused("a wall".to_owned())));
    assert_eq!(hold.capture().await.unwrap_err(), CaptureError::Unknown);
    until_over(&books).await;
    assert_eq!((on_disk(&books).await, books.available(1).await), (0, 100));
    books.finish().await;
}

/// The last wall: whatever goes wrong above it, a hold that is not there any more is not captured a second time.
#[tokio::test]
async fn a_hold_whose_row_is_gone_is_not_captured() {
    let mut books = funded(100).await;
    let hold = books.hold(durable(signed(10, 1))).await.unwrap();
    delete_rows(&books).await;
    assert_eq!(hold.capture().await.unwrap_err(), CaptureError::Unknown);
    books.crash().await;
    books.reopen().await;
    assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 100));
    books.finish().await;
}

#[tokio::test]
async fn what_a_start_cannot_close_stays_held_and_is_tried_again() {
    let mut books = funded(100).await;
    let left = books.hold(durable(signed(60, 1))).await.unwrap();
    books.crash().await;
    drop(left);
    for _ in 0..3 {
        books.faults.commit(Fault::Before(broken()));
    }
    books.reopen().await;
    assert_eq!(books.available(1).await, 40);
    let again = books.hold(durable(signed(60, 1))).await.unwrap_err();
    assert!(matches!(again, HoldError::InProgress | HoldError::Unavailable), "{again:?}");
    until_over(&books).await;
    assert_eq!((on_disk(&books).await, books.balance(1).await), (0, 40));
    redelivery(&books, durable(signed(60, 1))).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn r6_r7_what_is_on_disk_counts_against_funds_and_limits_like_any_hold() {
    let books = funded(100).await;
    let asked = || HoldRequest { per_day: Some(super::kit::amount(70)), ..durable(request(30)) };
    let first = books.hold(asked()).await.unwrap();
    let second = books.hold(asked()).await.unwrap();
    let third = books.hold(asked()).await.unwrap_err();
    assert!(matches!(third, HoldError::SpendingLimit(_)), "{third:?}");
    let poor = books.hold(durable(request(50))).await.unwrap_err();
    assert!(matches!(poor, HoldError::InsufficientFunds { .. }), "{poor:?}");
    assert_eq!(books.ledger.wallet(wallet(1)).await.unwrap().unwrap().held.atomic(), 60);
    first.void().await.unwrap();
    second.capture().await.unwrap().delivered();
    books.pay(asked()).await.delivered();
    books.finish().await;
}
