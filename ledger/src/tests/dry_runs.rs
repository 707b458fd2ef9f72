//! What is only asked: decided as the operation itself, and nothing comes of it.

use super::kit::{Books, amount, funding, request, wallet};
use crate::account::RefundRequest;
use crate::{LedgerError, RefundReason, Withdrawal};

#[tokio::test]
async fn what_is_only_asked_is_decided_by_the_books_and_comes_to_nothing() {
    let books = Books::funded(1_000).await;
    let dry = books.ledger.dry_run();
    let tried = dry.fund(funding(1, 500, "f")).await.unwrap();
    assert_eq!((tried.amount.atomic(), books.balance(1).await), (500, 1_000));
    let made = books.ledger.fund(funding(1, 500, "f")).await.unwrap();
    assert_ne!(made.id, tried.id);
    // What was done under a key is told by a dry run too.
    assert_eq!(dry.fund(funding(1, 500, "f")).await.unwrap().id, made.id);
    let other = dry.fund(funding(1, 501, "f")).await;
    assert!(matches!(other, Err(LedgerError::Conflict)), "{other:?}");

    let receipt = books.pay(request(100)).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    let refund = |key: &str| RefundRequest {
        payment,
        amount: None,
        reason: RefundReason::Operator,
        idempotency_key: key.to_owned(),
    };
    dry.refund_part(refund("r")).await.unwrap();
    dry.refund_part(refund("s")).await.unwrap();
    books.ledger.refund_part(refund("r")).await.unwrap();
    let again = dry.refund_part(refund("s")).await;
    assert!(matches!(again, Err(LedgerError::RefundedBefore)), "{again:?}");
    books.finish().await;
}

#[tokio::test]
async fn whatever_is_only_asked_holds_nothing_and_each_is_judged_alone() {
    let books = Books::funded(1_000).await;
    let dry = books.ledger.dry_run();
    let all = |key: &str| Withdrawal {
        wallet: wallet(1),
        amount: amount(1_000),
        idempotency_key: key.to_owned(),
        external_reference: "x".to_owned(),
    };
    // At once: neither has what the other one would take.
    let (first, second) = tokio::join!(dry.withdraw(all("a")), dry.withdraw(all("b")));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    let held = books.hold(request(600)).await.unwrap();
    let short = dry.withdraw(all("a")).await;
    assert!(matches!(short, Err(LedgerError::Funds)), "{short:?}");
    assert_eq!(books.available(1).await, 400);
    held.void().await.unwrap();
    books.ledger.withdraw(all("a")).await.unwrap();
    books.finish().await;
}
