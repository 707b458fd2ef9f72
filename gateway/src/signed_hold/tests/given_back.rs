//! Payers who are not trusted pay first, and what they are not served is given back: so often a day.

use ledger::PaymentState;

use super::*;
use crate::limits::GIVE_BACKS_PER_PAYER_DAY_MAX;
use crate::stage::prepay::prepay;

/// What a payer who is not trusted pays first.
async fn prepaid(rig: &Rig, nonce: u8) -> Exchange {
    let (admission, payer) = rig.admit(&rig.payment(nonce, 2)).await.unwrap();
    let Admission::Signed(signed) = admission else { panic!("it is held by a payment on a public network") };
    assert_eq!(signed.settle, Settle::Before);
    let (routed, request) = rig.routed("/paid", None);
    let receipt = prepay(*signed, &metrics()).await.unwrap();
    Exchange::prepaid(routed, request, receipt, payer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_is_not_trusted_is_given_back_so_often_a_day_and_pays_behind_the_answer_then() {
    let rig = Rig::with_treasury(Settle::Deferred).await;
    rig.rail.distrusts();
    let mut nonce = 0;
    for _ in 0..GIVE_BACKS_PER_PAYER_DAY_MAX {
        // What is served counts for nothing.
        nonce += 1;
        let mut served = prepaid(&rig, nonce).await;
        assert_eq!(rig.capture(&mut served, 200).await.0.unwrap(), Outcome::Paid);
        drop(served);
        nonce += 1;
        let mut failing = prepaid(&rig, nonce).await;
        assert_eq!(rig.capture(&mut failing, 503).await.0.unwrap(), Outcome::Voided);
        let payment = failing.payment.unwrap();
        let state = rig.ledger.payment(payment).await.unwrap().unwrap().state;
        assert_eq!(state, PaymentState::Refunded);
    }
    let mut exchange = rig.admitted(&rig.payment(nonce + 1, 2)).await;
    let Money::Signed(signed) = &exchange.money else { panic!("nothing has moved yet") };
    assert_eq!(signed.settle, Settle::After);
    let settled = rig.rail.settled();
    assert_eq!(rig.capture(&mut exchange, 503).await.0.unwrap(), Outcome::Voided);
    assert_eq!(rig.rail.settled(), settled, "it costs nobody anything");
    rig.finish(exchange).await;
}
