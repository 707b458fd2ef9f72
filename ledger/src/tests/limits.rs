//! Spending windows: the writer's counters, under concurrency and over midnight.

use domain::{PolicyViolation, Window};

use super::kit::{Books, HOUR, NOON, agent, amount, funding, request, signed};
use crate::{Held, HoldError, HoldRequest, LedgerError};

fn limited(units: i64, per_day: i64) -> HoldRequest {
    HoldRequest { per_day: Some(amount(per_day)), ..request(units) }
}

#[tokio::test]
async fn r6_exactly_the_limit_is_accepted_and_one_more_is_told_what_is_left() {
    let books = Books::funded(100_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1_001 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            match ledger.hold(limited(1, 1_000)).await {
                Ok(Held::Hold(hold)) => {
                    hold.capture().await.unwrap().delivered();
                    None
                }
                Err(HoldError::SpendingLimit(violation)) => Some(violation),
                other => panic!("{other:?}"),
            }
        });
    }
    let refused: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let (window, limit, remaining, price) = (Window::Day, amount(1_000), amount(0), amount(1));
    let spent = limit;
    assert_eq!(refused, [PolicyViolation::Window { window, scope: None, limit, spent, remaining, price }]);
    let spent = books.ledger.spending(agent(1)).await.unwrap();
    assert_eq!((spent.today.spent, spent.today.held), (amount(1_000), amount(0)));
    books.finish().await;
}

#[tokio::test]
async fn holds_count_against_the_limit_and_the_month_limit_binds_too() {
    let books = Books::funded(1_000).await;
    let hold = books.hold(limited(60, 100)).await.unwrap();
    let spent = books.ledger.spending(agent(1)).await.unwrap();
    assert_eq!((spent.today.spent, spent.today.held), (amount(0), amount(60)));
    assert!(matches!(books.hold(limited(41, 100)).await, Err(HoldError::SpendingLimit(_))));
    books.hold(limited(40, 100)).await.unwrap().void().await.unwrap();
    hold.capture().await.unwrap().delivered();
    let monthly = HoldRequest { per_month: Some(amount(99)), ..limited(40, 100) };
    let Err(HoldError::SpendingLimit(PolicyViolation::Window { window, remaining, .. })) =
        books.hold(monthly).await
    else {
        panic!("the month's limit did not bind")
    };
    assert_eq!((window, remaining), (Window::Month, amount(39)));
    books.finish().await;
}

#[tokio::test]
async fn r8_a_lowered_limit_binds_the_next_and_lets_the_earlier_stand() {
    let books = Books::funded(1_000).await;
    let first = books.hold(limited(50, 100)).await.unwrap();
    let second = books.hold(limited(50, 100)).await.unwrap();
    assert!(matches!(books.hold(limited(1, 60)).await, Err(HoldError::SpendingLimit(_))));
    first.capture().await.unwrap().delivered();
    // Accepted under another, higher limit; then the one of the lower limit comes.
    books.pay(limited(100, 10_000)).await.delivered();
    second.capture().await.unwrap().delivered();
    assert_eq!(books.balance(1).await, 800);
    books.finish().await;
}

#[tokio::test]
async fn r10_a_hold_over_midnight_is_charged_to_its_own_day() {
    let mut books = Books::funded(1_000).await;
    books.clock.set(NOON + 12 * HOUR - 1);
    let held = books.hold(limited(70, 100)).await.unwrap();
    books.clock.set(NOON + 12 * HOUR);
    // The new day begins with nothing, though yesterday's hold is still running.
    books.pay(limited(100, 100)).await.delivered();
    held.capture().await.unwrap().delivered();
    let spent = books.ledger.spending(agent(1)).await.unwrap();
    assert_eq!((spent.today.spent, spent.month.spent), (amount(100), amount(170)));
    assert!(matches!(books.hold(limited(1, 100)).await, Err(HoldError::SpendingLimit(_))));
    books.reopen().await;
    let spent = books.ledger.spending(agent(1)).await.unwrap();
    assert_eq!((spent.today.spent, spent.month.spent), (amount(100), amount(170)));
    books.finish().await;
}

#[tokio::test]
async fn a_clock_that_steps_back_does_not_reopen_yesterday() {
    let books = Books::funded(1_000).await;
    books.clock.set(NOON + 12 * HOUR);
    books.pay(limited(100, 100)).await.delivered();
    books.clock.set(NOON + 12 * HOUR - 1_000);
    assert!(matches!(books.hold(limited(1, 100)).await, Err(HoldError::SpendingLimit(_))));
    assert_eq!(books.ledger.time().0, NOON + 12 * HOUR);
    books.finish().await;
}

#[tokio::test]
async fn ledger_time_far_ahead_of_the_clock_stops_signed_payments_only() {
    let books = Books::funded(1_000).await;
    books.pay(request(1)).await.delivered();
    books.clock.set(NOON - 30_001);
    assert_eq!(books.hold(signed(1, 1)).await.unwrap_err(), HoldError::ClockAhead);
    books.hold(request(1)).await.unwrap().void().await.unwrap();
    books.clock.set(NOON - 30_000);
    books.hold(signed(1, 1)).await.unwrap().void().await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn months_and_days_of_a_long_life_stay_right_in_memory() {
    let books = Books::funded(100_000).await;
    for day in 0..70 {
        books.clock.set(NOON + day * 24 * HOUR);
        books.pay(limited(10, 15)).await.delivered();
        assert!(matches!(books.hold(limited(10, 15)).await, Err(HoldError::SpendingLimit(_))), "day {day}");
    }
    books.finish().await;
}

#[tokio::test]
async fn one_agent_cannot_take_the_queue_from_all_others() {
    let books = Books::with(|settings| settings.agent_holds_max = 2);
    books.fund(1, 1_000).await;
    let first = books.hold(request(10)).await.unwrap();
    let second = books.hold(request(10)).await.unwrap();
    assert_eq!(books.hold(request(10)).await.unwrap_err(), HoldError::Overloaded);
    let other = HoldRequest { agent: agent(2), ..request(10) };
    books.hold(other).await.unwrap().void().await.unwrap();
    first.void().await.unwrap();
    books.hold(request(10)).await.unwrap().void().await.unwrap();
    drop(second);
    books.finish().await;
}

#[tokio::test]
async fn a_funding_that_could_overflow_the_books_is_refused() {
    let books = Books::funded(1_000).await;
    for units in [1_000_000_000_000_001, i64::MAX] {
        let refused = books.ledger.fund(funding(1, units, &units.to_string())).await;
        assert_eq!(refused.unwrap_err(), LedgerError::Amount);
    }
    books.pay(request(10)).await.delivered();
    books.finish().await;
}
