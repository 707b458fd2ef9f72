//! What left in another way than by whoever sends, and what is due, page by page.

use super::super::kit::Fault;
use super::*;
use crate::commit::StoreError;

#[tokio::test]
async fn what_left_in_another_way_is_marked_by_its_transaction_once_and_is_never_sent() {
    let books = books();
    let request = settled(&books, 1).await;
    give_back(&books, request.payment, 40_000, "one").await.unwrap();
    books.clock.set(NOON + 1);
    give_back(&books, request.payment, 20_000, "two").await.unwrap();
    let deferred = onchain(2, Payee::Treasury, Settle::Deferred);
    books.hold(deferred.clone()).await.unwrap().capture().await.unwrap().delivered();
    books.ledger.refund(deferred.payment, RefundReason::UpstreamFailed).await.unwrap();
    let [first, second] = &due(&books).await[..] else { panic!("two are due") };
    let marked = step(&books, first, Step::Left(SENT)).await;
    assert_eq!((marked.state, marked.transaction), (OutgoingState::Paid, Some(SENT)));
    assert_eq!(step(&books, &marked, Step::Left(SENT)).await, marked, "said before");
    for late in [Step::Left(TRANSACTION), Step::Send, Step::Retry] {
        assert_eq!(books.ledger.outgoing_step(&marked, late).await, Err(LedgerError::Step));
    }
    let twice = books.ledger.outgoing_step(second, Step::Left(SENT)).await;
    assert_eq!(twice, Err(LedgerError::TransactionUsed), "one transaction is one transfer");
    let failed = step(&books, &sent(&books, second).await, Step::Fail("lost".to_owned())).await;
    let other = B256::repeat_byte(0xef);
    assert_eq!(step(&books, &failed, Step::Left(other)).await.state, OutgoingState::Paid);
    let [open] = &books.ledger.outgoing_of(deferred.payment).await.unwrap()[..] else { panic!("one") };
    let early = books.ledger.outgoing_step(open, Step::Left(B256::repeat_byte(0xf0))).await;
    assert_eq!(early, Err(LedgerError::Step), "its payment has not come");
    assert_eq!(due(&books).await, []);

    // A payout is booked by it, in the name of whoever said so.
    let settlement = settle(&books).await.unwrap();
    let [payout] = &due(&books).await[..] else { panic!("one is due") };
    let hash = B256::repeat_byte(0xf1);
    books.ledger.asked_by("somebody").outgoing_step(payout, Step::Left(hash)).await.unwrap();
    let paid = books.ledger.payout(settlement.payout).await.unwrap().unwrap().paid.unwrap();
    assert_eq!(paid.reference, hash.to_string());
    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    assert_eq!(changes.movers.get(paid.transfer.as_bytes()).map(String::as_str), Some("somebody"));
    let all = books.ledger.outgoing_paid((UnixMillis(0), OutgoingId::from_bytes([0; 16])), 10).await.unwrap();
    assert_eq!(all.len(), 3);
    let last = (all[1].changed_at, all[1].id);
    assert_eq!(books.ledger.outgoing_paid(last, 10).await.unwrap(), &all[2..]);
    books.ledger.settled(deferred.payment, TRANSACTION).await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn a_transfer_of_ours_is_not_paid_by_the_transaction_of_another_one() {
    let books = books();
    let request = settled(&books, 1).await;
    for (time, key) in [(1, "one"), (2, "two")] {
        books.clock.set(NOON + time);
        give_back(&books, request.payment, 20_000, key).await.unwrap();
    }
    let [first, second] = &due(&books).await[..] else { panic!("two are due") };
    let (id, other) = (first.id, second.id);
    step(&books, first, Step::Left(SENT)).await;
    for (than, is_used) in [(id, false), (other, true)] {
        assert_eq!(books.ledger.outgoing_has_left_by(SENT, than).await.unwrap(), is_used);
    }
    let second = sent(&books, second).await;
    let twice = books.ledger.outgoing_step(&second, Step::Pay(SENT)).await;
    assert_eq!(twice, Err(LedgerError::TransactionUsed));
    step(&books, &second, Step::Pay(TRANSACTION)).await;
    books.finish().await;
}

#[tokio::test]
async fn whoever_had_a_refund_tried_again_or_marked_is_named_once() {
    let books = books();
    let request = settled(&books, 1).await;
    give_back(&books, request.payment, 40_000, "one").await.unwrap();
    let [outgoing] = &due(&books).await[..] else { panic!("one is due") };
    let failed = step(&books, &sent(&books, outgoing).await, Step::Fail("lost".to_owned())).await;
    let somebody = books.ledger.asked_by("somebody");
    let again = somebody.outgoing_step(&failed, Step::Retry).await.unwrap();
    somebody.outgoing_step(&again, Step::Left(SENT)).await.unwrap();
    // Both as it was read before: it was made by then.
    books.ledger.asked_by("too late").outgoing_step(&again, Step::Left(SENT)).await.unwrap();
    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    let who = |stepped: &Stepped| changes.movers.get(&stepped.name).map(String::as_str);
    let named: Vec<_> = changes.outgoing.iter().map(|one| (one.outgoing.state, who(one))).collect();
    let (sent, failed) = ((OutgoingState::Sent, None), (OutgoingState::Failed, None));
    let [due, paid] = [OutgoingState::Due, OutgoingState::Paid].map(|state| (state, Some("somebody")));
    assert_eq!(named, [sent, failed, due, paid]);
    assert_eq!(changes.movers.len(), 2);
    books.finish().await;
}

/// Both are in a batch that a constraint refuses for another one's sake.
#[tokio::test]
async fn each_half_of_a_batch_is_judged_by_what_the_other_half_wrote() {
    let books = books();
    let request = settled(&books, 1).await;
    for (time, key) in [(1, "one"), (2, "two")] {
        books.clock.set(NOON + time);
        give_back(&books, request.payment, 20_000, key).await.unwrap();
    }
    let [first, second] = &due(&books).await[..] else { panic!("two are due") };
    let other = books.hold(onchain(2, Payee::Treasury, Settle::After)).await.unwrap();
    books.faults.commit(Fault::Wait);
    let capturing = other.capture_settled(TRANSACTION);
    books.faults.until_waiting().await;
    books.faults.commit(Fault::Before(StoreError::Refused("another one".to_owned())));
    let mark = |outgoing| books.ledger.outgoing_step(outgoing, Step::Left(SENT));
    let mut marking = Box::pin(async { tokio::join!(mark(first), mark(second)) });
    tokio::select! {
        biased;
        _ = &mut marking => panic!("nothing is written yet"),
        () = std::future::ready(()) => books.faults.let_go(),
    }
    capturing.await.unwrap().delivered();
    let (one, two) = marking.as_mut().await;
    drop(marking);
    assert_eq!(one.unwrap().state, OutgoingState::Paid);
    assert_eq!(two, Err(LedgerError::TransactionUsed));
    books.finish().await;
}

#[tokio::test]
async fn what_is_due_is_read_page_by_page() {
    let books = books();
    let request = settled(&books, 1).await;
    for number in 0..5 {
        books.clock.set(NOON + i64::from(number));
        give_back(&books, request.payment, 1_000, &format!("{number}")).await.unwrap();
    }
    let whole = due(&books).await;
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = books.ledger.outgoing_open(NETWORK, OutgoingState::Due, after, 2).await.unwrap();
        after = page.last().map(|outgoing| outgoing.id);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!((read.len(), read), (5, whole));
    books.finish().await;
}
