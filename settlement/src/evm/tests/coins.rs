//! What the account's coins cover, what gas may cost, and what no block takes.

use std::sync::atomic::AtomicU64;

use super::flight::{UNSEEN_MAX, UNSEEN_MIN};
use super::*;

/// A node on which every call would succeed, a unit of gas is offered two wei for, and the account has so many.
fn with_coins(coins: u64) -> Act {
    Gas { base: Arc::new(AtomicU64::new(1)), ..Gas::default() }.node(coins)
}

/// What gas costs.
#[derive(Clone, Default)]
struct Gas {
    /// A block's own fee.
    base: Arc<AtomicU64>,
    /// What the node suggests beside it.
    tip: u64,
    /// The last block.
    head: Arc<AtomicU64>,
}

// === impl Gas ===

impl Gas {
    /// The same, where it costs so much.
    fn node(&self, coins: u64) -> Act {
        let Self { base, tip, head } = self.clone();
        Act::Reply(Arc::new(move |question: &Value| {
            let result = match question["method"].as_str().unwrap() {
                "eth_blockNumber" => json!(format!("{:#x}", head.load(Ordering::Relaxed))),
                "eth_getTransactionCount" => json!("0x0"),
                "eth_maxPriorityFeePerGas" => json!(format!("{tip:#x}")),
                "eth_feeHistory" => {
                    json!({ "baseFeePerGas": [format!("{:#x}", base.load(Ordering::Relaxed))] })
                }
                "eth_getBalance" => json!(format!("{coins:#x}")),
                "eth_call" => json!("0x"),
                "eth_sendRawTransaction" => json!(B256::ZERO),
                "eth_getTransactionReceipt" => json!(null),
                other => panic!("{other}"),
            };
            json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
        }))
    }
}

#[tokio::test]
async fn one_that_the_coins_do_not_cover_keeps_no_cheaper_one_waiting() {
    let (_node, _settler, mut task, _outbox) = sender(with_coins(2 * batch::gas_of_one())).await;
    task.is_ready();
    let mut dear = task.queued(signed_by("dear", Signer::Contract { making: None }));
    let mut cheap = task.queued(payout("out/0"));
    task.dispatch().await.unwrap();
    assert!(matches!(dear.try_recv(), Ok(Settling::Unavailable(_))));
    assert!(cheap.try_recv().is_err(), "it is on its way");
    let sent: Vec<_> = task.flights.iter().flat_map(|flight| &flight.recorded.members).collect();
    assert_eq!(sent, [&payout("out/0")]);
}

#[tokio::test]
async fn without_coins_for_a_payment_nobody_is_told_of_another_reason() {
    let (_node, _settler, mut task, _outbox) = sender(with_coins(1)).await;
    task.is_ready();
    let mut dear = task.queued(signed_by("dear", Signer::Contract { making: None }));
    assert!(task.dispatch().await.is_err());
    assert!(dear.try_recv().is_err());
    assert_eq!(task.queue.len(), 1);
}

/// Steps until it is given up on what waits.
async fn step(task: &mut Task<Fake>) {
    for _ in 0..3 {
        let sent = task.dispatch().await;
        task.note(sent).await;
    }
}

#[tokio::test]
async fn where_gas_costs_more_than_may_be_offered_nothing_is_sent_and_nobody_waits_until_it_is_cheaper() {
    let gas = Gas { base: Arc::new(AtomicU64::new(1_000_000_001)), ..Gas::default() };
    let (_node, settler, mut task, _outbox) = sender(gas.node(u64::MAX)).await;
    task.is_ready();
    let mut answered = task.queued(payout("out/0"));
    step(&mut task).await;
    assert!(matches!(answered.try_recv(), Ok(Settling::Unavailable(_))));
    assert!(task.flights.is_empty() && !settler.is_available());
    assert!(!settler.readiness.failing.load(Ordering::Relaxed), "nobody else could do better");
    assert_eq!(settler.unable(), Some(Unable::Price));
    gas.base.store(1_000_000_000, Ordering::Relaxed);
    let _answered = task.queued(payout("out/0"));
    step(&mut task).await;
    assert!(settler.is_available() && settler.unable().is_none());
    assert_eq!(task.flights.len(), 1);
}

