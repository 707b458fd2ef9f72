//! Settlements and payouts (I8): contiguous, disjoint, of exact sums, each paid once; and what comes between.

use domain::{PayoutDestination, PayoutId, UnixMillis};

use super::kit::{Books, Fault, HOUR, NOON, amount, request, wallet};
use crate::commit::StoreError;
use crate::{
    Closing, HoldRequest, LedgerError, Page, PaymentFilter, PayoutFilter, PayoutPayment, RefundReason,
    RefundRequest, Settlement, TransferKind,
};

fn bank() -> PayoutDestination {
    PayoutDestination::Manual("DE02 1203 0000 0000 2020 51".to_owned())
}

fn payment(payout: PayoutId, reference: &str, key: &str) -> PayoutPayment {
    PayoutPayment { payout, reference: reference.to_owned(), idempotency_key: key.to_owned() }
}

/// What a settlement of all that was captured before `until` would be.
async fn closing(books: &Books, until: i64) -> Option<Closing> {
    let tally = books.ledger.begin_tally("acme").await.unwrap().unwrap();
    let tally = books.ledger.extend_tally(tally, UnixMillis(until)).await.unwrap();
    books.ledger.close_tally(&tally).await.unwrap()
}

async fn settle(books: &Books, until: i64, destination: PayoutDestination) -> Settlement {
    let closing = closing(books, until).await.unwrap();
    books.ledger.settle(closing, destination).await.unwrap()
}

/// Payments of these amounts; the fee is 2.5 per cent.
async fn paid(books: &Books, units: &[i64]) -> Vec<domain::PaymentId> {
    let mut payments = Vec::new();
    for units in units {
        let receipt = books.pay(request(*units)).await;
        payments.push(receipt.record().payment);
        receipt.delivered();
    }
    payments
}

async fn give_back(books: &Books, payment: domain::PaymentId, units: i64) {
    let request = RefundRequest {
        payment,
        amount: Some(amount(units)),
        reason: RefundReason::Operator,
        idempotency_key: format!("{payment} {units} {}", books.ledger.head().await.unwrap().batch),
    };
    books.ledger.refund_part(request).await.unwrap();
}

/// The list of who is owed says the same, without those who owe.
async fn net(books: &Books) -> i64 {
    let net = books.ledger.position("acme").await.unwrap().unwrap().net;
    let owed = books.ledger.owed().await.unwrap();
    let listed = owed.iter().find(|(provider, _)| **provider == *"acme");
    assert_eq!(listed.map_or(0, |(_, owed)| owed.atomic()), net.max(0));
    net
}

#[tokio::test]
async fn what_is_old_enough_is_settled_and_paid_out_once() {
    let books = Books::funded(100_000).await;
    paid(&books, &[1_000, 2_000, 3_000]).await;
    books.clock.set(NOON + HOUR);
    paid(&books, &[4_000]).await;
    let settlement = settle(&books, NOON + HOUR, bank()).await;
    assert_eq!((settlement.number, settlement.since, settlement.cut, settlement.payments), (1, 0, 3, 3));
    assert_eq!(
        (settlement.gross, settlement.fee, settlement.net),
        (amount(6_000), amount(150), amount(5_850))
    );
    let position = books.ledger.position("acme").await.unwrap().unwrap();
    assert_eq!((position.payments, position.gross, position.fee), (1, amount(4_000), amount(100)));
    assert_eq!((position.net, position.pending), (3_900, amount(5_850)));
    assert_eq!(
        (position.oldest_at, position.settled_at),
        (Some(UnixMillis(NOON + HOUR)), Some(settlement.at))
    );

    let unpaid = PayoutFilter { paid: Some(false), ..PayoutFilter::default() };
    let pending = books.ledger.payouts(&unpaid, Page::default()).await.unwrap().items;
    let [payout] = &pending[..] else { panic!("{pending:?}") };
    assert_eq!((payout.id, payout.amount, &payout.destination), (settlement.payout, amount(5_850), &bank()));
    let done = books.ledger.pay_out(payment(payout.id, "bank 7", "word")).await.unwrap();
    assert_eq!(done.paid.as_ref().unwrap().reference, "bank 7");
    assert_eq!(books.ledger.pay_out(payment(payout.id, "bank 7", "word")).await.unwrap(), done);
    let other = books.ledger.pay_out(payment(payout.id, "bank 8", "word")).await;
    assert_eq!(other, Err(LedgerError::Conflict));
    let again = books.ledger.pay_out(payment(payout.id, "bank 7", "another")).await;
    assert_eq!(again, Err(LedgerError::PaidBefore));
    let unknown = books.ledger.pay_out(payment(PayoutId::from_bytes([9; 16]), "bank 7", "new")).await;
    assert_eq!(unknown, Err(LedgerError::UnknownPayout));
    assert_eq!(books.ledger.payout(payout.id).await.unwrap().unwrap(), done);
    assert_eq!(books.ledger.payouts(&unpaid, Page::default()).await.unwrap().items, []);
    assert_eq!(books.ledger.position("acme").await.unwrap().unwrap().pending, amount(0));

    let second = settle(&books, NOON + 2 * HOUR, bank()).await;
    assert_eq!((second.number, second.since, second.cut, second.net), (2, 3, 4, amount(3_900)));
    assert!(closing(&books, NOON + 2 * HOUR).await.is_none(), "nothing is left");
    books.finish().await;
}

