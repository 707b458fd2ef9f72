//! Payments of `upto` that were voided, or captured for something else, and moved in part: what moved is in suspense, and no more.

use std::sync::Arc;

use alloy_primitives::{B256, U256, hex};
use alloy_sol_types::SolEvent;
use domain::{Address, Settle};
use ledger::{HoldRequest, Intent};
use parking_lot::Mutex;
use protocol::permit::{PERMIT2, Permit, UPTO_PROXY, Witness};
use protocol::sign;
use protocol::transfer::Transfer;
use serde_json::{Value, json};

use super::house::amount;
use super::open::Both;
use crate::chain::Proxy;
use crate::comparison::{Difference, Way, compare, write_down};
use crate::evm::Token;
use crate::mock::Act;
use crate::rail::tests::{NETWORK, PAY_TO, TOKEN, VALID_BEFORE, payer};

const SETTLER: Address = Address::repeat_byte(7);

const TRANSACTION: B256 = B256::repeat_byte(5);

/// Of which up to 1,000 may be taken.
fn permit() -> Permit {
    Permit {
        from: payer(),
        token: TOKEN,
        amount: U256::from(1_000),
        spender: UPTO_PROXY,
        nonce: U256::from(1),
        deadline: U256::from(VALID_BEFORE),
        witness: Witness { to: PAY_TO, valid_after: U256::ZERO, facilitator: Some(SETTLER) },
    }
}

fn request(both: &Both) -> HoldRequest {
    let exact = both.request(1, Settle::After);
    let requirements = json!({
        "scheme": "upto", "network": NETWORK, "amount": "1000", "asset": TOKEN, "payTo": PAY_TO, "maxTimeoutSeconds": 60,
        "extra": { "name": "USDC", "version": "2", "assetTransferMethod": "permit2", "facilitatorAddress": SETTLER }
    });
    let payload = sign::payload(&Transfer::Permit(permit()), &[0; 65]);
    let payment = json!({ "x402Version": 2, "accepted": requirements, "payload": payload });
    let (payload, requirements) = (payment.to_string().into(), requirements.to_string().into());
    let intent = Intent { payload, requirements, ..(*exact.intent.clone().unwrap()).clone() };
    HoldRequest { intent: Some(Arc::new(intent)), ..exact }
}

/// A chain of 20 blocks, in the last of which so much of it moved.
fn moving(units: Arc<Mutex<u64>>) -> Act {
    Act::Reply(Arc::new(move |question: &Value| {
        let (parameters, units) = (&question["params"], *units.lock());
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" => json!("0x14"),
            "eth_getBlockByNumber" => json!({ "timestamp": "0x64" }),
            "eth_call" => {
                let is_used = units > 0 && parameters[1] == json!("0x14");
                json!(hex::encode_prefixed(B256::from(U256::from(u8::from(is_used)) << 1)))
            }
            "eth_getLogs" if parameters[0]["address"] == json!(PERMIT2) => json!([]),
            "eth_getLogs" => json!([transfer(units)]),
            "eth_getTransactionReceipt" if units > 0 => json!({
                "transactionHash": TRANSACTION, "blockNumber": "0x14", "status": "0x1", "from": SETTLER,
                "logs": [transfer(units), log(UPTO_PROXY, &Proxy::Settled {})]
            }),
            "eth_getTransactionReceipt" => Value::Null,
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    }))
}

fn transfer(units: u64) -> Value {
    log(TOKEN, &Token::Transfer { from: payer(), to: PAY_TO, value: U256::from(units) })
}

fn log(address: Address, event: &impl SolEvent) -> Value {
    let data = event.encode_log_data();
    json!({ "address": address, "topics": data.topics(), "data": data.data, "transactionHash": TRANSACTION })
}

#[tokio::test]
async fn what_was_voided_and_moved_in_part_is_a_difference_of_that_part() {
    let both = Both::new().await;
    let request = request(&both);
    let payment = request.payment;
    let ledger::Held::Hold(hold) = both.house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
    hold.void().await.unwrap();
    let units = Arc::new(Mutex::new(300));
    both.world.node.does(moving(Arc::clone(&units)));
    let (ledger, rail) = (&both.house.ledger, &both.world.rail);
    let look = async || {
        let found = compare(ledger, rail).await.unwrap();
        assert_eq!((found.compared, found.unread), (1, 0));
        write_down(ledger, &found.differences).await.unwrap();
        (found.differences, ledger.suspense().await.unwrap())
    };
    let difference = |units, way| Difference { payment, network: NETWORK.into(), amount: amount(units), way };
    assert_eq!(look().await, (vec![difference(300, Way::Unbooked(TRANSACTION))], 300));
    assert_eq!(look().await, (vec![], 300), "it stands as it is booked now");
    // Its block is gone, and another shows more.
    *units.lock() = 400;
    assert_eq!(look().await, (vec![difference(300, Way::NotMoved(TRANSACTION))], 0));
    assert_eq!(look().await, (vec![difference(400, Way::Unbooked(TRANSACTION))], 400));
    both.house.finish().await;
}