#[tokio::test]
async fn of_a_tip_that_a_node_suggests_no_more_is_offered_than_may_be() {
    let gas = Gas { base: Arc::new(AtomicU64::new(600_000_000)), tip: 1_500_000_000, ..Gas::default() };
    let (_node, settler, mut task, _outbox) = sender(gas.node(u64::MAX)).await;
    task.is_ready();
    let _answered = task.queued(payout("out/0"));
    step(&mut task).await;
    assert!(settler.is_available());
    let offered = task.flights[0].newest().unwrap().fees;
    assert_eq!((offered.most, offered.tip), (1_000_000_000, 1_000_000_000));
}

#[tokio::test]
async fn behind_a_transaction_that_no_block_takes_nobody_waits_and_nobody_is_served_until_one_does() {
    let gas = Gas::default();
    let (_node, settler, mut task, _outbox) = sender(gas.node(u64::MAX)).await;
    task.is_ready();
    let mut waiting = task.queued(payment("pay_0"));
    step(&mut task).await;
    let mut answered = task.queued(payment("pay_1"));
    step(&mut task).await;
    assert!(settler.is_available() && answered.try_recv().is_err(), "it may be in the next block");
    pass(UNSEEN_MIN).await;
    step(&mut task).await;
    assert!(!settler.is_available());
    assert!(matches!(answered.try_recv(), Ok(Settling::Unavailable(_))));
    assert!(waiting.try_recv().is_err(), "it may move yet");
    assert!(settler.readiness.failing.load(Ordering::Relaxed), "others may have nodes that go on");
    assert_eq!(settler.unable(), Some(Unable::Still));
    gas.head.store(12, Ordering::Relaxed);
    step(&mut task).await;
    assert!(!settler.readiness.failing.load(Ordering::Relaxed), "nobody else could do better");
    assert_eq!(settler.unable(), Some(Unable::Stuck));
    task.flights[0].seen = Some(receipt());
    step(&mut task).await;
    assert!(settler.is_available());
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Blocks of 12 s: more is offered after three of them, in the 36th second.
#[tokio::test]
async fn on_a_slow_network_what_is_offered_more_for_has_blocks_to_be_found_in_and_nobody_waits_longer_than_anybody_does()
 {
    let gas = Gas::default();
    let (_node, settler, mut task, _outbox) = sender(gas.node(u64::MAX)).await;
    task.settings.bump_after = 3;
    task.is_ready();
    let _waiting = task.queued(payment("pay_0"));
    step(&mut task).await;
    for (block, is_available) in [(1, true), (2, true), (3, true), (4, true), (5, false)] {
        pass(Duration::from_secs(11)).await;
        gas.head.store(block, Ordering::Relaxed);
        step(&mut task).await;
        assert_eq!(settler.is_available(), is_available, "in block {block}");
    }
    // More is offered in no time in which anybody waits.
    task.settings.bump_after = 1_000;
    step(&mut task).await;
    assert!(settler.is_available());
    pass(UNSEEN_MAX).await;
    step(&mut task).await;
    assert!(!settler.is_available());
}

#[tokio::test]
async fn a_transaction_that_no_block_took_before_a_restart_is_no_younger_after_it() {
    let (_node, settler, mut task, outbox) = sender(Gas::default().node(u64::MAX)).await;
    let version = task.version(&[payment("pay_0")], 0, Fees { tip: 1, most: 2 });
    let recorded = Recorded { nonce: 0, members: vec![payment("pay_0")], versions: vec![version] };
    outbox.0.lock().unclosed = vec![Unclosed { recorded, age: UNSEEN_MAX }];
    task.is_ready();
    task.adopt().await.unwrap();
    step(&mut task).await;
    assert!(settler.is_available(), "it may be in a block");
    task.watch().await.unwrap();
    step(&mut task).await;
    assert!(!settler.is_available());
}

fn receipt() -> crate::chain::Receipt {
    let receipt = json!({
        "transactionHash": B256::ZERO, "blockNumber": "0x1", "status": "0x1", "gasUsed": "0x1", "logs": []
    });
    serde_json::from_value(receipt).unwrap()
}
