//! Two ledgers on the same books, and payments on public networks: what one left, the other closes.

use std::time::Duration;

use domain::{Fingerprint, Payee, PaymentId, Settle};

use super::kit::{Books, amount, clean};
use super::onchain::{DIRECT, TRANSACTION, onchain};
use super::postgres::until;
use super::several::two;
use crate::{Close, Held, HoldError, HoldRequest, LedgerError, PaymentState};

async fn state(books: &Books, payment: PaymentId) -> Option<PaymentState> {
    Some(books.ledger.payment(payment).await.unwrap()?.state)
}

/// What it became, once its delivery is written down.
async fn outcome(books: &Books, request: &HoldRequest) -> Held {
    for _ in 0..3_000 {
        match books.ledger.hold(request.clone()).await {
            Err(HoldError::InProgress) => tokio::time::sleep(Duration::from_millis(10)).await,
            held => return held.unwrap(),
        }
    }
    panic!("nobody wrote down that it was delivered")
}

#[tokio::test]
async fn a_payment_on_chain_that_one_has_is_not_the_others_while_it_runs_or_afterwards() {
    let (one, other, _) = two();
    let request = onchain(1, DIRECT, Settle::After);
    let hold = one.hold(request.clone()).await.unwrap();
    assert_eq!(other.hold(request.clone()).await.unwrap_err(), HoldError::InProgress);
    // Whoever does not ask for a hold, because of what else is wrong with it, must not hear that nothing was charged.
    let (replay, fingerprint) = (request.replay, request.fingerprint);
    let prior = other.ledger.prior(replay, None, fingerprint).await;
    assert_eq!(prior.unwrap_err(), HoldError::InProgress);
    let reused = other.ledger.prior(replay, None, Fingerprint::from_bytes([9; 16])).await;
    assert_eq!(reused.unwrap_err(), HoldError::Reused);
    hold.capture_seen(TRANSACTION).await.unwrap().delivered();
    clean(&other.ledger.audit().await.unwrap());
    assert_eq!(other.ledger.due("eip155:84532", 10).await.unwrap().len(), 1, "whoever looks after it");
    other.ledger.settled(request.payment, TRANSACTION).await.unwrap();
    assert_eq!(one.ledger.due("eip155:84532", 10).await.unwrap(), []);
    for books in [&one, &other] {
        assert!(matches!(outcome(books, &request).await, Held::Prior(_)));
    }
    // The same of what is settled later, and never can be.
    let deferred = onchain(2, Payee::Treasury, Settle::Deferred);
    one.pay(deferred.clone()).await.delivered();
    other.ledger.write_off(deferred.payment).await.unwrap();
    assert_eq!(state(&one, deferred.payment).await, Some(PaymentState::WrittenOff));
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn d8_what_one_left_unknown_is_closed_by_the_other_and_by_the_chain_alone() {
    let (mut one, other, _) = two();
    let [moved, void] = [1, 2].map(|nonce| onchain(nonce, DIRECT, Settle::After));
    let never_asked = onchain(3, DIRECT, Settle::Deferred);
    one.hold(moved.clone()).await.unwrap().leave_unknown();
    one.hold(void.clone()).await.unwrap().leave_unknown();
    let held = one.hold(never_asked.clone()).await.unwrap();
    assert_eq!(other.ledger.unknown(), [], "as long as it lives it is its own");
    let missing = other.ledger.close(void.payment, Close::Void).await;
    assert!(matches!(missing, Err(LedgerError::UnknownPayment)), "{missing:?}");
    clean(&other.ledger.audit().await.unwrap());
    one.close().await;
    drop(held);

    until("the other to take over", || other.ledger.unknown().len() == 2).await;
    let unsettled = other.hold(moved.clone()).await.unwrap_err();
    assert_eq!(unsettled, HoldError::SettlementUnknown(moved.payment));
    clean(&other.ledger.audit().await.unwrap());
    let intents: Vec<_> = other.ledger.unknown().into_iter().map(|open| (open.amount, open.intent)).collect();
    assert!(intents.iter().all(|open| *open == (amount(100_000), moved.intent.clone().unwrap())));
    other.ledger.close(moved.payment, Close::Moved(TRANSACTION.into())).await.unwrap();
    other.ledger.close(void.payment, Close::Void).await.unwrap();
    assert_eq!(state(&other, moved.payment).await, Some(PaymentState::Captured));
    // What nobody had been asked to settle ended with its process.
    for request in [void, never_asked] {
        assert_eq!(state(&other, request.payment).await, None);
        other.hold(request).await.unwrap().void().await.unwrap();
    }
    other.finish().await;
}