#[tokio::test]
async fn each_refund_is_taken_off_once_before_or_after_its_payment_is_settled() {
    let books = Books::funded(100_000).await;
    let payments = paid(&books, &[1_000, 2_000, 3_000]).await;
    give_back(&books, payments[0], 400).await;
    books.clock.set(NOON + HOUR);
    let young = paid(&books, &[4_000]).await;
    // Of a payment that is no member yet.
    give_back(&books, young[0], 1_000).await;
    let read = closing(&books, NOON + HOUR).await.unwrap();
    // After the sums were read: for the next settlement.
    give_back(&books, payments[1], 800).await;
    let first = books.ledger.settle(read, bank()).await.unwrap();
    assert_eq!((first.refunds, first.adjustments, first.net), (amount(390), amount(0), amount(5_850 - 390)));
    give_back(&books, payments[2], 200).await;
    let open = books.ledger.position("acme").await.unwrap().unwrap();
    assert_eq!((open.refunds, open.adjustments), (amount(975), amount(780 + 195)));
    assert_eq!(open.net, 3_900 - 975 - 975);
    let second = settle(&books, NOON + 2 * HOUR, bank()).await;
    assert_eq!((second.refunds, second.adjustments), (amount(975), amount(975)));
    assert_eq!(second.net, amount(3_900 - 975 - 975));
    assert_eq!(net(&books).await, 0);
    books.finish().await;
}

#[tokio::test]
async fn more_given_back_than_earned_is_carried_over() {
    let books = Books::funded(100_000).await;
    let payments = paid(&books, &[1_000]).await;
    settle(&books, NOON + HOUR, bank()).await;
    paid(&books, &[100]).await;
    give_back(&books, payments[0], 1_000).await;
    assert_eq!(net(&books).await, 98 - 975);
    let read = closing(&books, NOON + HOUR).await.unwrap();
    assert_eq!(read.net(), None);
    assert_eq!(books.ledger.settle(read, bank()).await, Err(LedgerError::Amount));
    paid(&books, &[2_000]).await;
    let settlement = settle(&books, NOON + HOUR, bank()).await;
    assert_eq!((settlement.payments, settlement.adjustments), (2, amount(975)));
    assert_eq!(settlement.net, amount(98 + 1_950 - 975));
    books.finish().await;
}

