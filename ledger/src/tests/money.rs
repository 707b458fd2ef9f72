//! Balances, tiers, refunds, funding: what is charged, what is given back, and what never is.

use std::sync::atomic::Ordering;

use super::kit::{Books, agent, amount, funding, named, request, tiers, wallet};
use crate::{Held, HoldError, HoldRequest, LedgerError, PaymentState, RefundReason};

#[tokio::test]
async fn a_payment_debits_the_wallet_and_credits_provider_and_fee() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(request(400)).await;
    assert_eq!((receipt.record().amount, receipt.record().fee), (amount(400), amount(10)));
    assert_eq!(books.balance(1).await, 600);
    let record = books.ledger.payment(receipt.record().payment).await.unwrap().unwrap();
    assert_eq!(&record.receipt, receipt.record());
    assert_eq!(
        (record.wallet, record.state, record.refunded),
        (wallet(1), PaymentState::Captured, amount(0))
    );
    receipt.delivered();
    books.finish().await;
}

#[tokio::test]
async fn r7_a_hundred_at_once_on_ten_get_ten() {
    let books = Books::funded(10).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            match ledger.hold(request(1)).await {
                Ok(Held::Hold(hold)) => hold.capture().await.unwrap().delivered(),
                Err(HoldError::InsufficientFunds { .. }) => return 0,
                other => panic!("{other:?}"),
            }
            1
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<i32>(), 10);
    assert_eq!(books.balance(1).await, 0);
    books.finish().await;
}

#[tokio::test]
async fn r9_a_void_frees_its_funds_at_once() {
    let books = Books::funded(10).await;
    let hold = books.hold(request(10)).await.unwrap();
    assert_eq!(books.available(1).await, 0);
    let refused = books.hold(request(1)).await.unwrap_err();
    assert_eq!(refused, HoldError::InsufficientFunds { available: amount(0), price: amount(1) });
    hold.void().await.unwrap();
    let hold = books.hold(request(10)).await.unwrap();
    drop(hold);
    assert_eq!(books.available(1).await, 10);
    assert_eq!(books.ledger.queue_depth(), 0);
    books.finish().await;
}

#[tokio::test]
async fn a_capture_that_nobody_waits_for_is_charged() {
    let books = Books::funded(10).await;
    let payment = {
        let hold = books.hold(request(3)).await.unwrap();
        let payment = hold.payment();
        drop(hold.capture());
        payment
    };
    // The writer answers in order: what follows comes after the capture.
    books.ledger.create_wallet(wallet(2)).await.unwrap();
    assert!(books.ledger.payment(payment).await.unwrap().is_some());
    assert_eq!(books.balance(1).await, 7);
    books.finish().await;
}

#[tokio::test]
async fn an_unknown_wallet_holds_nothing() {
    let books = Books::funded(10).await;
    let refused = books.hold(HoldRequest { wallet: wallet(9), ..request(1) }).await.unwrap_err();
    assert_eq!(refused, HoldError::UnknownWallet);
    assert_eq!(books.ledger.wallet(wallet(9)).await.unwrap(), None);
    books.finish().await;
}

#[tokio::test]
async fn funding_twice_with_one_key_funds_once() {
    let books = Books::funded(10).await;
    let first = books.ledger.fund(funding(1, 5, "again")).await.unwrap();
    assert_eq!(books.ledger.fund(funding(1, 5, "again")).await.unwrap(), first);
    assert_eq!(books.ledger.fund(funding(1, 6, "again")).await, Err(LedgerError::Conflict));
    assert_eq!(books.ledger.fund(funding(2, 5, "other")).await, Err(LedgerError::UnknownWallet));
    assert_eq!(books.ledger.fund(funding(1, 0, "none")).await, Err(LedgerError::Amount));
    assert_eq!(books.ledger.fund(funding(1, i64::MAX, "much")).await, Err(LedgerError::Amount));
    let both = tokio::join!(
        books.ledger.fund(funding(1, 7, "at once")),
        books.ledger.fund(funding(1, 7, "at once"))
    );
    assert_eq!(both.0.unwrap(), both.1.unwrap());
    assert_eq!(books.balance(1).await, 22);
    books.finish().await;
}

#[tokio::test]
async fn r11_tiers_follow_the_commit_order() {
    let books = Books::funded(10_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            let request = HoldRequest { price: tiers(&[(1, 100), (11, 50), (21, 0)]), ..request(0) };
            let Ok(Held::Hold(hold)) = ledger.hold(request).await else { panic!("no hold") };
            assert_eq!(hold.maximum(), amount(100));
            let receipt = hold.capture().await.unwrap();
            let charged = receipt.record().amount.atomic();
            receipt.delivered();
            charged
        });
    }
    let mut charged = tasks.join_all().await;
    charged.sort_unstable();
    let expected = [vec![0; 10], vec![50; 10], vec![100; 10]].concat();
    assert_eq!(charged, expected);
    assert_eq!(books.balance(1).await, 10_000 - 1_500);
    assert_eq!(books.available(1).await, books.balance(1).await);
    books.finish().await;
}

