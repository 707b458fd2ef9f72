use std::sync::Arc;

use alloy_primitives::hex;
use alloy_sol_types::SolCall;
use protocol::permit::{EXACT_PROXY, Witness};

use super::*;
use crate::chain::{Nodes, Proxy};
use crate::mock::{Act, Mock};

const TOKEN: Address = Address::repeat_byte(1);

/// The transaction that moves so much carries the nonce.
const OWN_VALUE: u64 = 500;

/// The same as transactions are called here.
const OWN: u8 = 244;

/// Who sends every transaction.
const SETTLER: Address = Address::repeat_byte(7);

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
    shown_of(signed(), used, moved, invalidated).await
}

/// The same where no proxy has settled them.
async fn shown_without_proxy(used: Option<u64>, moved: &'static [(u64, u64)]) -> Evidence {
    shown_where((signed(), U256::ZERO), used, moved, (false, false)).await
}

async fn shown_of(
    permit: Permit,
    used: Option<u64>,
    moved: &'static [(u64, u64)],
    invalidated: bool,
) -> Evidence {
    shown_where((permit, U256::ZERO), used, moved, (invalidated, true)).await
}

async fn shown_where(
    (permit, asked): (Permit, U256),
    used: Option<u64>,
    moved: &'static [(u64, u64)],
    (invalidated, by_proxy): (bool, bool),
) -> Evidence {
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
            "eth_getTransactionByHash" => {
                let block: B256 = serde_json::from_value(parameters[0].clone()).unwrap();
                let value = block[0];
                let nonce = if value == OWN { permit.nonce } else { U256::from(9) };
                json!({ "input": hex::encode_prefixed([&[7; 100], B256::from(nonce).as_slice()].concat()) })
            }
            "eth_getLogs" => {
                let block = |name: &str| super::super::rpc::quantity(parameters[0][name].as_str().unwrap());
                let range = block("fromBlock").unwrap()..=block("toBlock").unwrap();
                let there = moved.iter().filter(|(block, _)| range.contains(block));
                json!(there.map(|moved| transfer(*moved)).collect::<Vec<_>>())
            }
            "eth_getTransactionReceipt" => {
                let transaction: B256 = serde_json::from_value(parameters[0].clone()).unwrap();
                let block = u64::from(transaction[31]);
                let own = moved.iter().filter(|moved| self::transaction(**moved) == transaction);
                let settled = by_proxy.then(settled);
                let logs = own.flat_map(|own| [Some(transfer(*own)), settled.clone()]).flatten();
                let logs: Vec<_> = logs.collect();
                json!({
                    "transactionHash": transaction, "blockNumber": format!("{block:#x}"), "status": "0x1", "gasUsed": "0x1",
                    "from": SETTLER, "logs": logs
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
    evidence(&chain, TOKEN, &permit, asked, 1, until).await.unwrap()
}

/// In the transaction that is called like its block and its value.
fn transaction((block, value): (u64, u64)) -> B256 {
    let mut name = B256::ZERO;
    name[0] = u8::try_from(value % 256).unwrap();
    name[31] = u8::try_from(block).unwrap();
    name
}

fn transfer(moved: (u64, u64)) -> Value {
    let transaction = transaction(moved);
    let value = U256::from(moved.1);
    let moved = Token::Transfer { from: signed().from, to: signed().witness.to, value };
    let data = moved.encode_log_data();
    json!({ "address": TOKEN, "topics": data.topics(), "data": data.data, "transactionHash": transaction })
}

fn settled() -> Value {
    let data = Proxy::Settled {}.encode_log_data();
    json!({ "address": EXACT_PROXY, "topics": data.topics(), "data": data.data, "transactionHash": B256::ZERO })
}

#[tokio::test]
async fn a_permit_moved_where_its_bit_was_set_and_its_amount_went_over() {
    assert_eq!(shown(None, &[(7, 1_000)], false).await, Evidence::Unused { at: 100 });
    let value = U256::from(1_000);
    let moved = Evidence::Moved { value, transaction: transaction((12, 1_000)), block: 12 };
    // Others of the same payer stand before and after it.
    assert_eq!(shown(Some(12), &[(7, 1_000), (12, 1_000), (15, 1_000)], false).await, moved);
    for others in [&[] as &[_], &[(7, 1_000), (15, 1_000)], &[(12, 999)]] {
        assert_eq!(shown(Some(12), others, false).await, Evidence::Void, "{others:?}");
    }
    assert_eq!(shown(Some(0), &[(1, 1_000)], false).await, Evidence::Void, "used before it was signed");
    // Its payer took it back in the block of another payment.
    assert_eq!(shown(Some(12), &[(12, 1_000)], true).await, Evidence::Void);
}

#[tokio::test]
async fn of_upto_less_may_have_moved_and_never_more() {
    let facilitator = Some(SETTLER);
    let witness = Witness { facilitator, ..signed().witness };
    let upto = Permit { witness, ..signed() };
    let moved = |value| Evidence::Moved {
        value: U256::from(value),
        transaction: transaction((12, value)),
        block: 12,
    };
    assert_eq!(shown_of(upto, Some(12), &[(7, 300), (12, 300)], false).await, moved(300));
    assert_eq!(shown_of(upto, Some(12), &[(12, 1_000)], false).await, moved(1_000));
    assert_eq!(shown_of(upto, Some(12), &[(12, 1_001)], false).await, Evidence::Void);
    // Of several in its block, the one that carries its nonce; where none does, nothing is shown.
    assert_eq!(
        shown_of(upto, Some(12), &[(12, 300), (12, OWN_VALUE), (12, 400)], false).await,
        moved(OWN_VALUE)
    );
    assert_eq!(shown_of(upto, Some(12), &[(12, 300), (12, 400)], false).await, Evidence::Void);
    // Of several in its transaction, the one that was asked for.
    let asked = |asked| {
        let moved = &[(12, 44), (12, 300), (12, 556)];
        shown_where((upto, U256::from(asked)), Some(12), moved, (false, true))
    };
    for value in [300, 556] {
        assert_eq!(asked(value).await, moved(value));
    }
    // Its payer signed the same nonce again, for less and for a settler of its own.
    let witness = Witness { facilitator: Some(Address::repeat_byte(8)), ..signed().witness };
    let others = Permit { witness, ..signed() };
    assert_eq!(shown_of(others, Some(12), &[(12, 1)], false).await, Evidence::Void);
}

#[tokio::test]
async fn a_transfer_that_no_proxy_has_settled_pays_for_no_permit() {
    // Its payer has used the nonce itself, through another spender, and has paid for something else beside that.
    assert_eq!(shown_without_proxy(Some(12), &[(12, 1_000)]).await, Evidence::Void);
    // Any proxy's other payment is not told apart here: the books count.
    assert!(matches!(shown(Some(12), &[(12, 1_000)], false).await, Evidence::Moved { .. }));
}
