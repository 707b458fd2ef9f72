use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, Custody, Party, PaymentId, Settle, UnixMillis};
use ledger::{Intent, OpenIntent};
use protocol::header;
use serde_json::Map;

use super::*;
use crate::mock::{Act, Mock};

const REFERENCE: &str = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const HELD_AT: UnixMillis = UnixMillis(1_800_000_000_000);

/// A transaction over a message with one instruction that says this, in base64.
pub(crate) fn transaction(signature: u8, text: &[u8]) -> String {
    let length = u8::try_from(text.len()).unwrap();
    let keys = [&[0x80, 2, 0, 1, 2][..], &[1; 64], &[2; 32]].concat();
    let instruction = [&[1, 1, 1, 0, length][..], text].concat();
    header::encode(&[&[2][..], &[signature; 128], &keys, &instruction, &[0]].concat())
}

/// A payment that was signed as the message that says `ours`.
fn open() -> OpenIntent {
    let party = |name: &str| Party::Named(name.parse().unwrap());
    let payment = json!({ "x402Version": 2, "payload": { "transaction": transaction(0, b"ours") } });
    let (network, amount) = (format!("solana:{REFERENCE}"), Amount::from_atomic(1_000).unwrap());
    let offer = Offer::foreign((&network, "mint", "payee"), amount, 60, (&Map::new(), "quote"));
    let intent = Intent {
        network: network.into(),
        token: party("mint"),
        payer: party("payer"),
        pay_to: party("payee"),
        custody: Custody::Direct,
        deposit: None,
        settle: Settle::After,
        valid_before: 1_800_000_060,
        since_block: 0,
        payload: payment.to_string().into(),
        requirements: serde_json::to_string(&offer).unwrap().into(),
    };
    OpenIntent {
        payment: PaymentId::from_bytes([1; 16]),
        amount,
        held_at: HELD_AT,
        seen: None,
        intent: Arc::new(intent),
    }
}

/// What nodes show of it for good.
async fn found(witness: &Witness) -> Result<Option<TransactionId>, RpcError> {
    let open = open();
    let unread = Unread::of(&open.intent).unwrap();
    witness.transaction_of(open.payment, &unread, open.held_at, FINAL).await
}

fn listed(signature: &str, memo: Option<&str>) -> Value {
    let time = HELD_AT.seconds();
    json!({ "signature": signature, "slot": 7, "err": null, "memo": memo, "blockTime": time, "confirmationStatus": "finalized" })
}

fn balance(owner: &str, mint: &str, amount: &str) -> Value {
    json!({ "accountIndex": 1, "mint": mint, "owner": owner, "uiTokenAmount": { "amount": amount, "decimals": 6 } })
}

/// What pays [`open`].
fn landed() -> Value {
    json!({
        "slot": 7, "blockTime": HELD_AT.seconds(), "transaction": [transaction(9, b"ours"), "base64"],
        "meta": {
            "err": null,
            "preTokenBalances": [balance("payee", "mint", "5"), balance("payer", "mint", "2000")],
            "postTokenBalances": [balance("payee", "mint", "1005"), balance("payer", "mint", "1000")],
        },
    })
}

/// A node that lists these, and shows this of `one`.
async fn node(list: Vec<Value>, shown: Value) -> (Mock, Witness) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = Mock::start().await;
    mock.does(Act::Reply(Arc::new(move |question: &Value| {
        let result = match question["method"].as_str().unwrap() {
            "getGenesisHash" => json!(format!("{REFERENCE}wcaWoxPkrZBG")),
            LIST => json!(list),
            _ if question["params"][0] == "one" => shown.clone(),
            _ => Value::Null,
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    })));
    let nodes = Nodes::new(vec![mock.url.clone()], Duration::from_secs(30)).unwrap();
    (mock, Witness::new(nodes.of_genesis(REFERENCE)))
}

/// How often it was asked for a whole transaction.
fn reads(mock: &Mock) -> usize {
    let is_read = |body: &Value| body["method"] == "getTransaction";
    mock.calls().iter().filter(|call| call.body.as_ref().is_some_and(is_read)).count()
}

