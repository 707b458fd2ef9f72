//! Refunds in part, withdrawals: what people move, how often, and what stays held.

use domain::Amount;

use super::kit::{Books, Fault, agent, amount, funding, named, request, tiers, wallet};
use crate::commit::StoreError;
use crate::{
    HoldError, HoldRequest, LedgerError, PaymentState, RefundReason, RefundRequest, TransferKind, Withdrawal,
};

fn part(payment: domain::PaymentId, units: impl Into<Option<i64>>, key: &str) -> RefundRequest {
    let amount: Option<Amount> = units.into().map(amount);
    RefundRequest { payment, amount, reason: RefundReason::Requested, idempotency_key: key.to_owned() }
}

fn withdrawal(number: u8, units: i64, key: &str) -> Withdrawal {
    let (idempotency_key, external_reference) = (key.to_owned(), "wire out".to_owned());
    Withdrawal { wallet: wallet(number), amount: amount(units), idempotency_key, external_reference }
}

#[tokio::test]
async fn parts_are_given_back_until_nothing_is_left_and_the_fee_returns_in_proportion() {
    let books = Books::funded(10_000).await;
    let limited = HoldRequest { per_day: Some(amount(5_000)), ..request(1_001) };
    let receipt = books.pay(limited).await;
    // 2.5 per cent of 1,001, rounded down.
    assert_eq!(receipt.record().fee, amount(25));
    let payment = receipt.record().payment;
    receipt.delivered();
    let mut given = (0, 0);
    for (number, units) in [300, 20, 400, 280].into_iter().enumerate() {
        let refunded = books.ledger.refund_part(part(payment, units, &number.to_string())).await.unwrap();
        given = (given.0 + units, given.1 + refunded.fee.atomic());
        assert_eq!((refunded.amount, refunded.remains), (amount(units), amount(1_001 - given.0)));
        assert_eq!(given.1, 25 * given.0 / 1_001, "after {} units", given.0);
        assert_eq!(books.balance(1).await, 10_000 - 1_001 + given.0);
        let spent = books.ledger.spending(agent(1)).await.unwrap();
        assert_eq!(spent.today.spent, amount(1_001 - given.0));
        let shown = books.ledger.payment(payment).await.unwrap().unwrap();
        assert_eq!((shown.state, shown.refunded), (PaymentState::PartlyRefunded, amount(given.0)));
    }
    let more = books.ledger.refund_part(part(payment, 2, "too much")).await;
    assert_eq!(more, Err(LedgerError::RefundExceeds));
    assert_eq!(books.ledger.refund_part(part(payment, 0, "nothing")).await, Err(LedgerError::Amount));
    let rest = books.ledger.refund_part(part(payment, None, "the rest")).await.unwrap();
    assert_eq!((rest.amount, rest.fee, rest.is_whole()), (amount(1), amount(25 - given.1), true));
    let shown = books.ledger.payment(payment).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.refunded_fee), (PaymentState::Refunded, amount(25)));
    let more = books.ledger.refund_part(part(payment, None, "one more")).await;
    assert_eq!(more, Err(LedgerError::RefundedBefore));
    assert_eq!(books.balance(1).await, 10_000);
    books.finish().await;
}

