//! Payments on public networks: an intent stands before anything is forwarded, what nobody knows stays held until evidence closes
//! it, and what was captured stays due until its value moved.

use std::sync::Arc;

use domain::{
    Address, B256, Fingerprint, IdempotencyKey, Payee, PaymentId, ReplayKey, Settle, TransactionId,
};

use super::kit::{Books, NOON, amount, clean, request};
use crate::{
    Close, Debtor, DuePlace, Held, HoldError, HoldRequest, Intent, LedgerError, RefundReason, RefundRequest,
    Revenue, RevenueBy,
};

pub(super) const TRANSACTION: B256 = B256::repeat_byte(0xaa);

fn intent(payer: u8, payee: Payee, settle: Settle) -> Intent {
    Intent {
        network: "eip155:84532".into(),
        token: Address::repeat_byte(5).into(),
        payer: Address::repeat_byte(payer).into(),
        pay_to: Address::repeat_byte(7).into(),
        custody: payee.custody(),
        deposit: None,
        settle,
        valid_before: u64::try_from(NOON / 1000 + 60).unwrap(),
        since_block: 41,
        payload: r#"{"x402Version":2,"payload":"it's \"quoted\""}"#.into(),
        requirements: r#"{"scheme":"exact"}"#.into(),
    }
}

pub(super) const DIRECT: Payee = Payee::Direct(Address::repeat_byte(7));

/// A payment of ten cents, that `nonce` names.
pub(super) fn onchain(nonce: u8, payee: Payee, settle: Settle) -> HoldRequest {
    let intent = intent(1, payee, settle);
    let replay = ReplayKey::new(
        intent.valid_before,
        &intent.network,
        Address::repeat_byte(5),
        Address::repeat_byte(1),
        B256::repeat_byte(nonce),
    );
    HoldRequest {
        agent: intent.agent(),
        wallet: intent.wallet(),
        replay: Some(replay),
        digest: Some(B256::repeat_byte(nonce)),
        intent: Some(Arc::new(intent)),
        ..request(100_000)
    }
}

async fn captured(books: &Books, payment: PaymentId) -> Option<Option<TransactionId>> {
    let record = books.ledger.payment(payment).await.unwrap()?;
    Some(record.receipt.on_chain.unwrap().transaction)
}

async fn revenue(books: &Books) -> Revenue {
    let day = domain::UnixMillis(NOON);
    books.ledger.revenue("acme", (day, day), RevenueBy::Day, 100).await.unwrap().remove(0)
}

#[tokio::test]
async fn what_was_settled_is_captured_with_its_transaction_and_no_settlement_of_ours_has_it() {
    let books = Books::new();
    let request = onchain(1, DIRECT, Settle::After);
    let hold = books.hold(request.clone()).await.unwrap();
    clean(&books.ledger.audit().await.unwrap());
    let receipt = hold.capture_seen(TRANSACTION).await.unwrap();
    let on_chain = receipt.record().on_chain.clone().unwrap();
    assert_eq!(
        (on_chain.payer, on_chain.transaction),
        (Address::repeat_byte(1).into(), Some(TRANSACTION.into()))
    );
    receipt.delivered();
    assert_eq!(captured(&books, request.payment).await, Some(Some(TRANSACTION.into())));
    assert_eq!(revenue(&books).await.gross, amount(100_000));
    // A block may still be undone: it is settled once somebody says that it is for good.
    assert_eq!(books.ledger.due("eip155:84532", 10).await.unwrap()[0].seen, Some(TRANSACTION.into()));
    books.ledger.settled(request.payment, TRANSACTION).await.unwrap();
    assert_eq!(books.ledger.due("eip155:84532", 10).await.unwrap(), []);
    assert!(
        books.ledger.begin_tally("acme").await.unwrap().is_none(),
        "a provider that earned nothing from wallets"
    );
    assert!(books.ledger.timeline(request.payment).await.unwrap().unwrap().settlement.is_none());
    // The same payment again is the same payment.
    assert!(matches!(books.ledger.hold(request).await, Ok(Held::Prior(_))));
    books.finish().await;
}

