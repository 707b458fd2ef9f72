//! What chains show otherwise than the books said, in suspense: once for each nonce, and for whom it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{B256, Payee, PaymentId, ReplayKey, Settle};

use super::kit::{Books, HOUR, NOON, amount};
use super::onchain::{TRANSACTION, onchain};
use super::several::two;
use crate::{Booked, Difference, HoldRequest, LedgerError, Outlet, RefundReason, RefundRequest, Shown};

pub(super) const NETWORK: &str = "eip155:84532";

pub(super) fn outlets() -> HashMap<Arc<str>, Outlet> {
    HashMap::from([(NETWORK.into(), Outlet::default())])
}

pub(super) fn books() -> Books {
    Books::with(|settings| settings.outlets = outlets())
}

/// A hold of ten cents to the treasury that was voided.
pub(super) async fn voided(books: &Books, request: HoldRequest) -> PaymentId {
    let payment = request.payment;
    books.hold(request).await.unwrap().void().await.unwrap();
    payment
}

pub(super) async fn arrives(books: &Books, payment: PaymentId) -> Option<Difference> {
    books.ledger.differ(payment, Shown::Moved(TRANSACTION, amount(100_000))).await.unwrap()
}

/// The same nonce 1, signed for longer.
fn for_longer(request: HoldRequest) -> HoldRequest {
    let intent = request.intent.as_ref().unwrap();
    let (token, payer) = (intent.token.evm().unwrap(), intent.payer.evm().unwrap());
    let key = ReplayKey::new(intent.valid_before + 60, NETWORK, token, payer, B256::repeat_byte(1));
    HoldRequest { replay: Some(key), ..request }
}

/// Voided payments that are compared with the chain.
async fn compared(books: &Books) -> Vec<PaymentId> {
    let booked = books.ledger.booked(PaymentId::from_bytes([0; 16]), 100).await.unwrap();
    let void = booked.into_iter().filter(|booked| booked.outcome == Booked::Void);
    void.map(|booked| booked.open.payment).collect()
}

#[tokio::test]
async fn a_signature_that_was_voided_again_and_again_is_in_suspense_once_when_it_moves() {
    let books = books();
    let first = voided(&books, onchain(1, Payee::Treasury, Settle::After)).await;
    let again = voided(&books, onchain(1, Payee::Treasury, Settle::After)).await;
    // The same nonce, signed again for longer.
    let last = voided(&books, for_longer(onchain(1, Payee::Treasury, Settle::After))).await;
    let other = voided(&books, onchain(2, Payee::Treasury, Settle::After)).await;
    let mut all = vec![first, again, last, other];
    all.sort();
    assert_eq!(compared(&books).await, all, "each looks from its own block on");

    assert!(arrives(&books, again).await.is_some());
    let mut both = vec![again, other];
    both.sort();
    assert_eq!(compared(&books).await, both, "it is the one that a difference was written of");
    for same in [first, last, again] {
        assert_eq!(arrives(&books, same).await, None);
    }
    assert_eq!(books.ledger.suspense().await.unwrap(), 100_000);
    assert!(arrives(&books, other).await.is_some());
    assert_eq!(books.ledger.suspense().await.unwrap(), 200_000);
    books.finish().await;
}

#[tokio::test]
async fn what_was_voided_and_signed_again_for_longer_is_the_later_ones_whatever_moves() {
    let books = books();
    let early = voided(&books, onchain(1, Payee::Treasury, Settle::After)).await;
    assert_eq!(compared(&books).await, [early]);
    let hold = books.hold(for_longer(onchain(1, Payee::Treasury, Settle::After))).await.unwrap();
    assert_eq!(compared(&books).await, [], "while it is held");
    hold.capture_settled(TRANSACTION).await.unwrap().delivered();
    // The chain shows the same transfer for both.
    assert_eq!(compared(&books).await, []);
    assert_eq!(arrives(&books, early).await, None);
    assert_eq!(books.ledger.suspense().await.unwrap(), 0);
    books.finish().await;
}

#[tokio::test]
async fn what_had_been_given_back_before_it_was_written_off_is_not_the_providers_when_it_arrives() {
    let books = books();
    let mut payments = Vec::new();
    for (nonce, back) in [(1, 0), (2, 30_000), (3, 100_000)] {
        let request = onchain(nonce, Payee::Treasury, Settle::Deferred);
        books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
        if back > 0 {
            let (amount, idempotency_key) = (Some(amount(back)), format!("{nonce}"));
            let (payment, reason) = (request.payment, RefundReason::Operator);
            let refund = RefundRequest { payment, amount, reason, idempotency_key };
            books.ledger.refund_part(refund).await.unwrap();
        }
        books.ledger.write_off(request.payment).await.unwrap();
        payments.push(request.payment);
    }
    let mut late = Vec::new();
    for payment in payments {
        let booked = arrives(&books, payment).await.unwrap().late;
        late.push(booked.is_some());
        let Some(booked) = booked else { continue };
        let receipt = books.ledger.payment(booked).await.unwrap().unwrap().receipt;
        let intent = onchain(1, Payee::Treasury, Settle::Deferred).intent.unwrap();
        assert_eq!(receipt.late_in, Some((intent.network.clone(), intent.token.to_string().into())));
    }
    assert_eq!(late, [true, false, false]);
    assert_eq!(books.ledger.suspense().await.unwrap(), 200_000, "a person says how much of it is whose");
    let earned = books.ledger.position("acme").await.unwrap().unwrap();
    assert_eq!(earned.net, 97_500, "for the one that was not given back");
    books.finish().await;
}

