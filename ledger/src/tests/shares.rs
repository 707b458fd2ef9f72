//! Transactions that do not tell payments apart: each is booked for as many as it shows.

use domain::{B256, Payee, PaymentId, Settle};

use super::kit::{Books, amount};
use super::onchain::{DIRECT, TRANSACTION, onchain};
use super::several::two;
use crate::{Alike, CaptureError, Close, HoldRequest, LedgerError, Moved, Receipt, Share};

/// What moved all of a payment, where its transaction shows so many that are like it.
fn moved(request: &HoldRequest, one_of: u32) -> Moved {
    moved_in(TRANSACTION, request, one_of)
}

fn moved_in(transaction: B256, request: &HoldRequest, one_of: u32) -> Moved {
    let intent = request.intent.as_ref().unwrap();
    let alike = Alike {
        network: intent.network.clone(),
        transaction: transaction.into(),
        token: intent.token,
        payer: intent.payer,
        pay_to: intent.pay_to,
        value: amount(100_000),
    };
    Moved { transaction: transaction.into(), share: Some(Share { alike, one_of }) }
}

async fn paid_by(books: &Books, request: &HoldRequest) -> u64 {
    let alike = moved(request, 1).share.unwrap().alike;
    books.ledger.paid_by(&alike, PaymentId::from_bytes([0; 16])).await.unwrap()
}

#[tokio::test]
async fn a_transaction_is_booked_for_as_many_payments_as_it_shows() {
    let books = Books::new();
    let requests = [1, 2, 3, 4].map(|nonce| onchain(nonce, DIRECT, Settle::After));
    let mut holds = Vec::new();
    for request in &requests {
        holds.push(books.hold(request.clone()).await.unwrap());
    }
    let mut holds = holds.into_iter();
    // In one batch, and in several.
    let (first, second) = (holds.next().unwrap(), holds.next().unwrap());
    let (first, second) = tokio::join!(
        first.capture_settled(moved(&requests[0], 2)),
        second.capture_seen(moved(&requests[1], 2))
    );
    first.unwrap().delivered();
    second.unwrap().delivered();
    let third = holds.next().unwrap().capture_settled(moved(&requests[2], 2)).await;
    assert_eq!(third.unwrap_err(), CaptureError::Spent);
    assert_eq!(paid_by(&books, &requests[2]).await, 2);
    // It is left unknown; what was seen before is settled by its own share.
    let unknown: Vec<_> = books.ledger.unknown().iter().map(|open| open.payment).collect();
    assert_eq!(unknown, [requests[2].payment]);
    books.ledger.settled(requests[1].payment, moved(&requests[1], 2)).await.unwrap();
    let again = books.ledger.close(requests[2].payment, Close::Moved(moved(&requests[2], 2))).await;
    assert_eq!(again, Err(LedgerError::TransactionSpent));
    books.ledger.close(requests[2].payment, Close::Void).await.unwrap();
    // Another transaction pays for another one.
    let elsewhere = moved_in(B256::repeat_byte(0xbb), &requests[3], 1);
    holds.next().unwrap().capture_settled(elsewhere).await.unwrap().delivered();
    books.finish().await;
}

#[tokio::test]
async fn what_is_due_is_not_settled_by_a_transaction_that_others_are_booked_for() {
    let books = Books::new();
    let requests = [1, 2].map(|nonce| onchain(nonce, Payee::Treasury, Settle::Deferred));
    for request in &requests {
        books.pay(request.clone()).await.delivered();
    }
    let settle = |request: &HoldRequest| books.ledger.settled(request.payment, moved(request, 1));
    let both = tokio::join!(settle(&requests[0]), settle(&requests[1]));
    assert_eq!(both, (Ok(()), Err(LedgerError::TransactionSpent)));
    assert_eq!(settle(&requests[1]).await, Err(LedgerError::TransactionSpent));
    let due: Vec<_> = books.ledger.due("eip155:84532", 9).await.unwrap();
    assert_eq!(due.iter().map(|open| open.payment).collect::<Vec<_>>(), [requests[1].payment]);
    books.ledger.write_off(requests[1].payment).await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn two_gateways_book_a_transaction_for_as_many_as_it_shows() {
    let (one, other, _) = two();
    let requests = [1, 2].map(|nonce| onchain(nonce, DIRECT, Settle::After));
    let first = one.hold(requests[0].clone()).await.unwrap();
    let second = other.hold(requests[1].clone()).await.unwrap();
    let (first, second) = tokio::join!(
        first.capture_settled(moved(&requests[0], 1)),
        second.capture_settled(moved(&requests[1], 1))
    );
    let ended = [first, second].map(|captured| captured.map(Receipt::delivered));
    let refused: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, [CaptureError::Spent]);
    for (books, request) in [(&one, &requests[0]), (&other, &requests[1])] {
        let _ = books.ledger.close(request.payment, Close::Void).await;
    }
    one.finish().await;
    other.finish().await;
}
