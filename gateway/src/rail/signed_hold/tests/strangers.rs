//! Payers of whom nothing is known: each costs a read of a node, and one client signs as so many of them only.

use std::time::Duration;

use domain::RateLimit;
use settlement::rail::{Funds, Known};

use super::*;
use crate::answer::refusal::Unpaid;
use crate::limits::STRANGERS_AT_ONCE_MAX;

/// Asks on, while all that it hears is that the funds are missing.
async fn until_told_to_wait(rig: &Rig, header: &str) -> Refusal {
    // Each takes time, in which more is let through.
    for _ in 0..100 * STRANGERS_AT_ONCE_MAX.get() {
        match rig.admit(header).await.err().unwrap() {
            Refusal::PaymentRequired(unpaid) => assert_eq!(unpaid.code(), "insufficient_funds"),
            refused => return refused,
        }
    }
    panic!("nobody is told to wait")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_as_one_stranger_after_the_other_is_told_to_wait_and_costs_no_read() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.leaves(0);
    let header = rig.payment(1, 2);
    let at_once = STRANGERS_AT_ONCE_MAX.get();
    let refused = until_told_to_wait(&rig, &header).await;
    assert_eq!((refused.status(), refused.code()), (429, "too_many_payers"));
    assert!(refused.retry_after().is_some_and(|seconds| seconds > 0));
    assert!(rig.rail.reads() >= at_once, "{}", rig.rail.reads());
    let read = rig.rail.reads();
    // A payer that had the funds not long ago is none, whoever else calls from there.
    rig.rail.leaves(crate::samples::PRICE);
    rig.rail.knows(Known::Expected);
    let exchange = rig.admitted(&header).await;
    assert_eq!(rig.rail.reads(), read + 1);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_paid_before_is_told_the_outcome_all_the_same() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    rig.finish(exchange).await;
    rig.rail.leaves(0);
    until_told_to_wait(&rig, &rig.payment(2, 2)).await;
    let (admission, _) = rig.admit(&header).await.unwrap();
    assert!(matches!(admission, Admission::Redelivery(_)), "its delivery is owed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_with_one_new_key_after_the_other_is_counted_where_it_calls_from() {
    let once = RateLimit::new(1, Duration::from_secs(3_600), 1).unwrap();
    let rig = Rig::with(|route| route.rate_limit = Some(once)).await;
    rig.rail.leaves(0);
    assert_eq!(code(rig.admit(&rig.payment(1, 2)).await), "insufficient_funds");
    assert_eq!(code(rig.admit(&rig.payment(2, 2)).await), "rate_limited");
    // A payer that had the funds not long ago has calls of its own.
    rig.rail.leaves(crate::samples::PRICE);
    rig.rail.knows(Known::Expected);
    let exchange = rig.admitted(&rig.payment(3, 2)).await;
    assert_eq!(code(rig.admit(&rig.payment(4, 2)).await), "rate_limited");
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn funds_that_stand_are_not_read_again_whether_they_suffice_or_not() {
    let rig = Rig::new(Settle::After).await;
    let knows = |units: i64| {
        let balance = units.unsigned_abs().try_into().unwrap();
        rig.rail.knows(Known::Funds(Funds { balance, allowance: None }));
    };
    knows(crate::samples::PRICE - 1);
    assert_eq!(code(rig.admit(&rig.payment(1, 2)).await), "insufficient_funds");
    knows(crate::samples::PRICE);
    let exchange = rig.admitted(&rig.payment(1, 2)).await;
    assert_eq!(
        code(rig.admit(&rig.payment(2, 2)).await),
        "insufficient_funds",
        "what is open is not there any more"
    );
    assert_eq!(rig.rail.reads(), 0);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_too_little_is_told_what_it_has_and_not_what_may_be_moved_of_it() {
    let rig = Rig::new(Settle::After).await;
    let units = |units: i64| units.unsigned_abs().try_into().unwrap();
    let balance = crate::samples::PRICE - 1;
    rig.rail.knows(Known::Funds(Funds { balance: units(balance), allowance: Some(units(1)) }));
    match rig.admit(&rig.payment(1, 2)).await.err().unwrap() {
        Refusal::PaymentRequired(Unpaid::Balance { short }) => {
            assert_eq!((short.available.atomic(), short.price.atomic()), (balance, crate::samples::PRICE));
            assert!(short.unsettled.is_zero());
        }
        other => panic!("{other}"),
    }
}
