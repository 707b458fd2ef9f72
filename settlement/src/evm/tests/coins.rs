//! What the account's coins cover.

use super::*;

/// A node on which every call would succeed, a unit of gas is offered two wei for, and the account has so many.
fn with_coins(coins: u64) -> Act {
    Act::Reply(Arc::new(move |question: &Value| {
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" | "eth_getTransactionCount" | "eth_maxPriorityFeePerGas" => json!("0x0"),
            "eth_feeHistory" => json!({ "baseFeePerGas": ["0x1", "0x1"] }),
            "eth_getBalance" => json!(format!("{coins:#x}")),
            "eth_call" => json!("0x"),
            "eth_sendRawTransaction" => json!(B256::ZERO),
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    }))
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
