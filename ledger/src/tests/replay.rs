//! What comes again: replay keys, identifiers, stored responses, deliveries.

use bytes::Bytes;
use domain::{Fingerprint, IdempotencyKey};

use super::kit::{Books, HOUR, NOON, agent, named, replay, request, signed};
use crate::{Collision, Held, HoldError, HoldRequest, RefundReason, StoredResponse};

fn other_request(request: HoldRequest) -> HoldRequest {
    HoldRequest { fingerprint: Fingerprint::from_bytes([2; 16]), ..request }
}

fn response(body: &'static str) -> StoredResponse {
    let headers = vec![("content-type".to_owned(), b"text/plain".to_vec()), ("x".to_owned(), vec![0xff, 0])];
    StoredResponse { status: 200, headers, body: Bytes::from_static(body.as_bytes()) }
}

#[tokio::test]
async fn r1_one_signed_payment_a_hundred_times_at_once_is_charged_once() {
    let books = Books::funded(1_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            match ledger.hold(signed(10, 7)).await {
                Ok(Held::Hold(hold)) => {
                    let receipt = hold.capture().await.unwrap();
                    tokio::task::yield_now().await;
                    receipt.delivered();
                    1
                }
                Ok(Held::Prior(prior)) => {
                    assert_eq!(prior.receipt.amount.atomic(), 10);
                    0
                }
                Err(HoldError::InProgress) => 0,
                other => panic!("{other:?}"),
            }
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<i32>(), 1);
    assert_eq!(books.balance(1).await, 990);
    let collided = books.seen.collisions(Collision::Replayed) + books.seen.collisions(Collision::InProgress);
    assert_eq!(collided, 99);
    books.finish().await;
}

#[tokio::test]
async fn r1_one_identifier_a_hundred_times_at_once_is_charged_once() {
    let books = Books::funded(1_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            match ledger.hold(named(10, "call 1")).await {
                Ok(Held::Hold(hold)) => {
                    hold.capture().await.unwrap().delivered();
                    1
                }
                Ok(Held::Prior(_)) | Err(HoldError::InProgress) => 0,
                other => panic!("{other:?}"),
            }
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<i32>(), 1);
    assert_eq!(books.balance(1).await, 990);
    books.finish().await;
}

#[tokio::test]
async fn r3_a_key_with_another_request_is_refused_held_or_captured() {
    let books = Books::funded(1_000).await;
    let held = books.hold(signed(10, 7)).await.unwrap();
    assert_eq!(books.hold(other_request(signed(10, 7))).await.unwrap_err(), HoldError::Reused);
    assert_eq!(books.hold(signed(10, 7)).await.unwrap_err(), HoldError::InProgress);
    held.capture().await.unwrap().delivered();
    assert_eq!(books.hold(other_request(signed(10, 7))).await.unwrap_err(), HoldError::Reused);
    // The same nonce signed again under another expiry is the same nonce.
    let resigned = HoldRequest { replay: Some(replay(7, NOON / 1000 + 61)), ..signed(10, 7) };
    assert_eq!(books.hold(resigned).await.unwrap_err(), HoldError::Reused);

    books.pay(named(10, "call")).await.delivered();
    assert_eq!(books.hold(other_request(named(10, "call"))).await.unwrap_err(), HoldError::Reused);
    assert_eq!(books.seen.collisions(Collision::Conflict), 4);
    assert_eq!(books.balance(1).await, 980);
    books.finish().await;
}

