use std::sync::Arc;

use alloy_primitives::hex;

use super::*;
use crate::chain::evidence::tests::TOKEN;
use crate::mock::{Act, Mock};

/// A node with a token in which one nonce was used in block 12, out of 20.
struct Node {
    used: bool,
    logs: Value,
    receipt: Value,
}

/// The authorization whose nonce was used.
fn signed() -> Authorization {
    evidence::tests::signed(5)
}

fn used() -> Value {
    let Authorization { from: authorizer, nonce, .. } = signed();
    let data = Token::AuthorizationUsed { authorizer, nonce }.encode_log_data();
    json!({ "address": TOKEN, "topics": data.topics(), "data": data.data, "transactionHash": B256::repeat_byte(7) })
}

fn moved() -> Value {
    let Authorization { from, to, value, .. } = signed();
    let data = Token::Transfer { from, to, value }.encode_log_data();
    json!({ "address": TOKEN, "topics": data.topics(), "data": data.data, "transactionHash": B256::repeat_byte(7) })
}

fn receipt() -> Value {
    json!({ "transactionHash": B256::repeat_byte(7), "blockNumber": "0xc", "status": "0x1", "logs": [used(), moved()] })
}

impl Node {
    fn answer(&self, question: &Value) -> Value {
        let result = match question["method"].as_str().unwrap() {
            "eth_chainId" => json!("0x14a34"),
            "eth_blockNumber" => json!("0x14"),
            "eth_getBlockByNumber" => json!({ "number": "0x12", "timestamp": "0x64" }),
            "eth_call" => json!(hex::encode_prefixed(B256::left_padding_from(&[u8::from(self.used)]))),
            "eth_getLogs" => self.logs.clone(),
            "eth_getTransactionReceipt" => self.receipt.clone(),
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
    }
}

async fn chain(node: Node, confirmations: u64) -> (Mock, Chain) {
    let mock = Mock::start().await;
    // Fails where another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    mock.does(Act::Reply(Arc::new(move |question| node.answer(question).to_string())));
    let nodes = Nodes::new(vec![mock.url.clone()], std::time::Duration::from_secs(5)).unwrap();
    (mock, Chain::new(nodes, confirmations))
}

#[tokio::test]
async fn what_the_nodes_show_is_read() {
    let node = Node { used: true, logs: json!([used()]), receipt: receipt() };
    let (mock, chain) = chain(node, 2).await;
    assert_eq!(chain.id().await, Ok(84_532));
    assert_eq!(chain.settled_block().await, Ok(Block { number: 18, time: 100 }));
    assert_eq!(chain.balance(TOKEN, Address::ZERO).await, Ok(U256::from(1)));
    let found = chain.evidence(TOKEN, &signed(), 3).await;
    assert_eq!(
        found,
        Ok(Evidence::Moved { value: signed().value, transaction: B256::repeat_byte(7), block: 12 })
    );
    let asked = |method: &str| {
        let calls = mock.calls();
        let bodies = calls.iter().filter_map(|call| call.body.clone());
        bodies.rev().find(|body| body["method"] == method).unwrap()["params"].clone()
    };
    // Only blocks that count, and only this nonce of this payer.
    assert_eq!(asked("eth_getBlockByNumber"), json!(["0x12", false]));
    assert_eq!(asked("eth_call")[1], json!("0x12"));
    let range = &asked("eth_getLogs")[0];
    assert_eq!((&range["fromBlock"], &range["toBlock"]), (&json!("0x3"), &json!("0x12")));
    assert_eq!(range["topics"][2], json!(signed().nonce));
}

#[tokio::test]
async fn who_has_code_is_asked_of_all_at_once_and_one_by_one_where_a_node_runs_nothing_that_is_stored_nowhere()
 {
    let accounts = [1, 2, 3].map(Address::repeat_byte);
    let mock = Mock::start().await;
    let nodes = Nodes::new(vec![mock.url.clone()], std::time::Duration::from_secs(5)).unwrap();
    let chain = Chain::new(nodes, 0);
    let says = |sizes: &[u8]| {
        let words: Vec<B256> = sizes.iter().map(|size| B256::left_padding_from(&[*size])).collect();
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": hex::encode_prefixed(words.concat()) });
        Act::Answer(200, answer.to_string())
    };
    mock.does(says(&[0, 23, 0]));
    assert_eq!(chain.with_code(&accounts).await, Ok([accounts[1]].into()));
    assert_eq!(mock.calls().len(), 1);
    for nothing in
        [json!({ "error": { "code": -32602, "message": "a call of nobody" } }), json!({ "result": "0x" })]
    {
        mock.does(Act::Reply(Arc::new(move |question| {
            let mut answer = match question["method"].as_str().unwrap() {
                "eth_getCode" if question["params"][0] == json!(Address::repeat_byte(3)) => {
                    json!({ "result": "0xef0100" })
                }
                "eth_getCode" => json!({ "result": "0x" }),
                _ => nothing.clone(),
            };
            answer["jsonrpc"] = json!("2.0");
            answer["id"] = json!(1);
            answer.to_string()
        })));
        assert_eq!(chain.with_code(&accounts).await, Ok([accounts[2]].into()));
    }
}

#[tokio::test]
async fn a_transfer_stands_once_its_block_counts() {
    // Block 12 of 20.
    for (confirmations, stands) in [(8, true), (9, false)] {
        let node = Node { used: true, logs: json!([used()]), receipt: receipt() };
        let (_mock, chain) = chain(node, confirmations).await;
        let signed = Transfer::Authorization(signed());
        let sought = Sought { token: TOKEN, signed: &signed, asked: signed.value() };
        let until = chain.settled_block().await.unwrap();
        assert_eq!(chain.stands(sought, 0, B256::repeat_byte(7), until).await, Ok(stands), "{confirmations}");
    }
}

#[tokio::test]
async fn a_node_that_shows_more_than_was_asked_for_is_read_by_the_token() {
    let mut elsewhere = used();
    elsewhere["address"] = json!(Address::repeat_byte(8));
    let node = Node { used: true, logs: json!([elsewhere]), receipt: receipt() };
    assert_eq!(chain(node, 2).await.1.evidence(TOKEN, &signed(), 3).await, Ok(Evidence::Void));
    let node = Node { used: true, logs: json!([elsewhere, used()]), receipt: receipt() };
    assert!(matches!(chain(node, 2).await.1.evidence(TOKEN, &signed(), 3).await, Ok(Evidence::Moved { .. })));
}

#[tokio::test]
async fn a_nonce_that_is_unused_in_what_counts_is_unused_as_of_then() {
    let (_mock, chain) = chain(Node { used: false, logs: json!([]), receipt: Value::Null }, 2).await;
    assert_eq!(chain.evidence(TOKEN, &signed(), 0).await, Ok(Evidence::Unused { at: 100 }));
}

#[tokio::test]
async fn a_nonce_that_is_used_without_an_event_paid_nobody() {
    let (_mock, chain) = chain(Node { used: true, logs: json!([]), receipt: Value::Null }, 2).await;
    assert_eq!(chain.evidence(TOKEN, &signed(), 0).await, Ok(Evidence::Void));
}

#[tokio::test]
async fn a_node_that_says_nothing_useful_shows_nothing_and_the_next_one_is_asked() {
    let broken = Mock::start().await;
    let node = Node { used: true, logs: json!([used()]), receipt: receipt() };
    let (mock, _) = chain(node, 2).await;
    let both = || {
        let urls = vec![broken.url.clone(), mock.url.clone()];
        Chain::new(Nodes::new(urls, std::time::Duration::from_secs(5)).unwrap(), 2)
    };
    let wrong = json!({ "jsonrpc": "2.0", "id": 1, "result": "0xzz" }).to_string();
    let acts = [
        Act::Reset,
        Act::Answer(502, String::new()),
        Act::Answer(200, "<html>".to_owned()),
        Act::Answer(200, json!({ "jsonrpc": "2.0", "id": 1, "result": null }).to_string()),
        Act::Answer(200, wrong.clone()),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        broken.does(act.clone());
        let alone = Nodes::new(vec![broken.url.clone()], std::time::Duration::from_secs(5)).unwrap();
        assert!(Chain::new(alone, 2).id().await.is_err(), "{number}");
        // What reads as an answer is one, whatever it says: another node is not asked for a better one.
        let is_answer = matches!(act, Act::Answer(200, ref text) if *text == wrong);
        let expected = if is_answer { Err(RpcError::Malformed("eth_chainId")) } else { Ok(84_532) };
        assert_eq!(both().id().await, expected, "{number}");
    }
    let refused =
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32005, "message": "too many blocks" } });
    broken.does(Act::Answer(200, refused.to_string()));
    assert!(matches!(both().evidence(TOKEN, &signed(), 0).await, Ok(Evidence::Moved { .. })));
    // What one refuses is told, whatever others fail with.
    mock.does(Act::Reset);
    let said = both().evidence(TOKEN, &signed(), 0).await.unwrap_err();
    assert_eq!(said.to_string(), "a node refused `eth_blockNumber`: -32005 too many blocks");
    let reverted =
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 3, "message": "execution reverted" } });
    broken.does(Act::Answer(200, reverted.to_string()));
    let asked = mock.calls().len();
    assert!(both().balance(TOKEN, Address::ZERO).await.unwrap_err().revert().is_some());
    assert_eq!(mock.calls().len(), asked, "that a call reverts is an answer");
}

