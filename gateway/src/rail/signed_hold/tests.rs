//! A payment on a public network from its header to its outcome, over real books and a rail that does as it is told.

mod contracts;
mod given_back;
mod overdue;
mod refused;
mod rig;
mod strangers;
mod upto;

use std::time::Instant;

use ledger::{Close, StoredResponse};
use pingora::{Error, ErrorSource, ErrorType};

use super::*;
use crate::answer::refusal::Refusal;
use crate::context::{Exchange, Money};
use crate::limits::{HANGUPS_PER_AGENT_DAY_MAX, REFUNDS_PER_AGENT_DAY_MAX};
use crate::metrics::Outcome;
use crate::payment::leniency::Leniency;
use crate::stage::hold::Admission;
use crate::stage::record;
use rig::{HASH, NOW, Rig, metrics};

/// The code of a refusal.
fn code<T>(answer: Result<T, Refusal>) -> &'static str {
    answer.err().map_or("none", |refusal| refusal.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_moved_is_captured_with_its_transaction_before_the_answer_leaves() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    let (outcome, response) = rig.capture(&mut exchange, 200).await;
    assert_eq!(outcome.unwrap(), Outcome::Paid);
    let receipt = rig::receipt(&response, "payment-response");
    assert_eq!((&receipt["success"], &receipt["network"]), (&true.into(), &"eip155:84532".into()));
    assert_eq!(receipt["transaction"], HASH.to_string());
    assert_eq!(receipt["payer"], rig.payer().to_checksum(None));
    assert_eq!(exchange.payer.as_ref().unwrap().known_as(), rig.payer().to_checksum(None));
    assert_eq!(rig.rail.settled(), 1);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_v1_is_answered_in_v1() {
    let rig = Rig::new(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 1)).await;
    let (outcome, response) = rig.capture(&mut exchange, 200).await;
    assert_eq!(outcome.unwrap(), Outcome::Paid);
    assert!(!response.headers.contains_key("payment-response"));
    assert_eq!(rig::receipt(&response, "x-payment-response")["network"], "base-sepolia");
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_deliver_is_not_settled_for() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    assert_eq!(rig.capture(&mut exchange, 503).await.0.unwrap(), Outcome::Voided);
    assert_eq!(rig.rail.settled(), 0);
    drop(exchange);
    rig.finish(rig.admitted(&header).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_its_network_refuses_is_asked_for_again() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.does(Settling::Refused("insufficient_funds".to_owned()));
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let refusal = rig.capture(&mut exchange, 200).await.0.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (402, "settlement_failed"));
    assert!(refusal.to_string().contains("insufficient_funds"), "{refusal}");
    assert!(rig.ledger.unknown().is_empty());
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_settle_nothing_is_charged_and_the_same_payment_may_come_again() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.does(Settling::Unavailable("nobody".to_owned()));
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    let refusal = rig.capture(&mut exchange, 200).await.0.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (503, "settlement_unavailable"));
    drop(exchange);
    rig.rail.does(Settling::Moved(HASH));
    let mut exchange = rig.admitted(&header).await;
    assert_eq!(rig.capture(&mut exchange, 200).await.0.unwrap(), Outcome::Paid);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_stays_held_is_told_by_its_name_and_is_closed_by_evidence() {
    let rig = Rig::new(Settle::After).await;
    rig.rail.does(Settling::Unknown("timeout".to_owned()));
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    let payment = exchange.payment.unwrap();
    let refusal = rig.capture(&mut exchange, 200).await.0.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (503, "settlement_unknown"));
    assert!(refusal.body().contains(&payment.to_string()) && refusal.retry_after().is_some());
    assert_eq!(rig.ledger.unknown().iter().map(|open| open.payment).collect::<Vec<_>>(), [payment]);

    let again = rig.admit(&header).await.err().unwrap();
    assert!(matches!(again, Refusal::SettlementUnknown(same) if same == payment), "{again}");
    assert_eq!(rig.rail.settled(), 1, "nobody is asked a second time");

    rig.ledger.close(payment, Close::Moved(HASH.into())).await.unwrap();
    let (admission, _) = rig.admit(&header).await.unwrap();
    assert!(matches!(&admission, Admission::Redelivery(owed) if owed.record().payment == payment));
    drop(admission);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_later_is_captured_at_once_and_due() {
    let rig = Rig::new(Settle::Deferred).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let (outcome, response) = rig.capture(&mut exchange, 200).await;
    assert_eq!(outcome.unwrap(), Outcome::Paid);
    assert_eq!(rig::receipt(&response, "payment-response")["transaction"], "", "there is none yet");
    assert_eq!(rig.rail.settled(), 0);
    let due = rig.ledger.due("eip155:84532", 10).await.unwrap();
    assert_eq!(due.iter().map(|open| open.payment).collect::<Vec<_>>(), [exchange.payment.unwrap()]);
    assert_eq!(due[0].intent.payer, rig.payer());
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_that_could_not_be_collected_from_pays_before_it_is_answered() {
    let rig = Rig::new(Settle::Deferred).await;
    rig.rail.distrusts();
    rig.rail.does(Settling::Shown(HASH));
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let (outcome, response) = rig.capture(&mut exchange, 200).await;
    assert_eq!(outcome.unwrap(), Outcome::Paid);
    assert_eq!(rig::receipt(&response, "payment-response")["transaction"], HASH.to_string());
    assert_eq!(rig.rail.settled(), 1);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_its_settlement_was_asked_for_the_outcome_is_written_down_whoever_still_waits() {
    let rig = Rig::new(Settle::After).await;
    let gate = rig.rail.holds_back();
    let header = rig.payment(1, 2);
    let exchange = rig.admitted(&header).await;
    let payment = exchange.payment.unwrap();
    let Money::Signed(signed) = exchange.money else { panic!("it is held") };
    let waiting = tokio::spawn(signed.pay());
    gate.asked().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    gate.open();
    rig.until_captured(payment).await;
    // Whoever settles it hears of the capture after the books have it, and lets it go then.
    let again = loop {
        match rig.admit(&header).await {
            Err(Refusal::InProgress) => tokio::task::yield_now().await,
            again => break again.unwrap(),
        }
    };
    assert!(matches!(again.0, Admission::Redelivery(_)), "its delivery is owed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_safe_request_before_its_settlement_was_asked_for_pays_nothing() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    let mut left = Error::new(ErrorType::ConnectionClosed);
    left.esource = ErrorSource::Downstream;
    let outcome = record::close(&mut exchange, Some(&left), &Leniency::default(), &metrics(), NOW);
    assert_eq!(outcome, Some(Outcome::Voided));
    assert_eq!(rig.rail.settled(), 0);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_work_that_was_done_pays_for_it() {
    let rig = Rig::new(Settle::After).await;
    let gate = rig.rail.holds_back();
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let payment = exchange.payment.unwrap();
    exchange.request.method = "POST".to_owned();
    (exchange.request_ended, exchange.sent_at) = (true, Some(Instant::now()));
    let mut left = Error::new(ErrorType::ConnectionClosed);
    left.esource = ErrorSource::Downstream;
    let outcome = record::close(&mut exchange, Some(&left), &Leniency::default(), &metrics(), NOW);
    assert_eq!(outcome, Some(Outcome::Paid));
    gate.asked().await;
    gate.open();
    rig.until_captured(payment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_its_redelivery_again_and_again_is_owed_none_in_the_end() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    rig.finish(exchange).await;
    let mut left = Error::new(ErrorType::ConnectionClosed);
    left.esource = ErrorSource::Downstream;
    let leniency = Leniency::default();
    for _ in 0..=HANGUPS_PER_AGENT_DAY_MAX {
        let mut again = owed(&rig, &header).await;
        (again.request_ended, again.sent_at) = (true, Some(Instant::now()));
        record::close(&mut again, Some(&left), &leniency, &metrics(), NOW);
    }
    rig.ledger.open_provider("the next commit").await.unwrap();
    assert!(matches!(rig.admit(&header).await.unwrap().0, Admission::Replay(_)));
}

/// An answer that its upstream broke off, of so many bytes.
fn broken_off(exchange: &mut Exchange, has_length: bool, bytes: u64, leniency: &Leniency) {
    (exchange.response_begun, exchange.response_has_length) = (true, has_length);
    exchange.response_bytes = bytes;
    let mut broken = Error::new(ErrorType::ConnectionClosed);
    broken.esource = ErrorSource::Upstream;
    record::close(exchange, Some(&broken), leniency, &metrics(), NOW);
}

/// The same payment comes again, and is to be served once more.
async fn owed(rig: &Rig, header: &str) -> Exchange {
    let (admission, payer) = rig.admit(header).await.unwrap();
    let Admission::Redelivery(owed) = admission else { panic!("it is owed") };
    let (routed, request) = rig.routed("/paid", None);
    Exchange::redelivered(routed, request, owed, payer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_again_and_again_is_owed_so_often_a_day_and_charged_then() {
    let rig = Rig::new(Settle::After).await;
    let (header, leniency) = (rig.payment(1, 2), Leniency::default());
    let mut exchange = rig.admitted(&header).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    broken_off(&mut exchange, true, 9, &leniency);
    for _ in 0..REFUNDS_PER_AGENT_DAY_MAX {
        // What fails before there is an answer counts for nothing.
        let mut unanswered = owed(&rig, &header).await;
        let mut failed = Error::new(ErrorType::ConnectTimedout);
        failed.esource = ErrorSource::Upstream;
        record::close(&mut unanswered, Some(&failed), &leniency, &metrics(), NOW);
        broken_off(&mut owed(&rig, &header).await, true, 9, &leniency);
    }
    rig.ledger.open_provider("the next commit").await.unwrap();
    assert!(matches!(rig.admit(&header).await.unwrap().0, Admission::Replay(_)));
    // The next one is charged at once.
    let other = rig.payment(2, 2);
    let mut exchange = rig.admitted(&other).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    broken_off(&mut exchange, true, 9, &leniency);
    rig.ledger.open_provider("another commit").await.unwrap();
    assert!(matches!(rig.admit(&other).await.unwrap().0, Admission::Replay(_)));
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_delivered_once_more_and_breaks_off_when_it_was_worth_its_price_is_delivered() {
    let rig = Rig::with(|route| route.stream_bytes_min = 100).await;
    let (header, leniency) = (rig.payment(1, 2), Leniency::default());
    let mut exchange = rig.admitted(&header).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    broken_off(&mut exchange, false, 99, &leniency);
    broken_off(&mut owed(&rig, &header).await, false, 99, &leniency);
    broken_off(&mut owed(&rig, &header).await, false, 100, &leniency);
    rig.ledger.open_provider("the next commit").await.unwrap();
    assert!(matches!(rig.admit(&header).await.unwrap().0, Admission::Replay(_)));
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_broke_off_is_owed_and_not_given_back_in_the_books() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    let payment = exchange.payment.unwrap();
    assert_eq!(rig.capture(&mut exchange, 200).await.0.unwrap(), Outcome::Paid);
    broken_off(&mut exchange, true, 9, &Leniency::default());
    let (admission, _) = rig.admit(&header).await.unwrap();
    assert!(matches!(&admission, Admission::Redelivery(owed) if owed.record().payment == payment));
    drop(admission);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_delivered_is_told_its_outcome_though_its_payer_has_nothing_left() {
    let rig = Rig::new(Settle::After).await;
    let header = rig.payment(1, 2);
    let mut exchange = rig.admitted(&header).await;
    rig.capture(&mut exchange, 200).await.0.unwrap();
    let Money::Captured(receipt) = std::mem::replace(&mut exchange.money, Money::Done) else {
        panic!("it is captured")
    };
    receipt.store(StoredResponse { status: 200, headers: Vec::new(), body: "paid".into() });
    rig.rail.leaves(0);
    rig.ledger.open_provider("the next commit").await.unwrap();
    let (admission, payer) = rig.admit(&header).await.unwrap();
    let Admission::Replay(prior) = admission else { panic!("it is over") };
    assert!(prior.response.is_none(), "an answer that is kept is for whoever named the call");
    let (name, _) = crate::payment::receipt::field(&prior.receipt, &payer);
    assert_eq!(name, "payment-response");
    assert_eq!(code(rig.admit(&rig.payment(2, 2)).await), "insufficient_funds");
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_calls_and_tiers_are_for_agents() {
    let rig = Rig::with(|route| route.free_per_day = 10).await;
    let exchange = rig.admitted(&rig.payment(1, 2)).await;
    assert_eq!(exchange.price.atomic(), crate::samples::PRICE);
    rig.finish(exchange).await;
}
