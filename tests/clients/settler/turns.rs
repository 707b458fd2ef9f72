//! Two settlers of one key, of which one at a time has the turn: what one has sent the next one finishes, and nobody begins out of turn.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use settlement::duty::Duty;
use tests::wait::until;

use super::*;

/// A turn that the test gives and takes.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn give(&self, is_ours: bool) {
        self.0.store(is_ours, Ordering::SeqCst);
    }
}

#[async_trait]
impl Duty for Turn {
    async fn is_ours(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

async fn has_turn(settler: &Settler, has_it: bool) {
    until("the turn to pass on", async || (settler.handle.has_turn() == has_it).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_its_turn_begins_nothing_more_and_the_next_one_finishes_what_it_sent() {
    let network = Network::start().await;
    let payers = network.payers(2, 5_000).await;
    let [one, other] = [0, 1].map(|number: usize| member(&payers[number], &offer()));
    let (outbox, turns) = (Memory::default(), [Turn::default(), Turn::default()]);
    turns[0].give(true);
    let settlers = turns.clone().map(|turn| Settler::on_duty(&network, &outbox, turn));
    has_turn(&settlers[0], true).await;
    network.mine_each(false).await;
    let asked = settlers[0].ask(one.clone());
    on_its_way(&outbox).await;
    turns[0].give(false);
    assert!(matches!(answered(asked).await, Settling::Unknown(_)), "it is another one's to say");
    has_turn(&settlers[0], false).await;
    assert!(!settlers[1].handle.has_turn() && !settlers[0].handle.is_available());
    turns[1].give(true);
    has_turn(&settlers[1], true).await;
    // Whoever asks the wrong one has begun nothing.
    assert!(matches!(settlers[0].settle(other.clone()).await, Settling::Unknown(_)));
    assert_eq!(outbox.open().len(), 1);
    let recorded = outbox.open().remove(0);
    let asked = settlers[1].ask(one);
    network.mine_each(true).await;
    network.mine(1).await;
    assert_eq!(transaction(&answered(asked).await), recorded.versions[0].hash);

    turns[1].give(false);
    has_turn(&settlers[1], false).await;
    turns[0].give(true);
    has_turn(&settlers[0], true).await;
    transaction(&settlers[0].settle(other).await);
    assert_eq!(network.received(recipient()).await.len(), 2);
    assert_eq!(outbox.closed().len(), 2, "each nonce once");
    assert!(outbox.open().is_empty());
}
