//! Payments that are not held for.

use settlement::RailError;

use super::rig::Rig;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_has_too_little_is_asked_again_and_nothing_is_held() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.leaves(crate::samples::PRICE - 1);
    let refusal = rig.admit(&rig.payment(1, 2)).await.err().unwrap();
    assert_eq!((refusal.status(), refusal.code()), (402, "insufficient_funds"));
    assert!(rig.ledger.unknown().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_is_counted_against_what_the_payer_has() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.leaves(crate::samples::PRICE);
    let first = rig.admitted(&rig.payment(1, 2)).await;
    assert_eq!(code(rig.admit(&rig.payment(2, 2)).await), "insufficient_funds");
    rig.finish(first).await;
    let second = rig.admitted(&rig.payment(2, 2)).await;
    rig.finish(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_has_no_more_open_than_is_said() {
    let rig = Rig::new(Settle::Deferred).await;
    for nonce in 1..=3 {
        let mut exchange = rig.admitted(&rig.payment(nonce, 2)).await;
        assert_eq!(rig.capture(&mut exchange, 200).await.0.unwrap(), Outcome::Paid);
    }
    let refusal = rig.admit(&rig.payment(4, 2)).await.err().unwrap();
    assert_eq!((refusal.status(), refusal.code()), (429, "unsettled_payments"));
    assert!(refusal.retry_after().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_cannot_be_used_takes_no_payments() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    rig.rail.is_out(Some(RailError::Settler));
    let refusal = rig.admit(&header).await.err().unwrap();
    assert_eq!((refusal.status(), refusal.code()), (503, "settlement_unavailable"));
    rig.rail.is_out(None);
    rig.finish(rig.admitted(&header).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_payment_while_it_runs_waits_and_for_another_request_is_refused() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let exchange = rig.admitted(&header).await;
    assert_eq!(code(rig.admit(&header).await), "payment_in_progress");
    assert_eq!(code(rig.admit_at("/paid", Some("q=1"), &header).await), "payment_reused");
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_the_same_payment_twice_at_once_is_no_reason_to_sign_another_one() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.leaves(crate::samples::PRICE);
    let (header, gate) = (rig.payment(1, 2), rig.rail.reads_slowly());
    let second = async {
        gate.asked().await;
        let second = rig.admit(&header).await;
        gate.open();
        second
    };
    let (exchange, second) = tokio::join!(rig.admitted(&header), second);
    assert_eq!(code(second), "payment_in_progress");
    rig.finish(exchange).await;
}
