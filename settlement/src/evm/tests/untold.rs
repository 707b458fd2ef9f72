//! Nodes that keep too little to tell what became of a payment: nobody waits for it, and no other for that.

use alloy_sol_types::{Revert, SolError, SolEvent};

use super::flight::Flight;
use super::*;
use crate::evm::contracts::Token;

/// The nonce that is used.
const USED: B256 = B256::repeat_byte(4);

/// A node of a chain on which this nonce is used and every call is reverted, that tells of no logs, and has a receipt in which our account has
/// moved what [`payout`] is.
fn forgetful(us: Address) -> Act {
    Act::Reply(Arc::new(move |question: &Value| {
        let call = &question["params"][0];
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" => json!("0x5"),
            "eth_getBlockByNumber" => json!({ "number": "0x5", "timestamp": "0x64" }),
            "eth_getTransactionReceipt" => receipt(us),
            "eth_call" if call["to"] == json!(MULTICALL3) => json!(answered(call)),
            "eth_call" => json!(hex::encode_prefixed(B256::left_padding_from(&[1]))),
            "eth_getLogs" => {
                let error = json!({ "code": -32602, "message": "no more than 10 blocks" });
                return json!({ "jsonrpc": "2.0", "id": question["id"], "error": error }).to_string();
            }
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    }))
}

fn receipt(us: Address) -> Value {
    let moved = Token::Transfer { from: us, to: Address::repeat_byte(2), value: U256::from(100) };
    let data = moved.encode_log_data();
    let log = json!({ "address": TOKEN, "topics": data.topics(), "data": data.data, "transactionHash": B256::ZERO });
    json!({
        "transactionHash": B256::repeat_byte(7), "blockNumber": "0x3", "status": "0x1", "gasUsed": "0x1", "logs": [log]
    })
}

/// What Multicall3 says: with a limit of gas all is reverted; else it is asked for nonces.
fn answered(call: &Value) -> String {
    let data = hex::decode(call["data"].as_str().unwrap()).unwrap();
    let asked = Multicall::aggregate3Call::abi_decode(&data).unwrap().calls;
    let answer = |asked: &Multicall::Call| {
        if !call["gas"].is_null() {
            let why = Revert::from("it would not move".to_owned()).abi_encode();
            return Multicall::Result { success: false, returnData: why.into() };
        }
        let is_used = asked.callData.ends_with(USED.as_slice());
        let word = B256::left_padding_from(&[u8::from(is_used)]);
        Multicall::Result { success: true, returnData: word.to_vec().into() }
    };
    hex::encode_prefixed(Multicall::aggregate3Call::abi_encode_returns(&asked.iter().map(answer).collect()))
}

async fn forgetful_sender() -> (Mock, Task<Fake>) {
    let us = SigningKey::from_hex(&"11".repeat(32)).unwrap().address();
    let (node, _settler, task, _outbox) = sender(forgetful(us)).await;
    task.is_ready();
    (node, task)
}

#[tokio::test]
async fn a_transaction_of_which_one_payment_cannot_be_read_holds_up_no_batch_and_is_closed() {
    let (_node, mut task) = forgetful_sender().await;
    let (mut told, mut untold) = (task.queued(payout("out/0")), task.queued(payment("pay")));
    let members: Vec<Member> = task.queue.drain(..).collect();
    let versions = vec![task.version(&members, 0, Fees::offer(1, 1, 10))];
    task.flights.push(Flight::sent(Recorded { nonce: 0, members, versions }, false, 0));
    assert!(task.watch().await.is_err(), "it is waited for: nodes are asked too early as well");
    assert!(!task.is_held_up(), "it is in a block");
    for _ in 0..9 {
        let _ = task.watch().await;
    }
    assert!(task.flights.is_empty());
    assert_eq!(told.try_recv(), Ok(Settling::Moved(B256::repeat_byte(7))));
    assert!(matches!(untold.try_recv(), Ok(Settling::Unknown(_))), "the reconciler goes on with it");
}

#[tokio::test]
async fn of_those_that_would_fail_only_the_one_that_cannot_be_read_is_told_that_nobody_knows() {
    let (_node, mut task) = forgetful_sender().await;
    let mut fresh = payment("fresh");
    let Order::Payment { transfer: Transfer::Authorization(signed), .. } = &mut fresh.order else { panic!() };
    signed.nonce = B256::repeat_byte(5);
    let (mut used, mut fresh) = (task.queued(payment("used")), task.queued(fresh));
    task.dispatch().await.unwrap();
    assert!(matches!(used.try_recv(), Ok(Settling::Unknown(why)) if why.contains("no node tells")));
    assert_eq!(fresh.try_recv(), Ok(Settling::Refused("it would not move".to_owned())));
}
