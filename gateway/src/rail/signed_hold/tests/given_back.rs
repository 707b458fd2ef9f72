//! What was paid first and is not served is given back: so often a day. Then its payer buys nothing where it would have to be paid first,
//! and pays behind the answer elsewhere.

use domain::AgentId;
use ledger::PaymentState;

use super::*;
use crate::limits::{GIVE_BACKS_PER_PROVIDER_DAY_MAX, OUTAGES_PER_PAYER_DAY_MAX};
use crate::stage::prepay::prepay;

/// A call that is paid first.
async fn prepaid(rig: &Rig, nonce: u8) -> Exchange {
    let (admission, payer) = rig.admit(&rig.payment(nonce, 2)).await.unwrap();
    let Admission::Signed(signed) = admission else { panic!("it is held by a payment on a public network") };
    assert_eq!(signed.settle, Settle::Before);
    let (routed, request) = rig.routed("/paid", None);
    let receipt = prepay(*signed, &metrics()).await.unwrap();
    Exchange::prepaid(routed, request, receipt, payer)
}

/// Its upstream answers so, and it is given back.
async fn failed(rig: &Rig, nonce: u8, status: u16) {
    let mut failing = prepaid(rig, nonce).await;
    assert_eq!(rig.capture(&mut failing, status).await.0.unwrap(), Outcome::Voided);
    let payment = failing.payment.unwrap();
    assert_eq!(rig.ledger.payment(payment).await.unwrap().unwrap().state, PaymentState::Refunded);
}

/// Nothing moves before its upstream has answered, and nothing where it does not deliver.
async fn pays_behind_the_answer(rig: &Rig, nonce: u8) {
    let mut exchange = rig.admitted(&rig.payment(nonce, 2)).await;
    let Money::Signed(signed) = &exchange.money else { panic!("nothing has moved yet") };
    assert_eq!(signed.settle, Settle::After);
    let settled = rig.rail.settled();
    assert_eq!(rig.capture(&mut exchange, 503).await.0.unwrap(), Outcome::Voided);
    assert_eq!(rig.rail.settled(), settled, "it costs nobody anything");
    rig.finish(exchange).await;
}

/// Nothing is held, and so nothing is forwarded.
async fn buys_nothing(rig: &Rig, nonce: u8) {
    let refused = rig.admit(&rig.payment(nonce, 2)).await.err().expect("nothing is held");
    assert!(matches!(refused, Refusal::TooManyGivenBack { retry_after: 1..=86_400 }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_is_given_back_so_often_a_day_and_buys_nothing_there_then_or_pays_behind_the_answer()
 {
    for (settle, is_trusted) in [(Settle::Before, true), (Settle::Before, false), (Settle::Deferred, false)] {
        let rig = Rig::with_treasury(settle).await;
        if !is_trusted {
            rig.rail.distrusts();
        }
        let mut nonce = 0;
        for _ in 0..GIVE_BACKS_PER_PROVIDER_DAY_MAX {
            // What is served counts for nothing, and so does what an outage of its upstream does.
            nonce += 3;
            let mut served = prepaid(&rig, nonce).await;
            assert_eq!(rig.capture(&mut served, 200).await.0.unwrap(), Outcome::Paid);
            drop(served);
            failed(&rig, nonce + 1, 503).await;
            failed(&rig, nonce + 2, 404).await;
        }
        match settle {
            Settle::Before => buys_nothing(&rig, nonce + 3).await,
            _ => pays_behind_the_answer(&rig, nonce + 3).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_changes_nothing_for_a_payer_until_it_is_one_that_the_payer_makes() {
    let rig = Rig::with_treasury(Settle::Before).await;
    let payer = AgentId::of_payer(rig.payer());
    for _ in 1..OUTAGES_PER_PAYER_DAY_MAX {
        rig.leniency.gave_back(payer, &"acme".into(), 502, NOW);
    }
    failed(&rig, 1, 503).await;
    buys_nothing(&rig, 2).await;
}
