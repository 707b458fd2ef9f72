//! Metered calls: what was used is settled, of what was signed.

use domain::{Metered, Price};
use http::HeaderValue;
use pingora::http::ResponseHeader;

use super::*;
use crate::samples;

/// The most that a call costs is what every call costs elsewhere here.
async fn metered(settle: Settle) -> Rig {
    let most = units(samples::PRICE);
    let price = Price::Metered(Metered::new(most, most, Vec::new()).unwrap());
    Rig::with(|route| (route.price, route.settle) = (price, settle)).await
}

fn units(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

/// An answer whose upstream names the amount.
fn used(amount: i64) -> ResponseHeader {
    let mut response = ResponseHeader::build(200, None).unwrap();
    let said = HeaderValue::from_str(&format!("{{\"amount\":\"{amount}\"}}")).unwrap();
    response.insert_header("settlement-overrides", said).unwrap();
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn less_than_was_signed_is_settled_and_booked() {
    let rig = metered(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let (outcome, response) = rig.capture_with(&mut exchange, used(300)).await;
    assert_eq!(outcome.unwrap(), Outcome::Paid);
    assert_eq!(rig::receipt(&response, "payment-response")["amount"], "300");
    assert_eq!((rig.rail.settled(), rig.rail.asked()), (1, Some(units(300))));
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_was_signed_is_settled_and_booked() {
    let rig = metered(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let most = units(samples::PRICE);
    let receipt = exchange.take_held().unwrap().charging(units(samples::PRICE + 1)).capture().await.unwrap();
    assert_eq!((rig.rail.asked(), receipt.record().amount), (Some(most), most));
    receipt.delivered();
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was_used_nothing_is_settled_and_the_permit_is_free_again() {
    for settle in [Settle::After, Settle::Deferred] {
        let rig = metered(settle).await;
        let payment = rig.payment(1, 2);
        let mut exchange = rig.admitted(&payment).await;
        let (outcome, response) = rig.capture_with(&mut exchange, used(0)).await;
        assert_eq!(outcome.unwrap(), Outcome::Voided);
        let receipt = rig::receipt(&response, "payment-response");
        assert_eq!((&receipt["success"], &receipt["amount"]), (&true.into(), &"0".into()));
        assert_eq!((rig.rail.settled(), rig.ledger.due("eip155:84532", 9).await.unwrap().len()), (0, 0));
        let again = rig.admitted(&payment).await;
        rig.finish(again).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_later_is_due_with_what_was_used() {
    let rig = metered(Settle::Deferred).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    assert_eq!(rig.capture_with(&mut exchange, used(300)).await.0.unwrap(), Outcome::Paid);
    let due = rig.ledger.due("eip155:84532", 9).await.unwrap();
    assert_eq!((due.len(), due[0].amount, rig.rail.settled()), (1, units(300), 0));
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_settlement_is_asked_for_again_with_what_was_used_and_booked_as_the_chain_shows_it() {
    let rig = metered(Settle::After).await;
    rig.rail.does(Settling::Unknown("silence".to_owned()));
    let payment = rig.payment(1, 2);
    let mut exchange = rig.admitted(&payment).await;
    let (outcome, _) = rig.capture_with(&mut exchange, used(300)).await;
    assert_eq!(code(outcome), "settlement_unknown");
    let [open] = rig.ledger.unknown().try_into().unwrap();
    assert_eq!(open.amount, units(300), "who is asked again is not asked for the most");
    // Somebody took more than that.
    rig.ledger.close(open.payment, Close::MovedPart(HASH.into(), units(500))).await.unwrap();
    let booked = rig.ledger.payment(open.payment).await.unwrap().unwrap();
    assert_eq!(booked.receipt.amount, units(500));
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_pay_before_gets_no_call_whose_cost_is_known_behind_it() {
    for settle in [Settle::After, Settle::Deferred] {
        let rig = metered(settle).await;
        rig.rail.distrusts();
        let refusal = rig.admit(&rig.payment(1, 2)).await.err().unwrap();
        assert_eq!((refusal.status(), refusal.code()), (402, "payer_not_trusted"));
        assert_eq!((rig.rail.settled(), rig.ledger.unknown().len()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_settled_behind_its_answer_whatever_its_route_says() {
    let rig = metered(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let kept = exchange.take_held().unwrap().keep(units(samples::PRICE)).await.unwrap();
    drop(kept.charging(units(700)).capture().await.unwrap());
    let due = rig.ledger.due("eip155:84532", 9).await.unwrap();
    assert_eq!((due.len(), due[0].amount, rig.rail.settled()), (1, units(700), 0));
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_an_upstream_that_fails_is_not_paid_by_upto() {
    let rig = metered(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    assert_eq!(rig.capture(&mut exchange, 503).await.0.unwrap(), Outcome::Voided);
    assert_eq!((rig.rail.settled(), rig.ledger.unknown().len()), (0, 0));
    rig.finish(exchange).await;
}
