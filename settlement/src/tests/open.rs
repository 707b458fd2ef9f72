//! What is open on public networks, with a real ledger: closed by the chain alone, settled before its time is over, written off after.

use std::sync::Arc;

use alloy_primitives::B256;
use async_trait::async_trait;
use domain::{BasisPoints, Capture, Clock, Custody, Fingerprint, PaymentId, Price, ReplayKey, Settle};
use ledger::{Collection, Held, Hold, HoldRequest, Intent, Page, PaymentFilter, PaymentState};
use serde_json::json;

use super::house::{House, amount, continuous};
use crate::duty::{Alone, Duty};
use crate::mock::Act;
use crate::rail::tests::{
    LONG, NETWORK, PAY_TO, TOKEN, VALID_BEFORE, World, honest, payer, price, settling, success, texts,
    transaction,
};
use crate::rail::{Closed, Settling};
use crate::reconciler::{Bounds, Open};
use crate::{Reconciler, Signed};

/// The books, and the network.
pub(super) struct Both {
    pub(super) house: House,
    pub(super) world: World,
    reconciler: Reconciler,
}

// === impl Both ===

impl Both {
    pub(super) async fn new() -> Self {
        Self::deep(0).await
    }

    async fn deep(confirmations: u64) -> Self {
        let (house, world) = (House::new(continuous()).await, World::deep(1, 8, LONG, confirmations).await);
        let reconciler = reconciler(&house, &world);
        Self { house, world, reconciler }
    }

    /// The payments in a state, or those that are due.
    async fn listed(&self, state: Option<PaymentState>, is_due: bool) -> Vec<PaymentId> {
        let filter = PaymentFilter { state, is_due, ..PaymentFilter::default() };
        let listed = self.house.ledger.payments(&filter, Page::first(10)).await.unwrap();
        listed.items.iter().map(|payment| payment.receipt.payment).collect()
    }

    pub(super) async fn hold(&self, nonce: u8, settle: Settle) -> Hold {
        let Held::Hold(hold) = self.house.ledger.hold(self.request(nonce, settle)).await.unwrap() else {
            panic!("no hold")
        };
        hold
    }

    pub(super) fn request(&self, nonce: u8, settle: Settle) -> HoldRequest {
        let (payload, requirements) = texts(nonce);
        let intent = Intent {
            network: NETWORK.into(),
            token: TOKEN.into(),
            payer: payer().into(),
            pay_to: PAY_TO.into(),
            custody: Custody::Direct,
            deposit: None,
            settle,
            valid_before: VALID_BEFORE,
            since_block: 1,
            payload: payload.into(),
            requirements: requirements.into(),
        };
        let nonce = B256::repeat_byte(nonce);
        HoldRequest {
            payment: PaymentId::generate(self.house.ledger.time(), [nonce[0]; 10]),
            agent: intent.agent(),
            wallet: intent.wallet(),
            provider: "acme".into(),
            route: "quotes".into(),
            price: Price::Fixed(price()),
            capture: Capture::After,
            revision: 1,
            fee: BasisPoints::new(1_000).unwrap(),
            per_day: None,
            per_month: None,
            limits: Vec::new(),
            free_per_day: 0,
            replay: Some(ReplayKey::new(VALID_BEFORE, NETWORK, TOKEN, payer(), nonce)),
            digest: Some(nonce),
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([1; 16]),
            intent: Some(Arc::new(intent)),
            unsettled_max: None,
        }
    }

    /// As the gateway does: settles, and lets go of what nobody knows.
    async fn settle_unknown(&self, nonce: u8) -> PaymentId {
        let hold = self.hold(nonce, Settle::After).await;
        let (payment, (payload, requirements)) = (hold.payment(), texts(nonce));
        let signed = Signed::read(NETWORK.into(), TOKEN, 1, &payload, &requirements).unwrap();
        let settling = self.world.rail.settle(payment, &signed, price()).await;
        assert!(matches!(settling, Settling::Unknown(_)), "{settling:?}");
        hold.leave_unknown();
        payment
    }

    pub(super) async fn captured(&self, nonce: u8, settle: Settle) -> PaymentId {
        let receipt = self.hold(nonce, settle).await.capture().await.unwrap();
        let payment = receipt.record().payment;
        receipt.delivered();
        payment
    }