#[tokio::test]
async fn a_refund_gives_everything_back_once() {
    let books = Books::funded(1_000).await;
    let tiered = || HoldRequest {
        price: tiers(&[(1, 100), (2, 40)]),
        per_day: Some(amount(200)),
        ..named(0, "the call")
    };
    let receipt = books.pay(tiered()).await;
    let payment = receipt.record().payment;
    drop(receipt);
    let refunded = books.ledger.refund(payment, RefundReason::BrokenOff).await.unwrap();
    assert_eq!((refunded.amount, refunded.fee), (amount(100), amount(2)));
    let again = books.ledger.refund(payment, RefundReason::Operator).await;
    assert_eq!(again, Err(LedgerError::RefundedBefore));
    assert_eq!(books.balance(1).await, 1_000);
    let spent = books.ledger.spending(agent(1)).await.unwrap();
    assert_eq!((spent.today.spent, spent.month.spent), (amount(0), amount(0)));
    let record = books.ledger.payment(payment).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.refunded, record.refunded_fee),
        (PaymentState::Refunded, amount(100), amount(2))
    );
    // The identifier is free again, and the tier begins where it did.
    let receipt = books.pay(tiered()).await;
    assert_eq!(receipt.record().amount, amount(100));
    receipt.delivered();
    let unknown = books.ledger.refund(request(1).payment, RefundReason::Operator).await;
    assert_eq!(unknown, Err(LedgerError::UnknownPayment));
    books.finish().await;
}

#[tokio::test]
async fn many_refunds_at_once_are_one() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(request(100)).await;
    let payment = receipt.record().payment;
    receipt.refund(RefundReason::BrokenOff);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move { ledger.refund(payment, RefundReason::Operator).await });
    }
    let refused = |done: &Result<_, _>| *done == Err(LedgerError::RefundedBefore);
    assert!(tasks.join_all().await.iter().all(refused));
    assert_eq!(books.balance(1).await, 1_000);
    books.finish().await;
}

#[tokio::test]
async fn a_full_queue_refuses_before_anything_is_forwarded_and_never_a_capture() {
    let books = Books::with(|settings| settings.queue_max = 3);
    books.fund(1, 100).await;
    let first = books.hold(request(1)).await.unwrap();
    let second = books.hold(request(1)).await.unwrap();
    let third = books.hold(request(1)).await.unwrap();
    assert_eq!(books.hold(request(1)).await.unwrap_err(), HoldError::Overloaded);
    assert_eq!(books.ledger.create_wallet(wallet(2)).await, Err(LedgerError::Overloaded));
    let receipt = first.capture().await.unwrap();
    assert_eq!(books.ledger.queue_depth(), 3);
    receipt.refund(RefundReason::BrokenOff);
    second.capture().await.unwrap().delivered();
    third.void().await.unwrap();
    assert_eq!(books.ledger.queue_depth(), 0);
    assert_eq!(books.balance(1).await, 99);
    books.finish().await;
}

#[tokio::test]
async fn more_accounts_than_fit_in_memory_are_read_again() {
    let books = Books::with(|settings| settings.accounts_max = 4);
    for number in 1..=40 {
        books.fund(number, 10).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..200_u8 {
        let number = round % 40 + 1;
        let request = HoldRequest { agent: agent(number), wallet: wallet(number), ..request(2) };
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            loop {
                match ledger.hold(request.clone()).await {
                    Ok(Held::Hold(hold)) => break hold.capture().await.unwrap().delivered(),
                    // Pushed out again and again by the others: come again.
                    Err(HoldError::Overloaded) => tokio::task::yield_now().await,
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    tasks.join_all().await;
    for number in 1..=40 {
        assert_eq!(books.balance(number).await, 0, "wallet {number}");
    }
    let kept = books.ledger.shared.memory.lock().facts.agents.iter().count();
    assert!(kept <= 40, "{kept}");
    books.ledger.create_wallet(wallet(99)).await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn accounts_with_holds_are_not_pushed_out_of_memory() {
    let books = Books::with(|settings| settings.accounts_max = 1);
    books.fund(1, 10).await;
    let hold = books.hold(request(4)).await.unwrap();
    for number in 2..=60 {
        books.fund(number, 1).await;
    }
    let balance = books.ledger.wallet(wallet(1)).await.unwrap().unwrap();
    assert_eq!((balance.held, balance.available), (amount(4), amount(6)));
    assert!(books.ledger.shared.memory.lock().facts.wallets.contains(&wallet(1)));
    hold.capture().await.unwrap().delivered();
    books.finish().await;
}

#[tokio::test]
async fn while_one_batch_is_written_the_next_one_fills() {
    let books = Books::funded(1_000).await;
    // Known beforehand, so that nothing but captures is queued.
    books.pay(request(1)).await.delivered();
    books.faults.commit(super::kit::Fault::Wait);
    let first = books.hold(request(1)).await.unwrap().capture();
    books.faults.until_waiting().await;
    let mut rest = Vec::new();
    for _ in 0..50 {
        rest.push(books.hold(request(1)).await.unwrap().capture());
    }
    books.faults.let_go();
    first.await.unwrap().delivered();
    for capturing in rest {
        capturing.await.unwrap().delivered();
    }
    assert_eq!(books.seen.largest.load(Ordering::SeqCst), 50);
    assert_eq!(books.seen.captured.load(Ordering::SeqCst), 52);
    books.finish().await;
}

#[tokio::test]
async fn the_asset_and_the_secret_stay_and_two_ledgers_differ() {
    let mut books = Books::new();
    let (asset, secret) = (books.ledger.asset().clone(), books.ledger.secret());
    books.reopen().await;
    assert_eq!((books.ledger.asset(), books.ledger.secret()), (&asset, secret));
    let other = Books::new();
    assert_ne!(other.ledger.asset().address, asset.address);
    assert_ne!(other.ledger.secret(), secret);
    other.finish().await;
    books.finish().await;
}