#[tokio::test]
async fn a_node_that_is_dead_costs_its_time_once_and_is_asked_again_when_the_other_one_fails() {
    let (first, second) = (Mock::start().await, Mock::start().await);
    let urls = vec![first.url.clone(), second.url.clone()];
    let nodes = Chain::new(Nodes::new(urls, std::time::Duration::from_secs(5)).unwrap(), 0);
    let well = || {
        Act::Reply(Arc::new(|question: &Value| {
            json!({ "jsonrpc": "2.0", "id": question["id"], "result": "0x7" }).to_string()
        }))
    };
    let dead = || Act::Answer(502, String::new());
    for (dies, lives) in [(&first, &second), (&second, &first)] {
        let (before, served) = (dies.calls().len(), lives.calls().len());
        dies.does(dead());
        lives.does(well());
        for _ in 0..3 {
            assert_eq!(nodes.quantity("eth_blockNumber", json!([])).await, Ok(7));
        }
        assert_eq!((dies.calls().len() - before, lives.calls().len() - served), (1, 3));
    }
    second.does(dead());
    first.does(dead());
    assert_eq!(nodes.quantity("eth_blockNumber", json!([])).await, Err(RpcError::Unreachable));
}

#[test]
fn logs_are_asked_for_in_parts_that_cover_the_range_once() {
    let parts = |first, last| ranges(first, last).collect::<Vec<_>>();
    assert_eq!(parts(5, 4), []);
    assert_eq!(parts(5, 5), [(5, 5)]);
    assert_eq!(parts(1, 2_500), [(1, 1_000), (1_001, 2_000), (2_001, 2_500)]);
    assert_eq!(parts(1, 1_000), [(1, 1_000)]);
    assert_eq!(parts(u64::MAX - 1, u64::MAX), [(u64::MAX - 1, u64::MAX)]);
}

