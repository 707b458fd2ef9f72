//! What is open on several networks, with a real ledger: one that stands still keeps nothing waiting on another.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use domain::{Network, PaymentId, ReplayKey, Settle};
use ledger::{Held, HoldRequest, Intent};

use super::open::{Both, transaction_of};
use crate::chain::{Chain, Nodes};
use crate::duty::Alone;
use crate::mock::{Act, Mock};
use crate::rail::tests::{LONG, NETWORK, TOKEN, VALID_BEFORE, network, payer};
use crate::rail::{Line, Pool, Settler, Share, Unobserved};
use crate::reconciler::{Bounds, Open};
use crate::{Rail, Reconciler};

/// Served on another network, by a payment that expires before any on the usual one.
async fn captured_on(both: &Both, network: &str, nonce: u8) -> PaymentId {
    let mut request = both.request(nonce, Settle::After);
    let payment = request.payment;
    let mut intent = Intent::clone(request.intent.as_ref().unwrap());
    (intent.network, intent.valid_before) = (network.into(), VALID_BEFORE - 1);
    let replay = ReplayKey::new(intent.valid_before, network, TOKEN, payer(), request.digest.unwrap());
    request = HoldRequest {
        wallet: intent.wallet(),
        replay: Some(replay),
        intent: Some(Arc::new(intent)),
        ..request
    };
    let Held::Hold(hold) = both.house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
    hold.capture().await.unwrap().delivered();
    payment
}

/// As many as are read and looked after at once stand still on that network, which is one of these.
async fn settles_beside(standing: &str, nodes: &[(&str, String)], both: Both) {
    for nonce in 1..=8 {
        captured_on(&both, standing, nonce).await;
    }
    let payment = both.captured(9, Settle::After).await;
    both.world.chain.lock().use_up(B256::repeat_byte(9), true);
    let lines = nodes.iter().map(|(id, url)| line(id, url)).collect();
    let share = Share { running_max: 8, wait_max: LONG };
    let rail = Rail::new(lines, share, both.world.clock.clone(), Arc::new(Unobserved));
    let bounds = Bounds { running_max: 8, due_max: 8 };
    let mut reconciler = Reconciler::new(both.house.ledger.clone(), rail, bounds, Arc::new(Alone));
    reconciler.round().await;
    assert_eq!(both.moved(payment).await, transaction_of(9));
    assert_eq!(both.house.ledger.due(standing, 10).await.unwrap().len(), 8);
    both.house.finish().await;
}

/// A network by its node; nobody settles there.
fn line(id: &str, node: &str) -> Line {
    let chain = Chain::new(Nodes::new(vec![node.to_owned()], LONG).unwrap(), 0);
    let settler = Settler::Facilitators(Pool::new(Vec::new(), LONG));
    let looks = (Duration::from_millis(10), Duration::from_millis(5));
    Line::new(Network { id: id.into(), ..network() }, Arc::new(chain), settler, looks)
}

#[tokio::test]
async fn a_network_that_cannot_be_read_keeps_nothing_waiting_on_another() {
    let (both, dead) = (Both::new().await, Mock::start().await);
    dead.does(Act::Reset);
    let node = both.world.node.url.clone();
    settles_beside("eip155:1", &[("eip155:1", dead.url.clone()), (NETWORK, node)], both).await;
}

#[tokio::test]
async fn a_network_that_the_file_does_not_name_any_more_keeps_nothing_waiting() {
    let both = Both::new().await;
    let node = both.world.node.url.clone();
    settles_beside("eip155:1", &[(NETWORK, node)], both).await;
}

/// Far more stand still than are read at once.
#[tokio::test]
async fn however_many_stand_still_each_that_is_due_has_its_turn_and_what_has_time_left_waits_for_none_of_them()
 {
    let both = Both::new().await;
    let mut standing = Vec::new();
    for nonce in 1..=8 {
        standing.push(captured_on(&both, NETWORK, nonce).await);
        // Used by what is not shown: it stays due.
        both.world.chain.lock().use_up(B256::repeat_byte(nonce), nonce == 8);
    }
    let in_time = both.captured(9, Settle::After).await;
    both.world.chain.lock().use_up(B256::repeat_byte(9), true);
    both.later(59);
    let mut reconciler = reconciler_of(&both, Bounds { running_max: 3, due_max: 3 });
    reconciler.round().await;
    let moved = async |payment| both.moved(payment).await;
    assert_eq!((moved(in_time).await, moved(standing[7]).await), (transaction_of(9), None));
    for _ in 0..8 {
        reconciler.round().await;
    }
    assert_eq!(moved(standing[7]).await, transaction_of(8));
    assert_eq!(both.house.ledger.due(NETWORK, 10).await.unwrap().len(), 7);
    both.house.finish().await;
}

#[tokio::test]
async fn what_cannot_be_read_stays_due_is_counted_and_keeps_no_other_waiting() {
    let both = Both::new().await;
    let mut request = both.request(1, Settle::After);
    let intent = Intent { payload: "{}".into(), ..Intent::clone(request.intent.as_ref().unwrap()) };
    request.intent = Some(Arc::new(intent));
    let Held::Hold(hold) = both.house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
    hold.capture().await.unwrap().delivered();
    let payment = both.captured(2, Settle::After).await;
    both.world.chain.lock().use_up(B256::repeat_byte(2), true);
    let mut reconciler = reconciler_of(&both, Bounds { running_max: 1, due_max: 1 });
    for _ in 0..4 {
        reconciler.round().await;
    }
    assert_eq!(both.moved(payment).await, transaction_of(2));
    let Open { due, unreadable, .. } = reconciler.round().await;
    assert_eq!((due, unreadable), (1, 1));
    both.house.finish().await;
}

/// With the usual network alone.
fn reconciler_of(both: &Both, bounds: Bounds) -> Reconciler {
    let share = Share { running_max: 8, wait_max: LONG };
    let lines = vec![line(NETWORK, &both.world.node.url)];
    let rail = Rail::new(lines, share, both.world.clock.clone(), Arc::new(Unobserved));
    Reconciler::new(both.house.ledger.clone(), rail, bounds, Arc::new(Alone))
}