/// Else whoever pays a provider of their own has the money twice: paid out, and given back.
#[tokio::test]
async fn a_provider_gives_back_nothing_that_it_was_settled_with_for() {
    let books = Books::funded(100_000).await;
    let payments = paid(&books, &[1_000, 1_000]).await;
    let read = closing(&books, NOON + HOUR).await.unwrap();
    let part = |payment: domain::PaymentId, units, key: &str| RefundRequest {
        payment,
        amount: Some(amount(units)),
        reason: RefundReason::Requested,
        idempotency_key: key.to_owned(),
    };
    books.ledger.refund_part(part(payments[0], 400, "before")).await.unwrap();
    let stale = books.ledger.settle(read, bank()).await;
    assert_eq!(stale, Err(LedgerError::Stale), "given back since the sums were read");
    settle(&books, NOON + HOUR, bank()).await;
    let refused = books.ledger.refund_part(part(payments[0], 600, "after")).await;
    assert_eq!(refused, Err(LedgerError::Earnings));

    paid(&books, &[700]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (ledger, request) = (books.ledger.clone(), part(payments[1], 600, &number.to_string()));
        tasks.spawn(async move { ledger.refund_part(request).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(net(&books).await >= 0);
    settle(&books, NOON + 2 * HOUR, bank()).await;
    let broken_off = books.ledger.refund(payments[1], RefundReason::BrokenOff).await;
    assert_eq!(broken_off, Err(LedgerError::Earnings), "whoever sells and buys could break off on purpose");
    // The platform stands in for what its operator decides.
    give_back(&books, payments[0], 600).await;
    assert!(net(&books).await < 0);
    books.finish().await;
}

#[tokio::test]
async fn of_many_settlements_of_the_same_payments_one_is_made() {
    let books = Books::funded(100_000).await;
    paid(&books, &[1_000, 1_000]).await;
    let read = closing(&books, NOON + HOUR).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (ledger, read) = (books.ledger.clone(), read.clone());
        tasks.spawn(async move { ledger.settle(read, bank()).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    let stale = |done: &&Result<_, _>| **done == Err(LedgerError::Stale);
    assert_eq!(done.iter().filter(stale).count(), 19);
    let all = books.ledger.settlements(Some("acme"), Page::default()).await.unwrap();
    assert_eq!(all.items.len(), 1);
    books.finish().await;
}

#[tokio::test]
async fn a_payout_into_a_wallet_is_there_with_the_settlement() {
    let books = Books::funded(100_000).await;
    paid(&books, &[1_000]).await;
    let read = closing(&books, NOON + HOUR).await.unwrap();
    let nowhere = PayoutDestination::Wallet(wallet(9));
    assert_eq!(books.ledger.settle(read.clone(), nowhere).await, Err(LedgerError::UnknownWallet));
    books.ledger.create_wallet(wallet(2)).await.unwrap();
    let settlement = books.ledger.settle(read, PayoutDestination::Wallet(wallet(2))).await.unwrap();
    assert_eq!(books.balance(2).await, 975);
    let payout = books.ledger.payout(settlement.payout).await.unwrap().unwrap();
    let done = payout.paid.unwrap();
    assert_eq!((done.reference, done.at), (settlement.id.to_string(), settlement.at));
    let moved = books.ledger.transfers(wallet(2), Page::default()).await.unwrap().items;
    assert_eq!((moved.len(), moved[0].id, moved[0].kind), (1, done.transfer, TransferKind::Payout));
    assert_eq!(books.ledger.position("acme").await.unwrap().unwrap().pending, amount(0));
    let again = books.ledger.pay_out(payment(settlement.payout, "bank", "word")).await;
    assert_eq!(again, Err(LedgerError::PaidBefore));
    let pay = HoldRequest { wallet: wallet(2), ..request(975) };
    books.pay(pay).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_settlement_whose_commit_broke_stands_or_not_and_is_made_once() {
    for (fault, stands) in [
        (Fault::After(StoreError::Broken("a test".to_owned())), true),
        (Fault::Before(StoreError::Broken("a test".to_owned())), false),
    ] {
        let mut books = Books::funded(100_000).await;
        paid(&books, &[1_000]).await;
        let read = closing(&books, NOON + HOUR).await.unwrap();
        books.faults.commit(fault);
        let settled = books.ledger.settle(read.clone(), bank()).await;
        assert_eq!(settled.is_ok(), stands, "{settled:?}");
        books.reopen().await;
        let again = books.ledger.settle(read, bank()).await;
        assert_eq!(again.is_ok(), !stands, "{again:?}");
        assert_eq!(net(&books).await, 0);
        books.finish().await;
    }
}

#[tokio::test]
async fn members_are_listed_and_know_their_settlement() {
    let books = Books::funded(100_000).await;
    paid(&books, &[10, 20]).await;
    let other = HoldRequest { provider: "blue".into(), ..request(5) };
    books.pay(other).await.delivered();
    let payments = paid(&books, &[30]).await;
    let settlement = settle(&books, NOON + HOUR, bank()).await;
    let late = paid(&books, &[40]).await;
    let filter = PaymentFilter { settlement: Some(settlement.id), ..PaymentFilter::default() };
    let members = books.ledger.payments(&filter, Page::default()).await.unwrap().items;
    let units: Vec<_> = members.iter().map(|member| member.receipt.amount.atomic()).collect();
    assert_eq!(units, [30, 20, 10]);
    let timeline = books.ledger.timeline(payments[0]).await.unwrap().unwrap();
    assert_eq!(timeline.settlement, books.ledger.settlement(settlement.id).await.unwrap());
    assert_eq!(timeline.payout.map(|payout| payout.id), Some(settlement.payout));
    assert_eq!(timeline.settlement, Some(settlement));
    assert_eq!(books.ledger.timeline(late[0]).await.unwrap().unwrap().settlement, None);
    books.finish().await;
}
