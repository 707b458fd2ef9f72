//! What the chain shows otherwise than the books say of payments that are closed: found, written down once, in suspense.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_primitives::B256;
use async_trait::async_trait;
use domain::Settle;
use ledger::Ledger;
use tokio::sync::{Semaphore, watch};

use super::open::{Both, transaction_of};
use crate::Rail;
use crate::comparison::{self, Comparison, Difference, Way, compare, write_down};
use crate::duty::Duty;
use crate::mock::{Act, Call};
use crate::rail::tests::{NETWORK, price, transaction};

/// Whatever is written down twice is written down once, and differs no more.
async fn expect_written_once(ledger: &Ledger, rail: &Rail, found: &Comparison) {
    for _ in 0..2 {
        write_down(ledger, &found.differences).await.unwrap();
    }
    assert_eq!(compare(ledger, rail).await.unwrap().differences, []);
    let changes = ledger.changes((0, i64::MAX), 100).await.unwrap();
    assert_eq!(changes.differences.len(), found.differences.len());
}

#[tokio::test]
async fn what_moved_though_it_was_voided_or_undone_is_in_suspense_until_it_is_there_again() {
    let mut both = Both::new().await;
    let voided = both.hold(1, Settle::After).await;
    let payment = voided.payment();
    voided.void().await.unwrap();
    both.world.chain.lock().use_up(B256::repeat_byte(1), true);
    let settled = both.captured(2, Settle::Deferred).await;
    both.round().await;
    // Its block is gone, deeper than anybody thought.
    both.world.chain.lock().used.remove(&B256::repeat_byte(2));
    let (ledger, rail) = (&both.house.ledger, &both.world.rail);
    let found = compare(ledger, rail).await.unwrap();
    let hash = |nonce| transaction(B256::repeat_byte(nonce));
    let ways: Vec<_> = found.differences.iter().map(|found| (found.payment, found.way)).collect();
    assert_eq!(ways, [(payment, Way::Unbooked(hash(1))), (settled, Way::NotMoved(hash(2)))]);
    expect_written_once(ledger, rail, &found).await;
    assert_eq!(
        ledger.suspense().await.unwrap(),
        0,
        "one came that is nobody's, one is gone that is somebody's"
    );
    both.world.chain.lock().use_up(B256::repeat_byte(2), true);
    let found = compare(ledger, rail).await.unwrap();
    assert_eq!(found.differences[0].way, Way::Returned(hash(2)));
    write_down(ledger, &found.differences).await.unwrap();
    assert_eq!(ledger.suspense().await.unwrap(), price().atomic());
    // The same payment again, and this time captured: what moved is its own.
    let again = both.hold(3, Settle::After).await;
    again.void().await.unwrap();
    both.hold(3, Settle::After).await.capture_settled(hash(3)).await.unwrap().delivered();
    both.world.chain.lock().use_up(B256::repeat_byte(3), true);
    assert_eq!(compare(ledger, rail).await.unwrap().differences, []);
    both.house.finish().await;
}

#[tokio::test]
async fn what_the_chain_shows_otherwise_than_the_books_is_found() {
    let mut both = Both::new().await;
    let right = both.captured(1, Settle::Deferred).await;
    both.round().await;
    let mut wrong = Vec::new();
    for nonce in 2..=4 {
        wrong.push(both.captured(nonce, Settle::Deferred).await);
    }
    let due = both.captured(5, Settle::Deferred).await;
    let held = both.hold(6, Settle::After).await;
    let elsewhere = B256::repeat_byte(7);
    let ledger = &both.house.ledger;
    ledger.settled(wrong[0], elsewhere).await.unwrap();
    ledger.settled(wrong[1], elsewhere).await.unwrap();
    ledger.write_off(wrong[2]).await.unwrap();
    both.world.chain.lock().use_up(B256::repeat_byte(2), true);
    both.world.chain.lock().use_up(B256::repeat_byte(4), true);
    let found = compare(ledger, &both.world.rail).await.unwrap();
    let transaction = |nonce| transaction(B256::repeat_byte(nonce));
    let ways = [Way::Elsewhere(transaction(2)), Way::NotMoved(elsewhere), Way::Collected(transaction(4))];
    let differs = |(payment, way)| Difference { payment, network: NETWORK.into(), amount: price(), way };
    assert_eq!(found.differences, wrong.into_iter().zip(ways).map(differs).collect::<Vec<_>>());
    assert_eq!((found.compared, found.unread), (4, 0));
    expect_written_once(ledger, &both.world.rail, &found).await;
    assert_eq!((found.held, found.due), (vec![held.payment()], vec![due]));
    assert_eq!(both.moved(right).await, transaction_of(1));
    both.world.node.does(Act::Reset);
    let found = compare(ledger, &both.world.rail).await.unwrap();
    assert_eq!((found.compared, found.unread, found.differences), (0, 4, vec![]));
    assert_eq!(
        found.suspense,
        -price().atomic(),
        "what was written off and arrived is earned; what is missing is owed"
    );
    drop(held);
    both.house.finish().await;
}