/// Each is told of as its time to be forgotten comes: one that is written down keeps what says whose it is, and one that is forgotten is
/// written down by nobody.
async fn at_the_moment_of_forgetting(one: &Books, other: &Books) {
    let mut late = Vec::new();
    for nonce in 1..=40 {
        late.push(voided(one, onchain(nonce, Payee::Treasury, Settle::After)).await);
    }
    let forgotten = late.split_off(30);
    one.clock.set(NOON + 25 * HOUR);
    other.clock.set(NOON + 25 * HOUR);
    let mut written = Vec::new();
    for payment in &late {
        let shown = Shown::Moved(TRANSACTION, amount(100_000));
        match tokio::join!(one.ledger.differ(*payment, shown), other.ledger.differ(*payment, shown)) {
            (Ok(first), Ok(second)) => {
                assert_eq!([first, second].iter().flatten().count(), 1, "once");
                written.push(*payment);
            }
            (Err(LedgerError::UnknownPayment), Err(LedgerError::UnknownPayment)) => {}
            mixed => panic!("written and forgotten: {mixed:?}"),
        }
    }
    while compared(one).await.len() > written.len() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for payment in &forgotten {
        let differed = one.ledger.differ(*payment, Shown::Moved(TRANSACTION, amount(100_000))).await;
        assert_eq!(differed.unwrap_err(), LedgerError::UnknownPayment);
    }
    let all = i64::try_from(written.len()).unwrap() * 100_000;
    assert_eq!(other.ledger.suspense().await.unwrap(), all);
    for payment in written {
        let (found, _) = one.ledger.suspended(payment).await.unwrap().unwrap();
        assert_eq!((found.payer.is_some(), found.units), (true, 100_000), "whose it is");
    }
}

#[tokio::test]
async fn what_arrives_as_it_is_forgotten_is_written_down_once_or_by_nobody() {
    let books = books();
    at_the_moment_of_forgetting(&books, &books).await;
    books.finish().await;
}

#[tokio::test]
async fn what_arrives_as_it_is_forgotten_by_another_process_is_written_down_once_or_by_nobody() {
    let (one, other, _) = two();
    at_the_moment_of_forgetting(&one, &other).await;
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn what_moves_in_part_is_in_suspense_for_that_part_and_comes_out_again_for_no_more() {
    let books = books();
    let payment = voided(&books, onchain(1, Payee::Treasury, Settle::After)).await;
    let part = |units: i64| Shown::Moved(TRANSACTION, amount(units));
    let differ = async |shown| {
        let differed = books.ledger.differ(payment, shown).await.unwrap();
        let booked = books.ledger.booked(PaymentId::from_bytes([0; 16]), 100).await.unwrap();
        let stands = booked[0].moved.map(|_| booked[0].stands.atomic());
        let units = differed.map(|differed| (differed.differs.name(), differed.amount.atomic()));
        (units, stands, books.ledger.suspense().await.unwrap())
    };
    assert_eq!(differ(part(30_000)).await, (Some(("arrived", 30_000)), Some(30_000), 30_000));
    assert_eq!(differ(part(30_000)).await, (None, Some(30_000), 30_000));
    // It is another amount after all: what is booked goes, and what is there comes with the next look.
    assert_eq!(differ(part(40_000)).await, (Some(("missing", 30_000)), None, 0));
    assert_eq!(differ(part(40_000)).await, (Some(("arrived", 40_000)), Some(40_000), 40_000));
    assert_eq!(differ(Shown::NotMoved).await, (Some(("missing", 40_000)), None, 0));
    assert_eq!(
        differ(Shown::Moved(TRANSACTION, amount(100_000))).await,
        (Some(("arrived", 100_000)), Some(100_000), 100_000)
    );
    assert_eq!(
        books.ledger.differ(payment, part(0)).await.unwrap().map(|missing| missing.amount),
        Some(amount(100_000))
    );
    assert_eq!(books.ledger.differ(payment, part(0)).await, Err(LedgerError::Amount));
    books.finish().await;
}

#[tokio::test]
async fn what_was_served_and_written_off_and_came_in_part_is_nobodys_until_a_person_says_so() {
    let books = books();
    let request = onchain(1, Payee::Treasury, Settle::Deferred);
    books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
    books.ledger.write_off(request.payment).await.unwrap();
    let part = Shown::Moved(TRANSACTION, amount(30_000));
    let differed = books.ledger.differ(request.payment, part).await.unwrap().unwrap();
    assert_eq!((differed.late, differed.amount), (None, amount(30_000)));
    assert_eq!(books.ledger.suspense().await.unwrap(), 30_000);
    books.finish().await;
}