    pub(super) async fn round(&mut self) -> (usize, usize) {
        let Open { unknown, due, .. } = self.reconciler.round().await;
        (unknown, due)
    }

    /// Time for everybody.
    pub(super) fn later(&self, seconds: i64) {
        self.world.later(seconds * 1_000);
        self.world.chain.lock().time += seconds.unsigned_abs();
        self.house.clock.set(self.house.clock.now().0 + seconds * 1_000);
    }

    /// The transaction that a captured payment's value moved in.
    pub(super) async fn moved(&self, payment: PaymentId) -> Option<B256> {
        let record = self.house.ledger.payment(payment).await.unwrap()?;
        record.receipt.on_chain.unwrap().transaction?.evm()
    }

    fn closed(&self) -> Vec<Closed> {
        self.world.seen.closed.lock().clone()
    }
}

pub(super) fn reconciler(house: &House, world: &World) -> Reconciler {
    let bounds = Bounds { running_max: 8, due_max: 100 };
    Reconciler::new(house.ledger.clone(), world.rail.clone(), bounds, Arc::new(Alone))
}

pub(super) fn transaction_of(nonce: u8) -> Option<B256> {
    Some(transaction(B256::repeat_byte(nonce)))
}

#[tokio::test]
async fn d8_what_nobody_knew_is_captured_once_the_chain_shows_it_also_after_a_crash() {
    let mut both = Both::new().await;
    let hold = both.hold(1, Settle::After).await;
    let payment = hold.payment();
    hold.leave_unknown();
    both.house.crash();
    both.reconciler = reconciler(&both.house, &both.world);
    assert_eq!(both.round().await, (1, 0));
    assert_eq!((both.house.ledger.unknown().len(), both.moved(payment).await), (1, None));
    both.world.chain.lock().use_up(B256::repeat_byte(1), true);
    both.later(1);
    both.round().await;
    assert_eq!(both.moved(payment).await, transaction_of(1));
    assert_eq!(both.closed(), [Closed::Moved]);
    assert_eq!(both.round().await, (0, 0));
    assert_eq!(both.world.asked(0, "settle"), 0, "nobody is asked for what this process never asked for");
    both.house.finish().await;
}

#[tokio::test]
async fn what_is_unused_is_void_once_its_time_is_over_on_chain_and_not_by_our_clock() {
    let mut both = Both::new().await;
    let hold = both.hold(1, Settle::After).await;
    drop(hold);
    both.round().await;
    both.later(59);
    both.round().await;
    assert_eq!(both.world.asked(0, "settle"), 0, "nobody is asked for what this process never asked for");
    // Our clock runs ahead of the chain's.
    both.world.later(3_600_000);
    both.round().await;
    assert_eq!(both.house.ledger.unknown().len(), 1);
    both.later(1);
    both.world.later(3_600_000);
    both.round().await;
    assert_eq!((both.house.ledger.unknown().len(), both.closed()), (0, vec![Closed::Void]));
    both.house.finish().await;
}

#[tokio::test]
async fn d7_what_a_facilitator_failed_to_answer_is_asked_again_with_the_same_payload_and_charged_once() {
    let mut both = Both::new().await;
    both.world.facilitators[0].does(settling(|_| Act::Answer(500, "{}".to_owned())));
    let payment = both.settle_unknown(1).await;
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.house.ledger.unknown().len()), (2, 1));
    both.world.facilitators[0].does(honest(&both.world.chain));
    // Not at once again.
    both.round().await;
    assert_eq!(both.world.asked(0, "settle"), 2);
    both.later(1);
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.moved(payment).await), (3, transaction_of(1)));
    let bodies: Vec<_> =
        both.world.facilitators[0].calls().into_iter().filter_map(|call| call.body).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the same payload each time");
    both.house.finish().await;
}

#[tokio::test]
async fn a12_a_nonce_that_is_used_for_nothing_is_void_when_it_is_shown_so_for_long() {
    let mut both = Both::new().await;
    drop(both.hold(1, Settle::After).await);
    both.world.chain.lock().use_up(B256::repeat_byte(1), false);
    for _ in 0..2 {
        both.round().await;
        assert_eq!(both.house.ledger.unknown().len(), 1, "a node may lag behind");
        both.later(15);
    }
    both.round().await;
    assert_eq!(both.closed(), [Closed::Void]);
    both.house.finish().await;
}

