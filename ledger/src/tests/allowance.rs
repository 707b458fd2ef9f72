//! Calls that a route gives away, and limits on parts of what is sold: counted where money is.

use domain::{Capture, PolicyViolation, Scope, Window, WindowLimit};

use super::kit::{Books, HOUR, NOON, agent, amount, request, signed, tiers, wallet};
use crate::{Held, HoldError, HoldRequest, RefundReason};

fn free(units: i64, free_per_day: u32) -> HoldRequest {
    HoldRequest { free_per_day, ..request(units) }
}

/// Under a limit that counts while it is set: on everything, or on `route:quotes` and the like.
fn under(units: i64, scope: &str, window: Window, limit: i64) -> HoldRequest {
    let scope: Option<Scope> = (!scope.is_empty()).then(|| scope.parse().unwrap());
    HoldRequest { limits: vec![WindowLimit { scope, window, limit: amount(limit) }], ..request(units) }
}

async fn remaining(books: &Books, request: HoldRequest) -> i64 {
    match books.hold(request).await {
        Err(HoldError::SpendingLimit(PolicyViolation::Window { remaining, .. })) => remaining.atomic(),
        other => panic!("the limit did not bind: {other:?}"),
    }
}

#[tokio::test]
async fn r6_a_limit_on_a_route_is_never_overspent_beside_calls_of_others() {
    let books = Books::funded(100_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..400 {
        let ledger = books.ledger.clone();
        let asked = if number % 2 == 0 {
            under(1, "route:quotes", Window::Hour, 150)
        } else {
            HoldRequest { route: "news".into(), ..request(1) }
        };
        tasks.spawn(async move {
            match ledger.hold(asked).await {
                Ok(Held::Hold(hold)) => {
                    hold.capture().await.unwrap().delivered();
                    true
                }
                Err(HoldError::SpendingLimit(_)) => false,
                other => panic!("{other:?}"),
            }
        });
    }
    let paid = tasks.join_all().await.into_iter().filter(|paid| *paid).count();
    assert_eq!(paid, 150 + 200);
    assert_eq!(remaining(&books, under(1, "route:quotes", Window::Hour, 150)).await, 0);
    books.finish().await;
}

#[tokio::test]
async fn a_hour_begins_anew_and_its_holds_count_in_their_own() {
    let mut books = Books::funded(1_000).await;
    let held = books.hold(under(60, "", Window::Hour, 100)).await.unwrap();
    assert_eq!(remaining(&books, under(41, "", Window::Hour, 100)).await, 40);
    books.clock.set(NOON + HOUR);
    books.pay(under(100, "", Window::Hour, 100)).await.delivered();
    held.capture().await.unwrap().delivered();
    assert_eq!(remaining(&books, under(1, "", Window::Hour, 100)).await, 0);
    books.reopen().await;
    assert_eq!(remaining(&books, under(1, "", Window::Hour, 100)).await, 0);
    let limits = under(1, "", Window::Hour, 100).limits;
    let spent = books.ledger.spent_under(agent(1), &limits).await.unwrap();
    assert_eq!((spent[0].spent, spent[0].ends_at.0), (amount(100), NOON + 2 * HOUR));
    books.finish().await;
}

#[tokio::test]
async fn a_limit_counts_from_when_it_is_set_and_gives_back_what_it_counted() {
    let books = Books::funded(1_000).await;
    // Before there was a limit: not counted, and not given back either.
    let before = books.pay(request(50)).await;
    let earlier = before.record().payment;
    before.delivered();
    let counted = books.pay(under(70, "category:data", Window::Month, 100)).await;
    let later = counted.record().payment;
    counted.delivered();
    books.ledger.refund(earlier, RefundReason::Operator).await.unwrap();
    assert_eq!(remaining(&books, under(40, "category:data", Window::Month, 100)).await, 30);
    books.ledger.refund(later, RefundReason::Operator).await.unwrap();
    books.pay(under(100, "category:data", Window::Month, 100)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn the_tightest_of_several_limits_refuses_and_says_which_it_is() {
    let books = Books::funded(1_000).await;
    let mut limits = under(0, "provider:acme", Window::Day, 90).limits;
    limits.extend(under(0, "route:quotes", Window::Day, 50).limits);
    let asked = |units| HoldRequest { limits: limits.clone(), ..request(units) };
    books.pay(asked(40)).await.delivered();
    let refused = books.hold(asked(20)).await.unwrap_err();
    let words = "the limit of $0.00005 per day on route:quotes has $0.00001 left, the call costs $0.00002";
    assert_eq!(refused.to_string(), words);
    books.finish().await;
}

#[tokio::test]
async fn exactly_so_many_of_fifty_calls_at_once_cost_nothing() {
    let books = Books::funded(100_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            let Held::Hold(hold) = ledger.hold(free(10, 7)).await.unwrap() else { panic!("no hold") };
            let receipt = hold.capture().await.unwrap();
            let amount = receipt.record().amount;
            receipt.delivered();
            amount
        });
    }
    let paid = tasks.join_all().await;
    assert_eq!(paid.iter().filter(|amount| amount.is_zero()).count(), 7);
    assert_eq!(books.balance(1).await, 100_000 - 43 * 10);
    books.finish().await;
}

#[tokio::test]
async fn a_free_call_needs_no_funds_and_a_void_or_a_refund_gives_it_back() {
    let mut books = Books::new();
    books.ledger.create_wallet(wallet(1)).await.unwrap();
    let hold = books.hold(free(10, 1)).await.unwrap();
    assert_eq!(hold.maximum(), amount(0));
    assert!(matches!(books.hold(free(10, 1)).await, Err(HoldError::InsufficientFunds { .. })));
    hold.void().await.unwrap();
    let receipt = books.pay(HoldRequest { free_per_day: 1, ..signed(10, 1) }).await;
    assert_eq!((receipt.record().amount, receipt.record().fee), (amount(0), amount(0)));
    let payment = receipt.record().payment;
    receipt.delivered();
    assert!(matches!(books.hold(free(10, 1)).await, Err(HoldError::InsufficientFunds { .. })));
    // Another route, and another day, have their own.
    books.pay(HoldRequest { route: "news".into(), ..free(10, 1) }).await.delivered();
    books.ledger.refund(payment, RefundReason::BrokenOff).await.unwrap();
    books.pay(free(10, 1)).await.delivered();
    books.reopen().await;
    assert!(matches!(books.hold(free(10, 1)).await, Err(HoldError::InsufficientFunds { .. })));
    books.clock.set(NOON + 12 * HOUR);
    books.pay(free(10, 1)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_free_call_on_disk_stays_free_over_a_crash_and_counts_as_a_call() {
    let mut books = Books::funded(1_000).await;
    let durable = |free_per_day| HoldRequest {
        capture: Capture::Before,
        price: tiers(&[(1, 30), (2, 20)]),
        ..free(30, free_per_day)
    };
    let hold = books.hold(durable(1)).await.unwrap();
    books.crash().await;
    drop(hold);
    books.reopen().await;
    assert_eq!(books.balance(1).await, 1_000);
    // It was the first call of the month; the allowance is used up.
    assert_eq!(books.pay(durable(1)).await.record().amount, amount(20));
    books.finish().await;
}
