//! Payments on networks that are not read here: what certainly was not asked for is void after a crash, and what was is unknown until
//! somebody says what became of it.

use std::sync::Arc;

use domain::{B256, Custody, Party, ReplayKey, Settle, TransactionId};

use super::durable::until_over;
use super::kit::{Books, Fault, NOON, amount, clean, request};
use super::several::two;
use crate::commit::StoreError;
use crate::{Booked, CaptureError, Close, Held, HoldError, HoldRequest, Intent, LedgerError};

const SOLANA: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

fn named(text: &str) -> Party {
    Party::Named(text.parse().unwrap())
}

pub(super) fn moved(text: &str) -> TransactionId {
    TransactionId::named(text.parse().unwrap())
}

/// A payment of ten cents, that `nonce` names.
pub(super) fn foreign(nonce: u8) -> HoldRequest {
    let intent = Intent {
        network: SOLANA.into(),
        token: named("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"),
        payer: named("2wKupLR9q6wXYppw8Gr2NvWxKBUqm4PPJKkQfoxHDBg4"),
        pay_to: named("EGBQqKn968sVv5cQh5Cr72pSTHfxsuzq7o7asqYB5uEV"),
        custody: Custody::Direct,
        deposit: None,
        settle: Settle::After,
        valid_before: u64::try_from(NOON / 1000 + 60).unwrap(),
        since_block: 0,
        payload: "{}".into(),
        requirements: "{}".into(),
    };
    HoldRequest {
        agent: intent.agent(),
        wallet: intent.wallet(),
        replay: Some(ReplayKey::of_transaction(SOLANA, B256::repeat_byte(nonce))),
        digest: Some(B256::repeat_byte(nonce)),
        intent: Some(Arc::new(intent)),
        ..request(100_000)
    }
}

#[tokio::test]
async fn addresses_and_transactions_are_kept_as_they_are_written_and_a_transaction_names_its_payment() {
    let mut books = Books::new();
    let paid = foreign(1);
    let hold = books.hold(paid.clone()).await.unwrap().ask().await.unwrap();
    clean(&books.ledger.audit().await.unwrap());
    let receipt = hold.capture_settled(moved("5h6x")).await.unwrap();
    assert_eq!(receipt.record().moved_by().as_deref(), Some("5h6x"));
    receipt.delivered();
    books.close().await;
    books.reopen().await;
    let record = books.ledger.payment(paid.payment).await.unwrap().unwrap();
    let on_chain = record.receipt.on_chain.clone().unwrap();
    assert_eq!((on_chain.transaction, on_chain.direct), (Some(moved("5h6x")), true));
    assert_eq!(Some(on_chain.payer), paid.intent.as_ref().map(|intent| intent.payer));
    let booked = books.ledger.booked(domain::PaymentId::from_bytes([0; 16]), 10).await.unwrap().remove(0);
    assert_eq!((booked.outcome, booked.moved), (Booked::Settled(moved("5h6x")), None));
    assert_eq!(booked.open.intent, paid.intent.clone().unwrap());
    assert_eq!(books.ledger.due(SOLANA, 10).await.unwrap(), []);
    let settled_by = async |network, name| books.ledger.settled_by(network, moved(name)).await.unwrap();
    assert_eq!(settled_by(SOLANA, "5h6x").await, Some(paid.payment));
    assert_eq!(settled_by(SOLANA, "5h6y").await, None);
    assert_eq!(settled_by("solana:other", "5h6x").await, None);
    // For ever, although nobody knows when it expires.
    assert!(matches!(books.ledger.hold(paid).await, Ok(Held::Prior(_))));
    books.finish().await;
}