#[tokio::test]
async fn what_is_due_is_settled_once_the_earliest_to_expire_first() {
    let mut both = Both::new().await;
    let mut payments = Vec::new();
    for nonce in 1..=20 {
        payments.push(both.captured(nonce, Settle::Deferred).await);
    }
    assert_eq!(both.round().await, (0, 20));
    assert_eq!(both.world.asked(0, "settle"), 8, "so many at once");
    while both.round().await != (0, 0) {}
    assert_eq!(both.world.asked(0, "settle"), 20);
    for (nonce, payment) in (1..).zip(payments) {
        assert_eq!(both.moved(payment).await, transaction_of(nonce));
    }
    assert_eq!(both.closed(), vec![Closed::Settled; 20]);
    both.house.finish().await;
}

/// Another process has the turn.
struct Theirs;

#[async_trait]
impl Duty for Theirs {
    async fn is_ours(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn what_is_due_is_left_to_whoever_has_the_turn_and_what_is_unknown_here_is_not() {
    let mut both = Both::new().await;
    let bounds = Bounds { running_max: 8, due_max: 100 };
    let (ledger, rail) = (both.house.ledger.clone(), both.world.rail.clone());
    let mut without_turn = Reconciler::new(ledger, rail, bounds, Arc::new(Theirs));
    both.captured(1, Settle::Deferred).await;
    drop(both.hold(2, Settle::After).await);
    both.world.chain.lock().use_up(B256::repeat_byte(2), true);
    assert_eq!(without_turn.round().await, Open { unknown: 1, due: 0, unreadable: 0 });
    assert_eq!((both.world.asked(0, "settle"), both.closed()), (0, vec![Closed::Moved]));
    assert_eq!(both.round().await, (0, 1));
    assert_eq!(both.closed(), [Closed::Moved, Closed::Settled]);
    both.house.finish().await;
}

#[tokio::test]
async fn a_due_payment_that_was_settled_before_a_crash_is_found_and_not_settled_again() {
    let mut both = Both::new().await;
    let payment = both.captured(1, Settle::Deferred).await;
    both.world.chain.lock().use_up(B256::repeat_byte(1), true);
    let invalid = json!({ "isValid": false, "invalidReason": "nonce_already_used" }).to_string();
    both.world.facilitators[0].does(Act::Answer(200, invalid));
    both.round().await;
    both.later(1);
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.moved(payment).await), (0, transaction_of(1)));
    assert!(both.world.rail.is_trusted(payer()));
    both.house.finish().await;
}

#[tokio::test]
async fn a5_what_was_served_and_can_never_be_collected_is_written_off_and_its_payer_pays_first() {
    let mut both = Both::new().await;
    let payment = both.captured(1, Settle::Deferred).await;
    let invalid = json!({ "isValid": false, "invalidReason": "insufficient_funds" }).to_string();
    both.world.facilitators[0].does(Act::Answer(200, invalid));
    assert!(both.world.rail.is_trusted(payer()));
    both.round().await;
    assert!(!both.world.rail.is_trusted(payer()), "from the first refusal on");
    both.later(59);
    both.round().await;
    assert_eq!(both.listed(None, true).await, [payment], "there is time left");
    both.later(1);
    both.later(15);
    both.round().await;
    assert_eq!(both.closed(), [Closed::WrittenOff(amount(1_000))]);
    let record = both.house.ledger.payment(payment).await.unwrap().unwrap();
    assert_eq!(record.state, PaymentState::WrittenOff);
    assert!(matches!(record.collection, Some(Collection::WrittenOff(_))), "{record:?}");
    assert_eq!(both.listed(Some(PaymentState::WrittenOff), false).await, [payment]);
    assert_eq!(both.listed(Some(PaymentState::Refunded), false).await, [], "nobody was given anything back");
    assert_eq!(both.listed(None, true).await, [], "it is owed no more");
    assert_eq!(both.round().await, (0, 0));
    // Nor does a start forget it.
    let next = World::new(1).await;
    next.rail.remember(&both.house.ledger).await.unwrap();
    assert!(!next.rail.is_trusted(payer()));
    both.house.finish().await;
}

