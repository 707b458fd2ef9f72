//! Commits that fail, that nobody can tell about, that a constraint refuses, and that take too long.

use std::time::Duration;

use super::kit::{Books, Fault, amount, funding, request, signed};
use crate::books::session::on_either;
use crate::commit::StoreError;
use crate::{CaptureError, Health, Held, HoldError, HoldRequest, LedgerError, RefundReason};

fn full() -> StoreError {
    StoreError::Broken("the disk is full".to_owned())
}

async fn until_open(books: &Books) {
    while books.ledger.health() != Health::Ok {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn c14_a_full_disk_charges_nothing_closes_holds_and_reopens_by_itself() {
    let books = Books::funded(100).await;
    let held = books.hold(signed(10, 7)).await.unwrap();
    books.faults.commit(Fault::Before(full()));
    assert_eq!(held.capture().await.unwrap_err(), CaptureError::Failed);
    assert!(matches!(books.ledger.health(), Health::Closed(_)));
    assert_eq!(books.hold(request(1)).await.unwrap_err(), HoldError::Unavailable);
    assert_eq!(*books.seen.failures.lock(), [false]);
    until_open(&books).await;
    assert_eq!(books.available(1).await, 100);
    books.pay(signed(10, 7)).await.delivered();
    assert_eq!(books.balance(1).await, 90);
    books.finish().await;
}

#[tokio::test]
async fn c14_sqlite_itself_out_of_space_fails_the_whole_batch_and_works_again() {
    let books = Books::sqlite();
    books.fund(1, 100).await;
    books.pay(request(1)).await.delivered();
    books.faults.commit(Fault::Wait);
    let first = books.hold(request(1)).await.unwrap().capture();
    books.faults.until_waiting().await;
    books.faults.commit(Fault::Full);
    // Long enough to need a page that is not there.
    let large = HoldRequest { route: "r".repeat(20_000).into(), ..request(10) };
    let batch = [books.hold(request(1)).await.unwrap(), books.hold(large).await.unwrap()];
    let batch = batch.map(crate::Hold::capture);
    books.faults.let_go();
    first.await.unwrap().delivered();
    for capturing in batch {
        assert_eq!(capturing.await.unwrap_err(), CaptureError::Failed);
    }
    assert_eq!(books.balance(1).await, 98);
    until_open(&books).await;
    books.pay(signed(10, 7)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn an_ambiguous_commit_that_stands_is_acknowledged() {
    let books = Books::funded(100).await;
    let held = books.hold(signed(10, 7)).await.unwrap();
    books.faults.commit(Fault::After(full()));
    books.faults.resolve(full());
    books.faults.resolve(full());
    held.capture().await.unwrap().delivered();
    assert_eq!(books.balance(1).await, 90);
    assert!(books.seen.failures.lock().is_empty());
    until_open(&books).await;
    books.finish().await;
}

#[tokio::test]
async fn an_ambiguous_commit_that_does_not_stand_is_refused_only_when_that_is_known() {
    let books = Books::funded(100).await;
    let held = books.hold(signed(10, 7)).await.unwrap();
    books.faults.commit(Fault::Before(full()));
    books.faults.resolve(full());
    assert_eq!(held.capture().await.unwrap_err(), CaptureError::Failed);
    until_open(&books).await;
    assert_eq!(books.balance(1).await, 100);
    books.pay(signed(10, 7)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_refund_that_a_crash_loses_leaves_the_payment_owed() {
    let mut books = Books::funded(100).await;
    let receipt = books.pay(signed(10, 7)).await;
    for _ in 0..100 {
        books.faults.commit(Fault::Before(full()));
    }
    receipt.refund(RefundReason::BrokenOff);
    while books.seen.failures.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(books.hold(signed(10, 7)).await.unwrap_err(), HoldError::InProgress);
    // The writer's probe gets through, and writes the list of open deliveries; the refund does not.
    until_open(&books).await;
    books.crash().await;
    books.faults.heal();
    books.reopen().await;
    assert!(matches!(books.ledger.hold(signed(10, 7)).await, Ok(Held::Redelivery(_))));
    assert_eq!(books.balance(1).await, 90);
    books.finish().await;
}

#[tokio::test]
async fn a_batch_that_nobody_can_tell_about_as_the_ledger_closes_is_not_written_over() {
    let mut books = Books::funded(100).await;
    let held = books.hold(signed(10, 7)).await.unwrap();
    books.faults.commit(Fault::After(full()));
    for _ in 0..20 {
        books.faults.resolve(full());
    }
    let capturing = held.capture();
    books.close().await;
    assert_eq!(capturing.await.unwrap_err(), CaptureError::Unknown);
    books.reopen().await;
    assert_eq!(books.balance(1).await, 90);
    // Still owed, and the next payment finds its own place in the books.
    assert!(matches!(books.ledger.hold(signed(10, 7)).await, Ok(Held::Redelivery(_))));
    books.pay(signed(10, 8)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_busy_database_is_tried_again() {
    let books = Books::funded(100).await;
    let held = books.hold(request(10)).await.unwrap();
    books.faults.commit(Fault::Before(StoreError::Busy("checkpoint".to_owned())));
    held.capture().await.unwrap().delivered();
    assert_eq!(books.ledger.health(), Health::Ok);
    books.finish().await;
}

#[tokio::test]
async fn a_batch_that_a_constraint_refuses_costs_only_the_one() {
    let books = Books::funded(1_000).await;
    books.pay(request(1)).await.delivered();
    books.faults.commit(Fault::Wait);
    let first = books.hold(request(1)).await.unwrap().capture();
    books.faults.until_waiting().await;
    // A payment of this name stands already: the index refuses the batch that it is in.
    let taken = first_payment(&books).await;
    let mut rest = Vec::new();
    for number in 0..9 {
        let mut request = request(1);
        if number == 4 {
            request.payment = taken;
        }
        rest.push(books.hold(request).await.unwrap().capture());
    }
    books.faults.let_go();
    first.await.unwrap().delivered();
    for (number, capturing) in rest.into_iter().enumerate() {
        match capturing.await {
            Ok(receipt) => receipt.delivered(),
            Err(error) => assert_eq!((number, error), (4, CaptureError::Refused)),
        }
    }
    assert_eq!(books.balance(1).await, 1_000 - 10);
    assert_eq!(books.ledger.health(), Health::Ok);
    books.finish().await;
}

/// The name of the one payment that stands.
async fn first_payment(books: &Books) -> domain::PaymentId {
    let mut connection = books.ledger.shared.reads.connection().await.unwrap();
    let mut session = connection.session();
    let first = "select id from payment order by seq limit 1";
    let id: Vec<u8> = on_either!(&mut session, c => sqlx::query_scalar(first).fetch_one(c)).unwrap();
    domain::PaymentId::from_bytes(id.try_into().unwrap())
}

#[tokio::test]
async fn a_refund_whose_batch_fails_is_made_later() {
    let books = Books::funded(100).await;
    let receipt = books.pay(signed(10, 7)).await;
    books.faults.commit(Fault::Before(full()));
    receipt.refund(RefundReason::BrokenOff);
    while books.balance(1).await != 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    books.finish().await;
}

#[tokio::test]
async fn a_failed_funding_says_so_and_can_be_made_again() {
    let books = Books::funded(100).await;
    books.faults.commit(Fault::Before(full()));
    assert_eq!(books.ledger.fund(funding(1, 5, "again")).await, Err(LedgerError::Unavailable));
    until_open(&books).await;
    books.ledger.fund(funding(1, 5, "again")).await.unwrap();
    assert_eq!(books.balance(1).await, 105);
    books.finish().await;
}

#[tokio::test]
async fn of_what_moved_or_not_when_its_sync_failed_nobody_says_that_nothing_happened() {
    let mut books = Books::funded(100).await;
    books.faults.commit(Fault::After(StoreError::Fatal("fsync".to_owned())));
    assert_eq!(books.ledger.fund(funding(1, 5, "again")).await, Err(LedgerError::Unknown));
    // What comes after it is refused before it is written.
    assert_eq!(books.ledger.fund(funding(1, 5, "other")).await, Err(LedgerError::Unavailable));
    books.reopen().await;
    books.ledger.fund(funding(1, 5, "again")).await.unwrap();
    assert_eq!(books.balance(1).await, 105);
    books.finish().await;
}

#[tokio::test]
async fn an_overdue_commit_closes_holds_until_it_is_done() {
    let books = Books::with(|settings| settings.commit_age_max = Duration::ZERO);
    books.fund(1, 100).await;
    let held = books.hold(request(1)).await.unwrap();
    books.faults.commit(Fault::Wait);
    let capturing = held.capture();
    books.faults.until_waiting().await;
    while books.ledger.health() == Health::Ok {
        tokio::task::yield_now().await;
    }
    assert_eq!(books.hold(request(1)).await.unwrap_err(), HoldError::Unavailable);
    books.faults.let_go();
    capturing.await.unwrap().delivered();
    until_open(&books).await;
    books.finish().await;
}

#[tokio::test]
async fn c15_a_disk_that_failed_a_sync_is_not_asked_again() {
    let mut books = Books::funded(100).await;
    let held = books.hold(signed(10, 7)).await.unwrap();
    let other = books.hold(request(10)).await.unwrap();
    books.faults.commit(Fault::Before(StoreError::Fatal("fsync".to_owned())));
    assert_eq!(held.capture().await.unwrap_err(), CaptureError::Unknown);
    assert_eq!(*books.seen.failures.lock(), [true]);
    assert_eq!(other.capture().await.unwrap_err(), CaptureError::Failed);
    assert_eq!(books.hold(request(1)).await.unwrap_err(), HoldError::Unavailable);
    books.reopen().await;
    assert_eq!(books.balance(1).await, 100);
    assert_eq!(books.ledger.health(), Health::Ok);
    books.finish().await;
}

#[tokio::test]
async fn a_closed_ledger_refuses_at_once() {
    let mut books = Books::funded(100).await;
    books.close().await;
    assert_eq!(books.hold(request(1)).await.unwrap_err(), HoldError::Unavailable);
    assert_eq!(books.ledger.fund(funding(1, 1, "late")).await, Err(LedgerError::Unavailable));
    books.reopen().await;
    assert_eq!(books.ledger.wallet(super::kit::wallet(1)).await.unwrap().unwrap().available, amount(100));
    books.finish().await;
}
