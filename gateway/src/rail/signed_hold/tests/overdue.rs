//! Upstreams that take longer than their call's payment can be settled: nothing is charged, and nobody is asked to settle.

use std::time::Duration;

use domain::meter::{Unit, UnitPrice};
use domain::{Metered, Price};
use pingora::http::ResponseHeader;

use super::*;
use crate::stage::forward;

/// An exchange whose upstream took too long.
async fn overdue(rig: &Rig, header: &str) -> Exchange {
    let mut exchange = rig.admitted(header).await;
    let Money::Signed(signed) = &mut exchange.money else { panic!("it is held") };
    assert!(!signed.is_overdue());
    signed.answer_by = Instant::now();
    exchange
}

/// Nothing of it is left, so that the same payment may come again.
async fn nothing_is_charged(rig: &Rig, header: &str) {
    assert_eq!(rig.rail.settled(), 0);
    assert!(rig.ledger.unknown().is_empty());
    assert_eq!(rig.ledger.due("eip155:84532", 10).await.unwrap(), []);
    rig.finish(rig.admitted(header).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_could_not_be_settled_any_more_is_none() {
    for settle in [Settle::After, Settle::Deferred] {
        let rig = Rig::new(settle).await;
        let header = rig.payment(1, 2);
        let mut exchange = overdue(&rig, &header).await;
        let refusal = rig.capture(&mut exchange, 200).await.0.unwrap_err();
        assert_eq!((refusal.status(), refusal.code()), (504, "upstream_timeout"));
        let refusal = exchange.undo().unwrap().finish(exchange.payment, refusal, &rig.leniency).await;
        assert_eq!(refusal.status(), 504);
        nothing_is_charged(&rig, &header).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_beginning_is_overdue_does_not_begin() {
    let most = Amount::from_atomic(crate::samples::PRICE).unwrap();
    let unit = Unit { from: "json:/n".parse().unwrap(), price: UnitPrice::parse("$0.000001").unwrap() };
    let price = Price::Metered(Metered::new(most, most, vec![unit]).unwrap());
    let rig = Rig::with(|route| route.price = price).await;
    let header = rig.payment(1, 2);
    let mut exchange = overdue(&rig, &header).await;
    let mut response = ResponseHeader::build(200, None).unwrap();
    response.insert_header("content-type", "application/json").unwrap();
    let refusal = rig.capture_with(&mut exchange, response).await.0.unwrap_err();
    assert_eq!(refusal.code(), "upstream_timeout");
    exchange.undo().unwrap().finish(exchange.payment, refusal, &rig.leniency).await;
    nothing_is_charged(&rig, &header).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_when_its_body_is_whole_is_not_taken_either() {
    for settle in [Settle::After, Settle::Deferred] {
        let rig = Rig::new(settle).await;
        let header = rig.payment(1, 2);
        let Money::Signed(signed) = overdue(&rig, &header).await.money else { panic!("it is held") };
        assert!(matches!(signed.pay().await, Err(NotPaid::Overdue)));
        nothing_is_charged(&rig, &header).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_streamed_is_charged_however_long_it_took() {
    let rig = Rig::new(Settle::After).await;
    let mut exchange = overdue(&rig, &rig.payment(1, 2)).await;
    let Money::Signed(signed) = std::mem::replace(&mut exchange.money, Money::Done) else {
        panic!("it is held")
    };
    let kept = signed.keep(exchange.price).await.unwrap();
    kept.pay().await.unwrap().delivered();
    assert_eq!(rig.ledger.due("eip155:84532", 10).await.unwrap().len(), 1);
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_work_that_is_overdue_pays_nothing_for_it() {
    let rig = Rig::new(Settle::Deferred).await;
    let header = rig.payment(1, 2);
    let mut exchange = overdue(&rig, &header).await;
    exchange.request.method = "POST".to_owned();
    (exchange.request_ended, exchange.sent_at) = (true, Some(Instant::now()));
    let mut left = Error::new(ErrorType::ConnectionClosed);
    left.esource = ErrorSource::Downstream;
    let outcome = record::close(&mut exchange, Some(&left), &Leniency::default(), &metrics(), NOW);
    assert_eq!(outcome, Some(Outcome::Voided));
    rig.finish(exchange).await;
    rig.ledger.open_provider("the next commit").await.unwrap();
    nothing_is_charged(&rig, &header).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_gets_the_time_that_is_left_and_a_connection_of_its_own_where_its_silence_says_too_little()
 {
    let rig = Rig::new(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let usual = exchange.routed.pool.upstream().timeouts.read;
    let peer = forward::peer(&mut exchange, None).unwrap();
    assert_eq!(peer.options.read_timeout, Some(usual), "it is the body's as well");
    assert!(peer.options.custom_l4.is_none() && exchange.until.is_none(), "it is one of the pool's");
    let Money::Signed(signed) = &mut exchange.money else { panic!("it is held") };
    signed.answer_by = Instant::now() + usual / 10;
    let peer = forward::peer(&mut exchange, None).unwrap();
    assert_eq!(peer.options.read_timeout, Some(usual), "what comes behind the header may take its time");
    assert!(peer.options.custom_l4.is_some() && exchange.until.is_some());
    let Money::Signed(signed) = &mut exchange.money else { panic!("it is held") };
    signed.answer_by = Instant::now();
    let refusal = forward::peer(&mut exchange, None).unwrap_err();
    assert_eq!(refusal.code(), "upstream_timeout", "nobody is connected to");
    rig.finish(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_the_last_of_a_request_slowly_has_no_work_done() {
    let rig = Rig::new(Settle::After).await;
    let mut exchange = rig.admitted(&rig.payment(1, 2)).await;
    let now = Instant::now();
    let Money::Signed(signed) = &mut exchange.money else { panic!("it is held") };
    signed.answer_by = now + Duration::from_secs(60);
    let long_ago = now.checked_sub(Duration::from_secs(61)).unwrap();
    assert!(!exchange.came_slowly(long_ago), "it had nothing to send");
    exchange.request_bytes = 1;
    assert_eq!((exchange.came_slowly(now), exchange.came_slowly(long_ago)), (false, true));
    rig.finish(exchange).await;
}
