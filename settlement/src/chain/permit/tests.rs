use std::sync::Arc;

use alloy_primitives::hex;
use alloy_sol_types::SolCall;
use protocol::permit::{EXACT_PROXY, Witness};

use super::*;
use crate::chain::Nodes;
use crate::mock::{Act, Mock};

const TOKEN: Address = Address::repeat_byte(1);

fn signed() -> Permit {
    Permit {
        from: Address::repeat_byte(3),
        token: TOKEN,
        amount: U256::from(1_000),
        spender: EXACT_PROXY,
        nonce: U256::from(0x1_05),
        deadline: U256::from(200),
        witness: Witness { to: Address::repeat_byte(2), valid_after: U256::ZERO, facilitator: None },
    }
}

/// A chain of 20 blocks with transfers of these amounts in these blocks, where the nonce was used in one of them.
async fn shown(used: Option<u64>, moved: &'static [(u64, u64)], invalidated: bool) -> Evidence {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = Mock::start().await;
    let answer = move |question: &Value| {
        let parameters = &question["params"];
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" => json!("0x14"),
            "eth_getBlockByNumber" => json!({ "timestamp": "0x64" }),
            "eth_call" => {
                let data = hex::decode(parameters[0]["data"].as_str().unwrap()).unwrap();
                let call = Permit2::nonceBitmapCall::abi_decode(&data).unwrap();
                assert_eq!((call.owner, call.word), (signed().from, U256::from(1)));
                let block = super::super::rpc::quantity(parameters[1].as_str().unwrap()).unwrap();
                let word = U256::from(u8::from(used.is_some_and(|used| used <= block))) << 5;
                json!(hex::encode_prefixed(B256::from(word)))
            }
            "eth_getLogs" if parameters[0]["address"] == json!(PERMIT2) => {
                let gone = Permit2::UnorderedNonceInvalidation {
                    owner: signed().from,
                    word: U256::from(1),
                    mask: U256::from(1) << 5,
                };
                let data = gone.encode_log_data();
                let log = json!({
                    "address": PERMIT2, "topics": data.topics(), "data": data.data, "transactionHash": B256::ZERO
                });
                json!(invalidated.then_some(log).into_iter().collect::<Vec<_>>())
            }
            "eth_getLogs" => json!(moved.iter().map(|moved| transfer(*moved)).collect::<Vec<_>>()),
            "eth_getTransactionReceipt" => {
                let block =
                    U256::from_be_bytes(serde_json::from_value::<B256>(parameters[0].clone()).unwrap().0);
                json!({
                    "transactionHash": B256::from(block), "blockNumber": format!("{block:#x}"), "status": "0x1", "gasUsed": "0x1",
                    "logs": []
                })
            }
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    };
    mock.does(Act::Reply(Arc::new(answer)));
    let nodes = Nodes::new(vec![mock.url.clone()], std::time::Duration::from_secs(5)).unwrap();
    let chain = Chain::new(nodes, 0);
    let until = chain.settled_block().await.unwrap();
    evidence(&chain, TOKEN, (&signed(), U256::from(1_000)), (1, until)).await.unwrap()
}

/// In the transaction that is called like its block.
fn transfer((block, value): (u64, u64)) -> Value {
    let value = U256::from(value);
    let moved = Token::Transfer { from: signed().from, to: signed().witness.to, value };
    let data = moved.encode_log_data();
    let transaction = B256::from(U256::from(block));
    json!({ "address": TOKEN, "topics": data.topics(), "data": data.data, "transactionHash": transaction })
}

#[tokio::test]
async fn a_permit_moved_where_its_bit_was_set_and_its_amount_went_over() {
    assert_eq!(shown(None, &[(7, 1_000)], false).await, Evidence::Unused { at: 100 });
    let moved = Evidence::Moved { transaction: B256::from(U256::from(12)), block: 12 };
    // Others of the same payer stand before and after it.
    assert_eq!(shown(Some(12), &[(7, 1_000), (12, 1_000), (15, 1_000)], false).await, moved);
    for others in [&[] as &[_], &[(7, 1_000), (15, 1_000)], &[(12, 999)]] {
        assert_eq!(shown(Some(12), others, false).await, Evidence::Void, "{others:?}");
    }
    // Its payer took it back in the block of another payment.
    assert_eq!(shown(Some(12), &[(12, 1_000)], true).await, Evidence::Void);
}
