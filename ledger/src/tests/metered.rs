//! What a call used is known after it was held: the hold is for the most, its capture for what was used, and the rest is free in the
//! same commit. Once its answer has begun to go out it is charged, whatever becomes of the process.

use std::sync::Arc;

use domain::meter::Metered;
use domain::{Address, B256, Capture, Custody, Price, Settle};

use super::durable::until_over;
use super::kit::{Books, Fault, NOON, agent, amount, clean, request, signed};
use crate::commit::StoreError;
use crate::{CaptureError, Close, Held, HoldError, HoldRequest, Intent};

/// At most 100 units, 40 where nothing can be read.
fn metered(request: HoldRequest) -> HoldRequest {
    HoldRequest {
        price: Price::Metered(Metered::new(amount(100), amount(40), Vec::new()).unwrap()),
        ..request
    }
}

fn broken() -> StoreError {
    StoreError::Broken("the disk is full".to_owned())
}

fn onchain(settle: Settle) -> HoldRequest {
    let pay_to = Address::repeat_byte(7);
    let intent = Intent {
        deposit: None,
        network: "eip155:84532".into(),
        token: Address::repeat_byte(5).into(),
        payer: Address::repeat_byte(1).into(),
        pay_to: pay_to.into(),
        custody: Custody::Direct,
        settle,
        valid_before: u64::try_from(NOON / 1000 + 60).unwrap(),
        since_block: 41,
        payload: "{}".into(),
        requirements: "{}".into(),
    };
    HoldRequest {
        agent: intent.agent(),
        wallet: intent.wallet(),
        intent: Some(Arc::new(intent)),
        ..metered(request(0))
    }
}

async fn spent(books: &Books) -> i64 {
    books.ledger.spending(agent(1)).await.unwrap().today.spent.atomic()
}

/// Held, and what a crash would leave on disk.
async fn rows(books: &Books) -> u64 {
    let report = books.ledger.audit().await.unwrap();
    clean(&report);
    report.holds
}

#[tokio::test]
async fn what_was_used_is_charged_and_counted_and_the_rest_is_free_at_once() {
    let books = Books::funded(250).await;
    let asked = || HoldRequest { per_day: Some(amount(130)), ..metered(request(0)) };
    let hold = books.hold(asked()).await.unwrap();
    assert_eq!((hold.maximum(), books.available(1).await), (amount(100), 150));
    let receipt = hold.charging(amount(30)).capture().await.unwrap();
    assert_eq!((receipt.record().amount, receipt.record().fee), (amount(30), amount(0)));
    receipt.delivered();
    assert_eq!((books.balance(1).await, books.available(1).await, spent(&books).await), (220, 220, 30));
    // A limit judges the most that a call may cost, and counts what it did.
    let hold = books.hold(asked()).await.unwrap();
    assert!(matches!(books.ledger.hold(asked()).await.unwrap_err(), HoldError::SpendingLimit(_)));
    hold.charging(amount(0)).capture().await.unwrap().delivered();
    let hold = books.hold(asked()).await.unwrap();
    hold.charging(amount(5_000)).capture().await.unwrap().delivered();
    assert_eq!((books.balance(1).await, spent(&books).await), (120, 130));
    books.finish().await;
}

#[tokio::test]
async fn an_amount_that_is_nothing_takes_the_payment_all_the_same() {
    let books = Books::funded(250).await;
    let hold = books.hold(metered(signed(0, 1))).await.unwrap();
    hold.charging(amount(0)).capture().await.unwrap().delivered();
    assert!(matches!(books.ledger.hold(metered(signed(0, 1))).await, Ok(Held::Prior(_))));
    books.finish().await;
}

#[tokio::test]
async fn what_was_kept_is_charged_over_a_crash_and_what_was_not_is_free() {
    let mut books = Books::funded(1_000).await;
    let running = books.hold(metered(signed(0, 1))).await.unwrap();
    let kept = books.hold(metered(signed(0, 2))).await.unwrap().keep(amount(25)).await.unwrap();
    // One that has its row already.
    let durable = |nonce| HoldRequest { capture: Capture::Before, ..metered(signed(0, nonce)) };
    let before = books.hold(durable(3)).await.unwrap();
    let both = books.hold(durable(4)).await.unwrap().keep(amount(7)).await.unwrap();
    assert_eq!((rows(&books).await, books.available(1).await), (3, 600));
    books.crash().await;
    drop((running, kept, before, both));
    books.reopen().await;
    // Kept for 25 and 7; forwarded at its provider's risk, and nothing can be read of it: 40.
    assert_eq!((rows(&books).await, books.balance(1).await), (0, 1_000 - 25 - 7 - 40));
    books.pay(metered(signed(0, 1))).await.delivered();
    match books.ledger.hold(metered(signed(0, 2))).await.unwrap() {
        Held::Redelivery(redelivery) => redelivery.delivered(),
        other => panic!("a redelivery was expected, not {other:?}"),
    }
    books.finish().await;
}