#[tokio::test]
async fn d8_what_nobody_was_asked_to_settle_is_void_after_a_crash_and_what_was_stays_unknown() {
    let mut books = Books::new();
    let (unasked, asked, left) = (foreign(1), foreign(2), foreign(3));
    let running = books.hold(unasked.clone()).await.unwrap();
    let settling = books.hold(asked.clone()).await.unwrap().ask().await.unwrap();
    books.hold(left.clone()).await.unwrap().ask().await.unwrap().leave_unknown();
    books.reopen().await;
    drop((running, settling));
    for _ in 0..2 {
        let unknown: Vec<_> = books.ledger.unknown().into_iter().map(|open| open.payment).collect();
        let mut both = [asked.payment, left.payment];
        both.sort();
        assert_eq!(unknown, both);
        let again = HoldRequest { payment: foreign(9).payment, ..asked.clone() };
        assert_eq!(books.ledger.hold(again).await.unwrap_err(), HoldError::SettlementUnknown(asked.payment));
        clean(&books.ledger.audit().await.unwrap());
        books.reopen().await;
    }
    assert_eq!(books.ledger.unknown()[0].amount, amount(100_000));
    books.ledger.close(asked.payment, Close::Moved(moved("a").into())).await.unwrap();
    books.ledger.close(left.payment, Close::Void).await.unwrap();
    // It was never delivered: once more, free.
    match books.ledger.hold(asked).await.unwrap() {
        Held::Redelivery(redelivery) => redelivery.delivered(),
        other => panic!("a redelivery was expected, not {other:?}"),
    }
    for free in [unasked, left] {
        books.hold(free).await.unwrap().void().await.unwrap();
    }
    books.finish().await;
}