#[tokio::test]
async fn a_part_is_a_hundredth_or_more_and_after_so_many_only_the_rest_goes() {
    let books = Books::funded(10_000).await;
    let pay = async || {
        let receipt = books.pay(request(3_250)).await;
        let payment = receipt.record().payment;
        receipt.delivered();
        payment
    };
    let back = async |payment, units: Option<i64>, key: &str| {
        books.ledger.refund_part(part(payment, units, key)).await
    };
    let small = |least, left| Err(LedgerError::RefundPart { least: amount(least), left: amount(left) });
    let payment = pay().await;
    assert_eq!(back(payment, Some(31), "crumb").await, small(32, 3_250));
    back(payment, Some(3_240), "most").await.unwrap();
    // Less than a hundredth is left: it goes whole, and not in crumbs either.
    assert_eq!(back(payment, Some(9), "crumb").await, small(10, 10));
    assert!(back(payment, Some(10), "rest").await.unwrap().is_whole());

    let payment = pay().await;
    for number in 0..32 {
        back(payment, Some(100), &format!("part-{number}")).await.unwrap();
    }
    assert_eq!(back(payment, Some(49), "more").await, small(50, 50));
    assert_eq!(back(payment, Some(51), "more").await, Err(LedgerError::RefundExceeds));
    // The same word is still the same refund.
    assert_eq!(back(payment, Some(100), "part-3").await.unwrap().amount, amount(100));
    assert!(back(payment, None, "more").await.unwrap().is_whole());
    assert_eq!(books.balance(1).await, 10_000);
    books.finish().await;
}

#[tokio::test]
async fn so_many_parts_at_once_are_counted_in_the_order_in_which_they_stand() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(request(1_000)).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move { ledger.refund_part(part(payment, 10, &number.to_string())).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 32);
    let refused = LedgerError::RefundPart { least: amount(680), left: amount(680) };
    assert_eq!(done.iter().filter(|done| done.as_ref() == Err(&refused)).count(), 8);
    books.finish().await;
}

#[tokio::test]
async fn one_word_gives_back_once_and_other_words_are_a_conflict() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(request(100)).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    let other = books.pay(request(100)).await;
    let other_payment = other.record().payment;
    other.delivered();
    let both = tokio::join!(
        books.ledger.refund_part(part(payment, 30, "word")),
        books.ledger.refund_part(part(payment, 30, "word"))
    );
    let first = both.0.unwrap();
    assert_eq!(both.1.unwrap(), first);
    assert_eq!(books.ledger.refund_part(part(payment, 30, "word")).await.unwrap(), first);
    for words in [
        part(payment, 31, "word"),
        part(other_payment, 30, "word"),
        RefundRequest { reason: RefundReason::Operator, ..part(payment, 30, "word") },
    ] {
        assert_eq!(books.ledger.refund_part(words).await, Err(LedgerError::Conflict));
    }
    let rest = books.ledger.refund_part(part(payment, None, "rest")).await.unwrap();
    assert_eq!(rest.amount, amount(70));
    assert_eq!(books.ledger.refund_part(part(payment, None, "rest")).await.unwrap(), rest);
    assert_eq!(books.ledger.refund_part(part(payment, 30, "word")).await.unwrap(), first);
    assert_eq!(books.balance(1).await, 900);
    books.finish().await;
}

#[tokio::test]
async fn the_tier_and_the_identifier_wait_for_the_whole() {
    let books = Books::funded(1_000).await;
    let tiered = || HoldRequest { price: tiers(&[(1, 100), (2, 40)]), ..named(0, "the call") };
    let other = || HoldRequest { price: tiers(&[(1, 100), (2, 40)]), ..named(0, "another") };
    let receipt = books.pay(tiered()).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    books.ledger.refund_part(part(payment, 99, "part")).await.unwrap();
    let again = books.ledger.hold(tiered()).await.unwrap();
    assert!(matches!(&again, crate::Held::Prior(prior) if !prior.refunded), "{again:?}");
    let second = books.pay(other()).await;
    assert_eq!(second.record().amount, amount(40), "the second call of the month");
    second.delivered();
    // An automatic refund gives back what is left.
    let rest = books.ledger.refund(payment, RefundReason::UpstreamFailed).await.unwrap();
    assert_eq!((rest.amount, rest.is_whole()), (amount(1), true));
    let receipt = books.pay(tiered()).await;
    assert_eq!(receipt.record().amount, amount(40), "one call stands, this is the second again");
    receipt.delivered();
    books.finish().await;
}