#[tokio::test]
async fn d13_a_settlement_that_is_taken_back_before_its_block_counts_is_made_again() {
    let mut both = Both::deep(2).await;
    both.world.rail.refresh().await;
    let hold = both.hold(1, Settle::After).await;
    let (payment, (payload, requirements)) = (hold.payment(), texts(1));
    let signed = Signed::read(NETWORK.into(), TOKEN, 1, &payload, &requirements).unwrap();
    let shown = both.world.rail.settle(payment, &signed, price()).await;
    assert_eq!(shown, Settling::Shown(transaction(B256::repeat_byte(1))));
    hold.capture().await.unwrap().delivered();
    // It stands in a block, and is left alone.
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.moved(payment).await), (1, None));
    // The block is gone.
    both.world.chain.lock().used.clear();
    both.later(1);
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.moved(payment).await), (2, None));
    both.world.chain.lock().block += 2;
    both.world.rail.refresh().await;
    both.later(2);
    both.round().await;
    assert_eq!(both.moved(payment).await, transaction_of(1));
    assert_eq!(both.closed(), [Closed::Settled]);
    both.house.finish().await;
}

#[tokio::test]
async fn what_stands_in_a_block_that_does_not_count_is_not_asked_for_again_by_the_next_process() {
    let mut both = Both::deep(2).await;
    both.world.rail.refresh().await;
    let hold = both.hold(1, Settle::After).await;
    let (payment, (payload, requirements)) = (hold.payment(), texts(1));
    let signed = Signed::read(NETWORK.into(), TOKEN, 1, &payload, &requirements).unwrap();
    let shown = both.world.rail.settle(payment, &signed, price()).await;
    assert_eq!(shown, Settling::Shown(transaction(B256::repeat_byte(1))));
    hold.capture_seen(transaction(B256::repeat_byte(1))).await.unwrap().delivered();
    both.world.rail.forget(&payment);
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.closed()), (1, vec![]));
    both.world.chain.lock().block += 2;
    both.later(2);
    both.round().await;
    assert_eq!((both.world.asked(0, "settle"), both.closed()), (1, vec![Closed::Settled]));
    both.house.finish().await;
}

#[tokio::test]
async fn whose_payment_nobody_settled_in_time_pays_first_too() {
    let mut both = Both::new().await;
    both.captured(1, Settle::Deferred).await;
    both.world.facilitators[0].does(Act::Answer(500, "{}".to_owned()));
    both.round().await;
    assert!(both.world.rail.is_trusted(payer()), "nobody has refused it");
    both.later(60);
    both.later(15);
    both.round().await;
    assert_eq!(both.closed(), [Closed::WrittenOff(amount(1_000))]);
    assert!(!both.world.rail.is_trusted(payer()));
    both.house.finish().await;
}

#[tokio::test]
async fn what_moved_for_good_is_closed_without_asking_the_chain_again() {
    let mut both = Both::new().await;
    let hold = both.hold(1, Settle::After).await;
    let (payment, (payload, requirements)) = (hold.payment(), texts(1));
    let signed = Signed::read(NETWORK.into(), TOKEN, 1, &payload, &requirements).unwrap();
    let settling = both.world.rail.settle(payment, &signed, price()).await;
    assert_eq!(settling, Settling::Moved(transaction(B256::repeat_byte(1))));
    hold.capture_seen(transaction(B256::repeat_byte(1))).await.unwrap().delivered();
    let asked = both.world.node.calls().len();
    assert_eq!(both.round().await, (0, 1));
    assert_eq!((both.closed(), both.world.node.calls().len()), (vec![Closed::Settled], asked));
    assert_eq!(both.round().await, (0, 0));
    both.house.finish().await;
}

#[tokio::test]
async fn a_lie_of_success_leaves_a_payment_due_until_the_chain_shows_it() {
    let mut both = Both::new().await;
    let payment = both.captured(1, Settle::Deferred).await;
    both.world.facilitators[0].does(settling(|nonce| success(transaction(nonce))));
    both.round().await;
    assert_eq!(
        (both.house.ledger.due(NETWORK, 10).await.unwrap().len(), both.moved(payment).await),
        (1, None)
    );
    both.house.finish().await;
}