#[tokio::test]
async fn what_was_kept_ends_as_its_holder_says_and_is_charged_where_nobody_says_anything() {
    let mut books = Books::funded(1_000).await;
    let keep = async |books: &Books| books.hold(metered(request(0))).await.unwrap().keep(amount(25)).await;
    keep(&books).await.unwrap().charging(amount(60)).capture().await.unwrap().delivered();
    assert_eq!((rows(&books).await, books.balance(1).await), (0, 940));
    keep(&books).await.unwrap().void().await.unwrap();
    assert_eq!((rows(&books).await, books.available(1).await), (0, 940));
    drop(keep(&books).await.unwrap());
    // The next commit comes after it.
    books.pay(request(1)).await.delivered();
    assert_eq!((rows(&books).await, books.balance(1).await), (0, 940 - 25 - 1));
    // Neither does a clean close let go of it.
    let running = keep(&books).await.unwrap();
    books.close().await;
    drop(running);
    books.reopen().await;
    assert_eq!((rows(&books).await, books.balance(1).await), (0, 940 - 25 - 1 - 25));
    books.finish().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_held_any_more() {
    for has_row in [false, true] {
        let books = Books::funded(1_000).await;
        let capture = if has_row { Capture::Before } else { Capture::After };
        let hold = books.hold(HoldRequest { capture, ..metered(signed(0, 1)) }).await.unwrap();
        books.faults.commit(Fault::Before(broken()));
        assert_eq!(hold.keep(amount(25)).await.unwrap_err(), HoldError::Unavailable);
        until_over(&books).await;
        assert_eq!((rows(&books).await, books.available(1).await), (0, 1_000));
        books.finish().await;
    }
}

#[tokio::test]
async fn a_capture_of_what_was_kept_that_fails_is_made_up_for_with_its_amount() {
    let books = Books::funded(1_000).await;
    let kept = books.hold(metered(signed(0, 1))).await.unwrap().keep(amount(25)).await.unwrap();
    books.faults.commit(Fault::Before(broken()));
    books.faults.commit(Fault::Before(broken()));
    assert_eq!(kept.charging(amount(31)).capture().await.unwrap_err(), CaptureError::Unknown);
    until_over(&books).await;
    assert_eq!((rows(&books).await, books.balance(1).await), (0, 969));
    books.finish().await;
}

#[tokio::test]
async fn of_what_was_signed_for_a_public_network_what_was_captured_is_due() {
    let mut books = Books::new();
    let hold = books.hold(onchain(Settle::Deferred)).await.unwrap();
    hold.charging(amount(30)).capture().await.unwrap().delivered();
    // An answer that began is captured over a crash and settled behind it, whenever its route settles.
    for (settle, owed) in [(Settle::Deferred, 9), (Settle::After, 8)] {
        let kept = books.hold(onchain(settle)).await.unwrap().keep(amount(owed)).await.unwrap();
        books.crash().await;
        drop(kept);
        books.reopen().await;
    }
    let mut due: Vec<_> =
        books.ledger.due("eip155:84532", 10).await.unwrap().iter().map(|due| due.amount.atomic()).collect();
    due.sort_unstable();
    assert_eq!(due, [8, 9, 30]);
    // What the chain shows, where nobody knew: all of it, or a part.
    let unknown = onchain(Settle::After);
    books.hold(unknown.clone()).await.unwrap().charging(amount(30)).leave_unknown();
    assert_eq!(books.ledger.unknown()[0].amount, amount(30), "whoever was asked was asked for what was used");
    let transaction = B256::repeat_byte(0xaa);
    let close = Close::MovedPart(transaction.into(), amount(30));
    books.ledger.close(unknown.payment, close).await.unwrap();
    let record = books.ledger.payment(unknown.payment).await.unwrap().unwrap();
    assert_eq!(
        (record.receipt.amount, books.ledger.due("eip155:84532", 10).await.unwrap().len()),
        (amount(30), 3)
    );
    books.finish().await;
}