#[tokio::test]
async fn a_node_of_another_network_shows_nothing() {
    let (ours, theirs) = (Mock::start().await, Mock::start().await);
    let says = |id: &'static str| {
        Act::Reply(std::sync::Arc::new(move |question: &Value| {
            let result = if question["method"] == "eth_chainId" { id } else { "0x7" };
            json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
        }))
    };
    ours.does(says("0x14a34"));
    theirs.does(says("0x2105"));
    let nodes =
        |urls: Vec<String>| Nodes::new(urls, std::time::Duration::from_secs(5)).unwrap().of_chain(84_532);
    let both = Chain::new(nodes(vec![theirs.url.clone(), ours.url.clone()]), 0);
    for _ in 0..2 {
        assert_eq!(both.quantity("eth_blockNumber", json!([])).await, Ok(7));
    }
    let methods = |mock: &Mock| {
        mock.calls().iter().map(|call| call.body.clone().unwrap()["method"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(methods(&theirs), ["eth_chainId"], "it is asked once who it is");
    assert_eq!(methods(&ours), ["eth_chainId", "eth_blockNumber", "eth_blockNumber"]);
    let alone = Chain::new(nodes(vec![theirs.url.clone()]), 0);
    let block = alone.quantity("eth_blockNumber", json!([])).await;
    assert_eq!(block, Err(RpcError::OtherNetwork("84532".to_owned())));
}