#[tokio::test]
async fn the_message_that_was_signed_in_a_final_block_that_paid_the_provider_is_evidence() {
    let (mock, witness) = node(vec![listed("one", None)], landed()).await;
    assert_eq!(found(&witness).await, Ok(Some(TransactionId::Named("one".parse().unwrap()))));
    let asked: Vec<Value> = mock.calls().into_iter().filter_map(|call| call.body).collect();
    assert_eq!(asked[1]["params"], json!(["payer", { "limit": 1_000, "commitment": "finalized" }]));
    assert_eq!(
        (&asked[2]["params"][0], &asked[2]["params"][1]["commitment"]),
        (&json!("one"), &json!("finalized"))
    );
}

#[tokio::test]
async fn anything_else_is_none() {
    let other = |change: &dyn Fn(&mut Value)| {
        let mut shown = landed();
        change(&mut shown);
        shown
    };
    let cases = [
        ("not there", Value::Null),
        ("another message", other(&|shown| shown["transaction"][0] = transaction(9, b"outs").into())),
        (
            "failed",
            other(&|shown| shown["meta"]["err"] = json!({ "InstructionError": [2, { "Custom": 1 }] })),
        ),
        (
            "too little",
            other(&|shown| shown["meta"]["postTokenBalances"][0] = balance("payee", "mint", "1004")),
        ),
        (
            "another token",
            other(&|shown| shown["meta"]["postTokenBalances"][0] = balance("payee", "coin", "1005")),
        ),
        (
            "somebody else",
            other(&|shown| shown["meta"]["postTokenBalances"][0] = balance("other", "mint", "1005")),
        ),
        (
            "unreadable",
            other(&|shown| shown["meta"]["postTokenBalances"][0] = balance("payee", "mint", "1e9")),
        ),
    ];
    for (what, shown) in cases {
        let (_mock, witness) = node(vec![listed("one", None)], shown).await;
        assert_eq!(found(&witness).await, Ok(None), "{what}");
    }
    let mut failed = listed("one", None);
    failed["err"] = json!({ "InstructionError": [2, { "Custom": 1 }] });
    let mut before = listed("one", None);
    before["blockTime"] = json!(HELD_AT.seconds() - 61);
    for one in [failed, before] {
        let (mock, witness) = node(vec![one], landed()).await;
        assert_eq!((found(&witness).await, reads(&mock)), (Ok(None), 0));
    }
}

#[tokio::test]
async fn of_a_payer_with_many_transactions_those_are_read_that_may_be_it() {
    let foreign = (0..500).map(|number| listed(&format!("s{number}"), Some("[4] none")));
    let mut list: Vec<Value> = foreign.collect();
    list.push(listed("one", Some("[4] ours; [3] two")));
    let (mock, witness) = node(list, landed()).await;
    assert!(found(&witness).await.unwrap().is_some());
    assert_eq!(reads(&mock), 1);
    let unnamed = (0..500).map(|number| listed(&format!("s{number}"), None)).collect();
    let (mock, witness) = node(unnamed, landed()).await;
    assert_eq!((found(&witness).await, reads(&mock)), (Ok(None), READ_MAX));
}

#[tokio::test]
async fn a_node_of_another_network_is_not_believed() {
    let (mock, _) = node(vec![listed("one", None)], landed()).await;
    let nodes = Nodes::new(vec![mock.url.clone()], Duration::from_secs(30)).unwrap();
    let witness = Witness::new(nodes.of_genesis("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"));
    let other = RpcError::OtherNetwork("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp".to_owned());
    assert_eq!(found(&witness).await, Err(other));
}

#[tokio::test]
async fn whoever_has_no_account_for_a_token_is_told_from_whoever_has_one() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = Mock::start().await;
    mock.does(Act::Reply(Arc::new(|question: &Value| {
        let has_one = question["params"][0] == "payee" && question["params"][1]["mint"] == "mint";
        let accounts = if has_one { vec![json!({ "pubkey": "account" })] } else { Vec::new() };
        let result = match question["method"].as_str().unwrap() {
            "getGenesisHash" => json!(format!("{REFERENCE}wcaWoxPkrZBG")),
            _ => json!({ "context": { "slot": 1 }, "value": accounts }),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    })));
    let nodes = Nodes::new(vec![mock.url.clone()], Duration::from_secs(30)).unwrap();
    let witness = Witness::new(nodes.of_genesis(REFERENCE));
    let has = async |owner: &str, token: &str| {
        witness.has_account(owner.parse().unwrap(), token.parse().unwrap()).await
    };
    assert_eq!(has("payee", "mint").await, Ok(true));
    assert_eq!(has("payee", "coin").await, Ok(false));
    assert_eq!(has("other", "mint").await, Ok(false));
}
