//! A node whose logs lag behind its state: a nonce is used, and nothing shows by what.

use super::flight::Flight;
use super::*;

/// A node of a chain on which every nonce is used and no log is shown.
fn lagging() -> Act {
    let word = U256::from(1).to_be_bytes_vec();
    let used = Multicall::Result { success: true, returnData: word.clone().into() };
    let all = hex::encode_prefixed(Multicall::aggregate3Call::abi_encode_returns(&vec![used]));
    Act::Reply(Arc::new(move |question: &Value| {
        let call = &question["params"][0];
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" | "eth_getTransactionCount" => json!("0x0"),
            "eth_getBlockByNumber" => json!({ "number": "0x0", "timestamp": "0x64" }),
            "eth_getLogs" => json!([]),
            "eth_call" if call["to"] == json!(MULTICALL3) => json!(all),
            "eth_call" if call["gas"].is_null() => json!(hex::encode_prefixed(&word)),
            "eth_call" => {
                let error = json!({ "code": 3, "message": "execution reverted: authorization is used" });
                return json!({ "jsonrpc": "2.0", "id": question["id"], "error": error }).to_string();
            }
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    }))
}

fn is_unknown(answered: &mut oneshot::Receiver<Settling>) -> bool {
    matches!(answered.try_recv(), Ok(Settling::Unknown(_)))
}

#[tokio::test]
async fn a_payment_whose_nonce_is_used_by_nothing_that_is_shown_may_have_moved() {
    let (_node, _settler, mut task, _outbox) = sender(lagging()).await;
    task.is_ready();
    let mut answered = task.queued(payment("pay"));
    task.dispatch().await.unwrap();
    assert!(is_unknown(&mut answered), "before it is sent");

    let mut answered = task.queued(payment("pay"));
    let recorded = Recorded { nonce: 0, members: task.queue.drain(..).collect(), versions: Vec::new() };
    task.flights.push(Flight::sent(recorded.clone(), false, 0));
    task.finish(&recorded, None, true).await.unwrap();
    assert!(is_unknown(&mut answered), "after another transaction took its place");
}