/// How often the node was asked this.
fn asked(both: &Both, method: &str) -> usize {
    let calls = both.world.node.calls();
    calls.iter().filter(|call| call.body.as_ref().is_some_and(|body| body["method"] == method)).count()
}

#[tokio::test]
async fn many_are_compared_at_once_with_a_block_that_is_read_once_and_again_is_looked_at_what_differed() {
    let mut both = Both::new().await;
    for nonce in 1..=20 {
        both.captured(nonce, Settle::Deferred).await;
        if nonce % 5 == 0 {
            both.round().await;
        }
    }
    both.later(3);
    both.round().await;
    both.world.chain.lock().used.remove(&B256::repeat_byte(2));
    let (ledger, rail) = (both.house.ledger.clone(), both.world.rail.clone());
    let (gate, chain) = (Arc::new(Semaphore::new(0)), Arc::clone(&both.world.chain));
    let (opened, waiting) = (Arc::clone(&gate), Arc::new(Semaphore::new(0)));
    let came = Arc::clone(&waiting);
    both.world.node.does(Act::By(Arc::new(move |call: &Call| {
        let question = call.body.clone().unwrap();
        let answer = Act::Answer(200, chain.lock().answer(&question).to_string());
        if question["method"] != "eth_getTransactionReceipt" {
            return answer;
        }
        came.add_permits(1);
        Act::When(Arc::clone(&opened), Box::new(answer))
    })));
    let before = asked(&both, "eth_getBlockByNumber");
    let all_wait = async {
        let came = tokio::time::timeout(Duration::from_secs(15), waiting.acquire_many(4)).await;
        gate.add_permits(1);
        assert!(came.is_ok(), "one waits for another");
    };
    let from = ledger.time().plus(-3_600_000);
    let (found, ()) = tokio::join!(compare(&ledger, &rail), all_wait);
    let mut found = found.unwrap();
    assert_eq!((found.compared, found.differences.len()), (20, 1));
    assert_eq!(asked(&both, "eth_getBlockByNumber") - before, 1);

    // A look that takes longer than comparisons reach back.
    both.later(4 * 3_600);
    assert_eq!(compare(&ledger, &rail).await.unwrap().compared, 0);
    let before = asked(&both, "eth_getTransactionReceipt");
    comparison::again(&ledger, &rail, from, &mut found).await.unwrap();
    assert_eq!((found.compared, found.differences.len()), (20, 1));
    assert_eq!(asked(&both, "eth_getTransactionReceipt") - before, 1);
    both.world.chain.lock().use_up(B256::repeat_byte(2), true);
    comparison::again(&ledger, &rail, from, &mut found).await.unwrap();
    assert_eq!(found.differences, []);
    both.house.finish().await;
}

/// Whoever had it before others did is told so once.
struct WonBack {
    had: AtomicBool,
    asked: Arc<Semaphore>,
}

#[async_trait]
impl Duty for WonBack {
    async fn is_ours(&self) -> bool {
        self.asked.add_permits(1);
        self.had.fetch_xor(true, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn whoever_has_the_duty_again_compares_at_once_and_not_an_hour_later() {
    let both = Both::new().await;
    let asked = Arc::new(Semaphore::new(0));
    let duty = Arc::new(WonBack { had: AtomicBool::new(false), asked: Arc::clone(&asked) });
    let (stop, stopped) = watch::channel(false);
    let (ledger, rail) = (both.house.ledger.clone(), both.world.rail.clone());
    let running = tokio::spawn(comparison::run(ledger, rail, duty, Duration::from_secs(3600), stopped));
    let twice = tokio::time::timeout(Duration::from_secs(30), asked.acquire_many(2)).await;
    assert!(twice.is_ok(), "it was asked once, and said no");
    stop.send_replace(true);
    running.await.unwrap();
    both.house.finish().await;
}