#[tokio::test]
async fn the_oldest_payment_to_the_treasury_that_may_still_be_undone_is_told_for_settlements() {
    let books = Books::new();
    let unsure = || async { books.ledger.position("acme").await.unwrap().unwrap().unsure_at };
    let own = onchain(1, DIRECT, Settle::Deferred);
    books.hold(own.clone()).await.unwrap().capture().await.unwrap().delivered();
    let request = onchain(2, Payee::Treasury, Settle::Deferred);
    let receipt = books.hold(request.clone()).await.unwrap().capture().await.unwrap();
    let captured_at = receipt.record().captured_at;
    receipt.delivered();
    assert_eq!(unsure().await, Some(captured_at), "the provider's own is nobody's to settle");
    books.ledger.settled(request.payment, TRANSACTION).await.unwrap();
    assert_eq!(unsure().await, None);
    books.finish().await;
}

#[tokio::test]
async fn what_certainly_did_not_move_is_voided_and_can_be_used_again() {
    let books = Books::new();
    let request = onchain(1, DIRECT, Settle::After);
    books.hold(request.clone()).await.unwrap().void().await.unwrap();
    assert_eq!(books.ledger.unknown(), []);
    books.hold(request).await.unwrap().capture_settled(TRANSACTION).await.unwrap().delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_named_call_that_is_signed_for_anew_is_told_of_which_payment_nobody_knows() {
    let books = Books::new();
    let named = |nonce| {
        let request = onchain(nonce, DIRECT, Settle::After);
        let name = Some(IdempotencyKey::new(request.agent, "order"));
        HoldRequest { idempotency: name, fingerprint: Fingerprint::from_bytes([7; 16]), ..request }
    };
    let first = named(1);
    let running = books.hold(first.clone()).await.unwrap();
    assert_eq!(books.ledger.hold(named(2)).await.unwrap_err(), HoldError::InProgress);
    running.leave_unknown();
    assert_eq!(books.ledger.hold(named(2)).await.unwrap_err(), HoldError::SettlementUnknown(first.payment));
    let another = HoldRequest { fingerprint: Fingerprint::from_bytes([8; 16]), ..named(3) };
    assert_eq!(books.ledger.hold(another).await.unwrap_err(), HoldError::Reused);
    books.ledger.close(first.payment, Close::Void).await.unwrap();
    books.hold(named(2)).await.unwrap().void().await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn d8_what_nobody_knows_stays_held_over_a_crash_until_evidence_closes_it() {
    let mut books = Books::new();
    let (moved, void) = (onchain(1, DIRECT, Settle::After), onchain(2, Payee::Treasury, Settle::After));
    books.hold(moved.clone()).await.unwrap().leave_unknown();
    // Nobody said what became of it: it may have been asked for.
    drop(books.hold(void.clone()).await.unwrap());
    for _ in 0..2 {
        let unknown: Vec<_> = books.ledger.unknown().into_iter().map(|open| open.payment).collect();
        let mut both = [moved.payment, void.payment];
        both.sort();
        assert_eq!(unknown, both);
        for request in [&moved, &void] {
            let again = HoldRequest { payment: onchain(9, DIRECT, Settle::After).payment, ..request.clone() };
            assert_eq!(
                books.ledger.hold(again).await.unwrap_err(),
                HoldError::SettlementUnknown(request.payment)
            );
        }
        clean(&books.ledger.audit().await.unwrap());
        books.reopen().await;
    }
    let open = books.ledger.unknown().into_iter().find(|open| open.payment == moved.payment).unwrap();
    assert_eq!((open.amount, Some(&open.intent)), (amount(100_000), moved.intent.as_ref()));

    books.ledger.close(moved.payment, Close::Moved(TRANSACTION.into())).await.unwrap();
    books.ledger.close(void.payment, Close::Void).await.unwrap();
    let again = books.ledger.close(void.payment, Close::Void).await;
    assert_eq!(again, Err(LedgerError::UnknownPayment));
    assert_eq!(captured(&books, moved.payment).await, Some(Some(TRANSACTION.into())));
    assert_eq!(captured(&books, void.payment).await, None);
    // It was never delivered: once more, free.
    match books.ledger.hold(moved).await.unwrap() {
        Held::Redelivery(redelivery) => redelivery.delivered(),
        other => panic!("a redelivery was expected, not {other:?}"),
    }
    books.hold(void).await.unwrap().void().await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn what_is_deferred_and_only_held_is_free_again_after_a_crash_because_nobody_was_asked_to_settle_it() {
    let mut books = Books::new();
    let (crashed, left) = (onchain(1, DIRECT, Settle::Deferred), onchain(2, DIRECT, Settle::Deferred));
    let running = books.hold(crashed.clone()).await.unwrap();
    drop(books.hold(left.clone()).await.unwrap());
    books.reopen().await;
    drop(running);
    assert_eq!(books.ledger.unknown(), []);
    for request in [crashed, left] {
        let payment = request.payment;
        books.hold(request).await.unwrap().capture().await.unwrap().delivered();
        books.ledger.settled(payment, TRANSACTION).await.unwrap();
    }
    books.finish().await;
}

#[tokio::test]
async fn a_ledger_that_closes_leaves_what_nobody_knows_to_the_next_start() {
    let mut books = Books::new();
    let request = onchain(1, DIRECT, Settle::After);
    let running = books.hold(request.clone()).await.unwrap();
    books.close().await;
    drop(running);
    books.reopen().await;
    assert_eq!(books.ledger.unknown().len(), 1);
    books.ledger.close(request.payment, Close::Void).await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn what_is_deferred_stays_due_over_a_crash_until_its_value_moved_or_never_can() {
    let mut books = Books::new();
    let (paid, lost) = (onchain(1, Payee::Treasury, Settle::Deferred), onchain(2, DIRECT, Settle::Deferred));
    for request in [&paid, &lost] {
        books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
        assert_eq!(captured(&books, request.payment).await, Some(None));
    }
    books.reopen().await;
    assert_eq!(books.ledger.unknown(), []);
    let due = books.ledger.due("eip155:84532", 10).await.unwrap();
    let mut both = vec![paid.payment, lost.payment];
    both.sort();
    assert_eq!(due.iter().map(|open| open.payment).collect::<Vec<_>>(), both);
    assert_eq!(due.iter().filter(|open| Some(&open.intent) == paid.intent.as_ref()).count(), 1);
    assert_eq!(books.ledger.due("eip155:84532", 1).await.unwrap().len(), 1);
    assert_eq!(books.ledger.due("eip155:8453", 10).await.unwrap(), [], "of another network nothing is");
    assert_eq!(books.ledger.open_on().await.unwrap(), [("eip155:84532".to_owned(), 2)]);

    books.ledger.settled(paid.payment, TRANSACTION).await.unwrap();
    assert_eq!(captured(&books, paid.payment).await, Some(Some(TRANSACTION.into())));
    // Once: another transaction of it would be another payment.
    let again = books.ledger.settled(paid.payment, B256::repeat_byte(0xbb)).await;
    assert_eq!(again, Err(LedgerError::Unavailable));
    let still = books.ledger.still_open(&both).await.unwrap();
    assert_eq!(still.into_iter().collect::<Vec<_>>(), [lost.payment]);
    let written_off = books.ledger.write_off(lost.payment).await.unwrap();
    assert_eq!((written_off.amount, written_off.reason), (amount(100_000), RefundReason::WrittenOff));
    assert!(books.ledger.write_off(lost.payment).await.is_err());
    let again = books.ledger.hold(lost.clone()).await;
    assert!(
        matches!(&again, Ok(Held::Prior(prior)) if prior.refunded),
        "it buys nothing any more: {again:?}"
    );
    let debtors = books.ledger.debtors(domain::UnixMillis(0), 10).await.unwrap();
    assert_eq!(debtors, [Debtor { payer: Address::repeat_byte(1).into(), at: written_off.at }]);
    assert_eq!(books.ledger.debtors(written_off.at.plus(1), 10).await.unwrap(), []);
    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    let on_chain = changes.refunds[0].on_chain.as_ref().unwrap();
    assert_eq!(
        (&*on_chain.network, on_chain.payer, on_chain.direct),
        ("eip155:84532", debtors[0].payer, true)
    );
    assert_eq!(books.ledger.due("eip155:84532", 10).await.unwrap(), []);
    assert!(books.ledger.still_open(&both).await.unwrap().is_empty());
    assert_eq!(books.ledger.open_on().await.unwrap(), []);
    assert_eq!(revenue(&books).await.refunded, amount(100_000));
    books.finish().await;
}

#[tokio::test]
async fn only_its_recipient_gives_back_what_came_from_a_public_network() {
    let books = Books::new();
    let (direct, treasury) = (onchain(1, DIRECT, Settle::After), onchain(2, Payee::Treasury, Settle::After));
    // Nothing can leave the treasury here: no outlet.
    for (request, refused) in [(direct, LedgerError::OnChain), (treasury, LedgerError::NoOutlet)] {
        books.hold(request.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap().delivered();
        let asked = RefundRequest {
            payment: request.payment,
            amount: None,
            reason: RefundReason::Operator,
            idempotency_key: "once".to_owned(),
        };
        assert_eq!(books.ledger.refund_part(asked).await, Err(refused.clone()));
        assert_eq!(books.ledger.refund(request.payment, RefundReason::BrokenOff).await, Err(refused));
        // It came: nothing of it is written off.
        assert_eq!(books.ledger.write_off(request.payment).await, Err(LedgerError::NotOpen));
    }
    // And what came from a wallet is not written off.
    books.fund(1, 1_000).await;
    let receipt = books.pay(super::kit::request(10)).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    assert_eq!(books.ledger.write_off(payment).await, Err(LedgerError::NotOpen));
    books.finish().await;
}

#[tokio::test]
async fn what_is_due_is_read_on_from_a_place_and_a_row_that_cannot_be_read_hides_no_other() {
    let mut books = Books::new();
    let payments = [1, 2, 3].map(|nonce| onchain(nonce, DIRECT, Settle::Deferred));
    for request in &payments {
        books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
    }
    let over = i64::try_from(payments[0].intent.as_ref().unwrap().valid_before).unwrap();
    let between = async |books: &Books, between, limit| {
        books.ledger.due_between("eip155:84532", between, limit).await.unwrap()
    };
    let all = between(&books, (DuePlace::FIRST, i64::MAX), 10).await;
    assert_eq!(between(&books, (DuePlace::FIRST, over), 2).await, all[..2]);
    assert_eq!(between(&books, (all[1].place, over), 2).await, all[2..]);
    assert_eq!(between(&books, (DuePlace::before(over), over), 10).await, all);
    assert_eq!(between(&books, (DuePlace::FIRST, over - 1), 10).await, []);
    assert_eq!(between(&books, (DuePlace::before(over + 1), i64::MAX), 10).await, []);
    if std::env::var("FAREGATE_TEST_DATABASE").is_ok_and(|database| database == "postgres") {
        return books.finish().await;
    }
    books.close().await;
    let first = "update intent set since_block = -1 where payment = (select min(payment) from intent)";
    super::tampered::tamper(&books.path(), first).await;
    books.reopen().await;
    let read = between(&books, (DuePlace::FIRST, i64::MAX), 10).await;
    assert_eq!(read.iter().map(|due| due.open.is_some()).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(
        read.iter().map(|due| due.place).collect::<Vec<_>>(),
        all.iter().map(|due| due.place).collect::<Vec<_>>()
    );
    assert_eq!(books.ledger.due("eip155:84532", 10).await.unwrap().len(), 2);
    books.close().await;
    let mended = "update intent set since_block = 1 where since_block = -1";
    super::tampered::tamper(&books.path(), mended).await;
    books.reopen().await;
    books.finish().await;
}