#[tokio::test]
async fn a_voided_key_may_be_used_again() {
    let books = Books::funded(1_000).await;
    books.hold(signed(10, 7)).await.unwrap().void().await.unwrap();
    books.hold(named(10, "call")).await.unwrap().void().await.unwrap();
    // Refused for funds: the key is free as well.
    assert!(books.hold(signed(100_000, 7)).await.is_err());
    books.pay(signed(10, 7)).await.delivered();
    books.pay(named(10, "call")).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn r4_a_replay_after_an_hour_and_after_a_restart_finds_the_capture() {
    let mut books = Books::funded(1_000).await;
    let first = books.pay(signed(10, 7)).await;
    let record = first.record().clone();
    first.delivered();
    books.clock.set(NOON + HOUR);
    // Another commit lets the expired key leave memory.
    books.pay(request(1)).await.delivered();
    assert_eq!(books.ledger.shared.memory.lock().facts.replays.iter().count(), 0);
    for restart in [false, true] {
        if restart {
            books.close().await;
            books.reopen().await;
        }
        let key = signed(10, 7).replay.unwrap();
        let prior = books.ledger.prior(Some(key), None, signed(10, 7).fingerprint).await.unwrap();
        let Some(Held::Prior(prior)) = prior else { panic!("{prior:?}") };
        assert_eq!((prior.receipt, prior.response), (record.clone(), None));
        let other = books.ledger.prior(Some(key), None, Fingerprint::from_bytes([9; 16])).await;
        assert_eq!(other.unwrap_err(), HoldError::Reused);
        let never =
            books.ledger.prior(Some(replay(8, NOON / 1000)), None, Fingerprint::from_bytes([1; 16])).await;
        assert!(never.unwrap().is_none());
        // Even a hold, which the gateway would not ask for, finds it on disk.
        assert!(matches!(books.ledger.hold(signed(10, 7)).await, Ok(Held::Prior(_))));
    }
    assert_eq!(books.balance(1).await, 989);
    books.finish().await;
}

#[tokio::test]
async fn a_stored_response_answers_for_a_day_and_then_the_identifier_is_new() {
    let mut books = Books::funded(1_000).await;
    books.pay(named(10, "call")).await.store(response("hello"));
    // Stored in the order of the queue.
    books.ledger.create_wallet(super::kit::wallet(2)).await.unwrap();
    for restart in [false, true] {
        if restart {
            books.reopen().await;
        }
        let held = books.ledger.hold(named(10, "call")).await.unwrap();
        let Held::Prior(prior) = held else { panic!("{held:?}") };
        assert_eq!(prior.response, Some(response("hello")));
        assert!(!prior.refunded);
    }
    books.clock.set(NOON + 24 * HOUR);
    books.pay(named(10, "call")).await.delivered();
    assert_eq!(books.balance(1).await, 980);
    books.finish().await;
}

#[tokio::test]
async fn an_unconfirmed_delivery_is_given_once_more_and_only_to_one() {
    let books = Books::funded(1_000).await;
    drop(books.pay(signed(10, 7)).await);
    let held = books.ledger.hold(signed(10, 7)).await.unwrap();
    let Held::Redelivery(redelivery) = held else { panic!("{held:?}") };
    assert_eq!(redelivery.record().amount.atomic(), 10);
    assert_eq!(books.hold(signed(10, 7)).await.unwrap_err(), HoldError::InProgress);
    drop(redelivery);
    let held = books.ledger.hold(signed(10, 7)).await.unwrap();
    let Held::Redelivery(redelivery) = held else { panic!("{held:?}") };
    redelivery.delivered();
    assert!(matches!(books.ledger.hold(signed(10, 7)).await, Ok(Held::Prior(_))));
    assert_eq!(books.balance(1).await, 990);
    books.finish().await;
}

#[tokio::test]
async fn a_refunded_signed_payment_stays_used_and_says_so() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(signed(10, 7)).await;
    receipt.refund(RefundReason::BrokenOff);
    books.ledger.create_wallet(super::kit::wallet(2)).await.unwrap();
    let held = books.ledger.hold(signed(10, 7)).await.unwrap();
    let Held::Prior(prior) = held else { panic!("{held:?}") };
    assert!(prior.refunded);
    assert_eq!(books.balance(1).await, 1_000);
    books.finish().await;
}

#[tokio::test]
async fn whoever_paid_hears_so_while_nothing_new_is_taken() {
    let books = Books::with(|settings| settings.queue_max = 2);
    books.fund(1, 1_000).await;
    books.until_idle().await;
    books.pay(signed(10, 1)).await.delivered();
    books.until_idle().await;
    let told = async || matches!(books.ledger.hold(signed(10, 1)).await, Ok(Held::Prior(_)));

    let (first, second) = (books.hold(request(1)).await.unwrap(), books.hold(request(1)).await.unwrap());
    assert_eq!(books.hold(signed(10, 2)).await.unwrap_err(), HoldError::Overloaded);
    assert!(told().await, "though the queue is full");
    first.void().await.unwrap();
    second.void().await.unwrap();

    books.clock.set(NOON - HOUR);
    assert_eq!(books.hold(signed(10, 2)).await.unwrap_err(), HoldError::ClockAhead);
    assert!(told().await, "though the clock was set back");
    assert_eq!(books.balance(1).await, 990);
    books.finish().await;
}

#[tokio::test]
async fn whoever_asks_whether_a_payment_was_named_so_has_come_once() {
    let books = Books::funded(1_000).await;
    let request = HoldRequest { replay: signed(10, 7).replay, ..named(10, "ours") };
    let (payment, fingerprint) = (request.payment, request.fingerprint);
    books.pay(request.clone()).await.store(response("for its payer"));
    books.until_idle().await;
    let again = HoldRequest { idempotency: None, ..request };
    assert!(matches!(books.ledger.hold(again).await, Ok(Held::Prior(_))));
    for (name, is_its) in [("ours", true), ("guessed", false)] {
        let name = IdempotencyKey::new(agent(1), name);
        assert_eq!(books.ledger.is_named(payment, name, fingerprint).await, is_its);
    }
    assert_eq!(books.seen.collisions(Collision::Replayed), 1);
    books.finish().await;
}
