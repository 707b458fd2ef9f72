//! What moved before its call was served: it is served, or given back, over any crash.

use std::collections::HashMap;

use domain::{Payee, PaymentId, Settle, UnixMillis};

use super::kit::{Books, HOUR, NOON, amount, funding};
use super::onchain::{DIRECT, TRANSACTION, onchain};
use crate::{Close, Held, OutgoingState, Outlet, PaymentState, RefundReason};

fn books() -> Books {
    let outlets = HashMap::from([("eip155:84532".into(), Outlet::default())]);
    Books::with(|settings| settings.outlets = outlets)
}

#[tokio::test]
async fn what_was_paid_first_and_never_delivered_goes_back_when_its_time_is_over_and_nothing_else_does() {
    let mut books = books();
    let lost = onchain(1, Payee::Treasury, Settle::Before);
    let others = [onchain(2, Payee::Treasury, Settle::After), onchain(3, DIRECT, Settle::After)];
    let served = onchain(4, Payee::Treasury, Settle::Before);
    // What was delivered is on disk with the next commit.
    books.hold(served.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap().delivered();
    for request in others.iter().chain([&lost]) {
        drop(books.hold(request.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap());
    }
    books.reopen().await;
    assert!(books.ledger.is_prepaid(lost.payment).await.unwrap());
    assert!(!books.ledger.is_prepaid(others[0].payment).await.unwrap());
    let given = books.ledger.give_back_undelivered().await.unwrap();
    assert_eq!((given.payments, given.failed), (0, 0), "the same payment may still come");
    books.clock.set(NOON + 60_000);
    // It runs: whoever delivers it decides.
    let Ok(Held::Redelivery(running)) = books.ledger.hold(lost.clone()).await else { panic!("it is owed") };
    assert_eq!(books.ledger.give_back_undelivered().await.unwrap().payments, 0);
    drop(running);
    assert_eq!(books.ledger.give_back_undelivered().await.unwrap().payments, 1);
    assert_eq!(books.ledger.give_back_undelivered().await.unwrap().payments, 0);
    let due = books.ledger.outgoing_open("eip155:84532", OutgoingState::Due, None, 10).await.unwrap();
    assert_eq!(
        due.iter().map(|out| (out.refund_of, out.amount)).collect::<Vec<_>>(),
        [(Some(lost.payment), amount(100_000))]
    );
    let state = async |payment| books.ledger.payment(payment).await.unwrap().unwrap().state;
    assert_eq!(state(lost.payment).await, PaymentState::Refunded);
    for request in others.iter().chain([&served]) {
        assert_eq!(state(request.payment).await, PaymentState::Captured);
    }
    assert!(matches!(books.ledger.hold(lost).await, Ok(Held::Prior(prior)) if prior.refunded));
    books.finish().await;
}

#[tokio::test]
async fn what_was_delivered_is_written_down_though_a_round_came_between_that_wrote_nothing() {
    let mut books = books();
    books.fund(1, 1_000).await;
    let served = onchain(1, Payee::Treasury, Settle::Before);
    let receipt = books.hold(served.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap();
    receipt.delivered();
    // Asked again under its key: nothing to write.
    books.ledger.fund(funding(1, 1_000, "first funding of 1")).await.unwrap();
    while books.ledger.shared.memory.lock().deliveries.is_changed() {
        tokio::task::yield_now().await;
    }
    // Between two batches: what was being written stands.
    assert!(books.ledger.audit().await.unwrap().is_clean());
    books.reopen().await;
    books.clock.set(NOON + 60_000);
    assert_eq!(books.ledger.give_back_undelivered().await.unwrap().payments, 0, "it was delivered");
    assert!(matches!(books.ledger.hold(served).await, Ok(Held::Prior(prior)) if !prior.refunded));
    books.finish().await;
}

#[tokio::test]
async fn what_cannot_be_given_back_is_owed_as_before() {
    let books = Books::new();
    let request = onchain(1, Payee::Treasury, Settle::Before);
    let receipt = books.hold(request.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap();
    assert!(receipt.give_back(RefundReason::UpstreamFailed).await.is_err(), "nothing leaves that network");
    books.clock.set(NOON + 60_000);
    let given = books.ledger.give_back_undelivered().await.unwrap();
    assert_eq!((given.payments, given.failed), (0, 1));
    match books.ledger.hold(request).await.unwrap() {
        Held::Redelivery(redelivery) => redelivery.delivered(),
        other => panic!("a redelivery was expected, not {other:?}"),
    }
    books.finish().await;
}

/// Longer than what is not delivered is kept.
const LATE: i64 = NOON + 25 * HOUR;

#[tokio::test]
async fn what_was_paid_first_is_given_back_also_after_a_day_and_while_others_are() {
    let mut books = books();
    let lost = [1, 2, 3].map(|nonce| onchain(nonce, Payee::Treasury, Settle::Before));
    let other = onchain(4, DIRECT, Settle::After);
    for request in lost.iter().chain([&other]) {
        drop(books.hold(request.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap());
    }
    books.reopen().await;
    books.clock.set(LATE);
    // Others are served before anybody looks.
    books.fund(1, 1_000).await;
    let given = books.ledger.give_back_undelivered().await.unwrap();
    assert_eq!((given.payments, given.failed, given.dropped), (3, 0, 0));
    for request in &lost {
        let state = books.ledger.payment(request.payment).await.unwrap().unwrap().state;
        assert_eq!(state, PaymentState::Refunded);
    }
    assert!(
        matches!(books.ledger.hold(other).await, Ok(Held::Prior(_))),
        "it counts as delivered after a day"
    );
    books.finish().await;
}

#[tokio::test]
async fn what_was_paid_first_and_is_known_to_have_moved_only_after_a_day_is_given_back() {
    let books = books();
    let lost = onchain(1, Payee::Treasury, Settle::Before);
    books.hold(lost.clone()).await.unwrap().leave_unknown();
    books.clock.set(LATE);
    books.ledger.close(lost.payment, Close::Moved(TRANSACTION.into())).await.unwrap();
    books.fund(1, 1_000).await;
    assert_eq!(books.ledger.give_back_undelivered().await.unwrap().payments, 1);
    assert!(matches!(books.ledger.hold(lost).await, Ok(Held::Prior(prior)) if prior.refunded));
    books.finish().await;
}

#[tokio::test]
async fn where_too_many_are_not_known_to_be_delivered_what_was_paid_first_goes_back_and_the_rest_counts_as_delivered()
 {
    const KEPT: u16 = 4_096;
    let books = books();
    let prepaid = onchain(1, Payee::Treasury, Settle::Before);
    let other = onchain(2, DIRECT, Settle::After);
    for request in [&prepaid, &other] {
        drop(books.hold(request.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap());
    }
    let later = (0..KEPT).map(|number| {
        let mut random = [0; 10];
        random[..2].copy_from_slice(&number.to_be_bytes());
        PaymentId::generate(UnixMillis(NOON + 60_000), random)
    });
    let later: Vec<PaymentId> = later.collect();
    books.ledger.shared.memory.lock().deliveries.inherit(later.clone());
    let given = books.ledger.give_back_undelivered().await.unwrap();
    assert_eq!((given.payments, given.failed, given.dropped), (1, 0, 1));
    let state = async |payment| books.ledger.payment(payment).await.unwrap().unwrap().state;
    assert_eq!(state(prepaid.payment).await, PaymentState::Refunded);
    assert_eq!(state(other.payment).await, PaymentState::Captured);
    assert!(matches!(books.ledger.hold(other).await, Ok(Held::Prior(_))), "it counts as delivered");
    assert_eq!(books.ledger.give_back_undelivered().await.unwrap().dropped, 0);
    for payment in later {
        books.ledger.shared.memory.lock().deliveries.confirm(payment);
    }
    books.finish().await;
}