#[tokio::test]
async fn many_parts_at_once_never_give_back_more_than_was_taken() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(request(100)).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move { ledger.refund_part(part(payment, 7, &number.to_string())).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 14);
    let refused = |done: &&Result<_, _>| matches!(done, Err(LedgerError::RefundExceeds));
    assert_eq!(done.iter().filter(refused).count(), 26);
    assert_eq!(books.balance(1).await, 998);
    books.finish().await;
}

#[tokio::test]
async fn a_withdrawal_takes_what_nobody_holds_once() {
    let books = Books::funded(100).await;
    let hold = books.hold(request(30)).await.unwrap();
    let out = books.ledger.withdraw(withdrawal(1, 71, "much")).await;
    assert_eq!(out, Err(LedgerError::Funds), "30 are held");
    let out = books.ledger.withdraw(withdrawal(1, 70, "all")).await.unwrap();
    assert_eq!((out.kind, out.wallet, out.amount), (TransferKind::Withdrawal, wallet(1), amount(70)));
    assert_eq!(books.ledger.withdraw(withdrawal(1, 70, "all")).await.unwrap(), out);
    assert_eq!(books.ledger.withdraw(withdrawal(1, 69, "all")).await, Err(LedgerError::Conflict));
    assert_eq!(books.ledger.fund(funding(1, 70, "all")).await, Err(LedgerError::Conflict));
    assert_eq!(books.ledger.withdraw(withdrawal(9, 1, "whose")).await, Err(LedgerError::UnknownWallet));
    assert_eq!(books.ledger.withdraw(withdrawal(1, 0, "none")).await, Err(LedgerError::Amount));
    assert_eq!(books.available(1).await, 0);
    hold.capture().await.unwrap().delivered();
    assert_eq!(books.balance(1).await, 0);
    books.finish().await;
}

#[tokio::test]
async fn while_a_withdrawal_is_written_no_request_holds_its_money() {
    let books = Books::funded(100).await;
    books.pay(request(1)).await.delivered();
    books.faults.commit(Fault::Wait);
    let ledger = books.ledger.clone();
    let out = tokio::spawn(async move { ledger.withdraw(withdrawal(1, 60, "out")).await });
    books.faults.until_waiting().await;
    let refused = books.hold(request(40)).await.unwrap_err();
    assert_eq!(refused, HoldError::InsufficientFunds { available: amount(39), price: amount(40) });
    let hold = books.hold(request(39)).await.unwrap();
    books.faults.let_go();
    out.await.unwrap().unwrap();
    hold.capture().await.unwrap().delivered();
    assert_eq!(books.balance(1).await, 0);
    books.finish().await;
}

#[tokio::test]
async fn a_withdrawal_that_fails_leaves_the_money_free() {
    let books = Books::funded(100).await;
    for _ in 0..4 {
        books.faults.commit(Fault::Before(StoreError::Busy("a test".to_owned())));
    }
    let out = books.ledger.withdraw(withdrawal(1, 60, "out")).await;
    assert_eq!(out, Err(LedgerError::Unavailable));
    assert_eq!(books.available(1).await, 100);
    super::postgres::until("the ledger works again", || books.ledger.health() == crate::Health::Ok).await;
    books.ledger.withdraw(withdrawal(1, 60, "out")).await.unwrap();
    assert_eq!(books.available(1).await, 40);
    books.finish().await;
}

#[tokio::test]
async fn of_many_withdrawals_and_payments_at_once_none_overdraws() {
    let books = Books::funded(100).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            if number % 2 == 0 {
                return i64::from(ledger.withdraw(withdrawal(1, 5, &number.to_string())).await.is_ok());
            }
            let Ok(crate::Held::Hold(hold)) = ledger.hold(request(5)).await else { return 0 };
            hold.capture().await.unwrap().delivered();
            1
        });
    }
    let done: i64 = tasks.join_all().await.into_iter().sum();
    assert_eq!((done, books.balance(1).await), (20, 0));
    books.finish().await;
}