#[tokio::test]
async fn whoever_drops_a_hold_voids_it_until_its_settlement_is_asked_for() {
    let books = Books::new();
    drop(books.hold(foreign(1)).await.unwrap());
    drop(books.hold(foreign(2)).await.unwrap().ask().await.unwrap());
    books.until_idle().await;
    assert_eq!(books.ledger.unknown().len(), 1);
    books.hold(foreign(1)).await.unwrap().void().await.unwrap();
    books.ledger.close(books.ledger.unknown()[0].payment, Close::Void).await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn what_was_said_and_is_still_being_written_is_not_said_to_be_undone() {
    for end in [Close::Moved(moved("a").into()), Close::Void] {
        let books = Books::new();
        let request = foreign(1);
        let payment = request.payment;
        books.hold(request).await.unwrap().ask().await.unwrap().leave_unknown();
        books.until_idle().await;
        books.faults.commit(Fault::Before(StoreError::Broken("gone".to_owned())));
        assert_eq!(books.ledger.close(payment, end.clone()).await, Err(LedgerError::Unknown));
        // Nobody has to say it again.
        until_over(&books).await;
        assert_eq!(books.ledger.close(payment, end).await, Err(LedgerError::UnknownPayment));
        books.finish().await;
    }
}

/// Payments of which nobody knows, by their nonces.
async fn left_unknown<const N: usize>(books: &Books, nonces: [u8; N]) -> [HoldRequest; N] {
    let asked = nonces.map(foreign);
    for request in &asked {
        books.hold(request.clone()).await.unwrap().ask().await.unwrap().leave_unknown();
    }
    asked
}

#[tokio::test]
async fn of_two_payments_that_one_transaction_is_said_to_have_moved_at_once_one_is_booked() {
    let books = Books::new();
    let [one, other, late] = left_unknown(&books, [1, 2, 3]).await;
    // Both are in one batch.
    books.faults.commit(Fault::Wait);
    let blocking = books.hold(foreign(9));
    let said = |request: &HoldRequest, name: &str| {
        books.ledger.close(request.payment, Close::Moved(moved(name).into()))
    };
    let both = async {
        books.faults.until_waiting().await;
        tokio::join!(said(&one, "a"), said(&other, "a"), async { books.faults.let_go() })
    };
    let (blocking, (first, second, ())) = tokio::join!(blocking, both);
    assert_eq!((first, second), (Ok(()), Err(LedgerError::TransactionSpent)));
    assert_eq!(said(&late, "a").await, Err(LedgerError::TransactionSpent), "nor in a later batch");
    assert!(books.seen.failures.lock().is_empty(), "the batch decides it, and not the last wall");
    clean(&books.ledger.audit().await.unwrap());
    // Nothing became of them: nobody knows, as before, whatever is said next.
    assert_eq!(books.hold(other.clone()).await.unwrap_err(), HoldError::SettlementUnknown(other.payment));
    said(&other, "b").await.unwrap();
    books.ledger.close(late.payment, Close::Void).await.unwrap();
    blocking.unwrap().void().await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn of_two_payments_that_a_facilitator_settles_in_one_transaction_the_second_is_left_unknown() {
    let books = Books::new();
    let [one, other] = [1, 2].map(foreign);
    let (first, second) = (books.hold(one).await.unwrap(), books.hold(other.clone()).await.unwrap());
    let (first, second) = (first.ask().await.unwrap(), second.ask().await.unwrap());
    let (first, second) = tokio::join!(first.capture_settled(moved("a")), second.capture_settled(moved("a")));
    first.unwrap().delivered();
    assert_eq!(second.unwrap_err(), CaptureError::Spent);
    let unknown: Vec<_> = books.ledger.unknown().iter().map(|open| open.payment).collect();
    assert_eq!(unknown, [other.payment]);
    books.ledger.close(other.payment, Close::Void).await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn a_transaction_that_paid_at_one_gateway_pays_at_no_other_at_the_same_time() {
    let (one, other, _) = two();
    let ([at_one], [at_other]) = (left_unknown(&one, [1]).await, left_unknown(&other, [2]).await);
    let said = |books: &Books, request: &HoldRequest| {
        let (ledger, payment) = (books.ledger.clone(), request.payment);
        async move { ledger.close(payment, Close::Moved(moved("a").into())).await }
    };
    let said = tokio::join!(said(&one, &at_one), said(&other, &at_other));
    let (refused, payment) = match said {
        (Ok(()), Err(LedgerError::TransactionSpent)) => (&other, at_other.payment),
        (Err(LedgerError::TransactionSpent), Ok(())) => (&one, at_one.payment),
        said => panic!("one of both, not {said:?}"),
    };
    refused.ledger.close(payment, Close::Void).await.unwrap();
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn what_somebody_says_of_a_payment_is_in_the_commit_that_makes_it_so_and_nowhere_else() {
    let books = Books::new();
    let [paid, void, refused, closed] = left_unknown(&books, [1, 2, 3, 4]).await;
    let saying = books.ledger.asked_by("somebody");
    let spent = Close::Moved(moved("a").into());
    saying.close(paid.payment, spent.clone()).await.unwrap();
    saying.close(void.payment, Close::Void).await.unwrap();
    assert_eq!(saying.close(refused.payment, spent).await, Err(LedgerError::TransactionSpent));
    // What nobody says is nobody's, also where somebody said otherwise before.
    books.ledger.close(refused.payment, Close::Moved(moved("b").into())).await.unwrap();
    books.ledger.close(closed.payment, Close::Void).await.unwrap();
    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    let said: Vec<_> = changes.verdicts.iter().map(|(_, said)| (said.payment, said.transaction)).collect();
    assert_eq!(said, [(paid.payment, Some(moved("a"))), (void.payment, None)]);
    let (_, first) = &changes.verdicts[0];
    assert_eq!((&*first.network, first.amount), (SOLANA, amount(100_000)));
    for (payment, _) in said {
        assert_eq!(changes.movers.get(payment.as_bytes()).map(String::as_str), Some("somebody"));
    }
    assert_eq!(changes.movers.len(), 2);
    // They are read with what moved, however few batches are read at once.
    let (last, _) = changes.verdicts[1];
    let rest = books.ledger.changes((changes.verdicts[0].0, i64::MAX), 1).await.unwrap();
    assert_eq!(rest.verdicts.iter().map(|(batch, _)| *batch).collect::<Vec<_>>(), [last]);
    books.finish().await;
}

/// Books of before keep what a facilitator said in capitals as it was said.
#[tokio::test]
async fn a_transaction_that_is_named_in_capitals_or_not_pays_once() {
    let books = Books::new();
    let [one, other] = left_unknown(&books, [1, 2]).await;
    let as_written = TransactionId::Named("0xABCD".parse().unwrap());
    books.ledger.close(one.payment, Close::Moved(as_written.into())).await.unwrap();
    let again = books.ledger.close(other.payment, Close::Moved(moved("0xAbCd").into())).await;
    assert_eq!(again, Err(LedgerError::TransactionSpent));
    assert_eq!(books.ledger.settled_by(SOLANA, moved("0xabcd")).await.unwrap(), Some(one.payment));
    books.ledger.close(other.payment, Close::Void).await.unwrap();
    books.finish().await;
}
