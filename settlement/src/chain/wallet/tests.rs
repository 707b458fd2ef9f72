use std::sync::Arc;

use alloy_primitives::hex;
use serde_json::{Value, json};

use super::*;
use crate::chain::Nodes;
use crate::mock::{Act, Mock};

const WALLET: Address = Address::repeat_byte(0x71);
const FACTORY: Address = Address::repeat_byte(0xfa);
const DIGEST: B256 = B256::repeat_byte(5);

/// What a call answers: none where it fails.
type Said = Option<&'static [u8]>;

const YES: Said = Some(&hex!("1626ba7e00000000000000000000000000000000000000000000000000000000"));
const NO: Said = Some(&hex!("ffffffff00000000000000000000000000000000000000000000000000000000"));
const NOTHING: Said = Some(&[]);

/// What a node says of a wallet, by the calls that Multicall3 was to make.
async fn asked(seal: &str, answers: &'static [Said]) -> (Result<Standing, RpcError>, Vec<Multicall::Call>) {
    let reply = move |question: &Value| {
        let results = answers.iter().map(|said| Multicall::Result {
            success: said.is_some(),
            returnData: said.unwrap_or_default().into(),
        });
        let data = Multicall::aggregate3Call::abi_encode_returns(&results.collect());
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": hex::encode_prefixed(data) })
    };
    let (standing, question) = by(seal, reply).await;
    let Some(question) = question else { return (standing, Vec::new()) };
    let call = &question["params"][0];
    assert_eq!(call["to"], json!(MULTICALL3));
    let data = hex::decode(call["data"].as_str().unwrap()).unwrap();
    (standing, Multicall::aggregate3Call::abi_decode(&data).unwrap().calls)
}

/// What a node that answers so makes of it, and what it was asked.
async fn by(
    seal: &str,
    reply: impl Fn(&Value) -> Value + Send + Sync + 'static,
) -> (Result<Standing, RpcError>, Option<Value>) {
    let mock = Mock::start().await;
    // Fails where another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    mock.does(Act::Reply(Arc::new(move |question| reply(question).to_string())));
    let nodes = Nodes::new(vec![mock.url.clone()], std::time::Duration::from_secs(20)).unwrap();
    let standing = Chain::new(nodes, 0).standing(WALLET, DIGEST, &Seal::parse(seal).unwrap()).await;
    let question = mock.calls().pop().and_then(|call| call.body);
    (standing, question)
}

/// As ERC-6492 has it: factory, what it is called with, signature.
fn wrapped(factory: Address, signature: &[u8]) -> String {
    let parts = (factory, Bytes::from_static(b"make"), Bytes::copy_from_slice(signature));
    type Parts = (sol_data::Address, sol_data::Bytes, sol_data::Bytes);
    hex::encode_prefixed([Parts::abi_encode_params(&parts), SUFFIX.to_vec()].concat())
}

fn making() -> Making {
    Making { factory: FACTORY, data: Bytes::from_static(b"make") }
}

#[tokio::test]
async fn a_contract_has_signed_where_it_answers_its_four_bytes_and_nothing_else() {
    let (standing, calls) = asked("0x1271", &[YES]).await;
    assert_eq!(standing, Ok(Standing::Signed));
    let [call] = &*calls else { panic!("one call") };
    let asked = Wallet::isValidSignatureCall::abi_decode(&call.callData).unwrap();
    let signature = Bytes::from_static(&[0x12, 0x71]);
    assert_eq!((call.target, asked.digest, asked.signature), (WALLET, DIGEST, signature));
    let unclean = hex!("1626ba7e00000000000000000000000000000000000000000000000000000001");
    assert!(!is_magic(&unclean) && !is_magic(&MAGIC) && !is_magic(&[YES.unwrap(), &[0]].concat()));
    assert_eq!(asked_of(&[NO]).await, Ok(Standing::Not));
    assert_eq!(asked_of(&[None]).await, Ok(Standing::Not));
    assert_eq!(asked_of(&[NOTHING]).await, Ok(Standing::Nobody));
}

async fn asked_of(answers: &'static [Said]) -> Result<Standing, RpcError> {
    asked("0x1271", answers).await.0
}

#[tokio::test]
async fn a_contract_that_is_still_to_be_made_is_looked_at_once_it_were() {
    let seal = wrapped(FACTORY, b"signed");
    let (standing, calls) = asked(&seal, &[NOTHING, NOTHING, YES]).await;
    assert_eq!(standing, Ok(Standing::Unmade(making())));
    let targets: Vec<Address> = calls.iter().map(|call| call.target).collect();
    assert_eq!(targets, [WALLET, FACTORY, WALLET]);
    assert_eq!(calls[1].callData, making().data);
    let asked_last = Wallet::isValidSignatureCall::abi_decode(&calls[2].callData).unwrap();
    assert_eq!(asked_last.signature, Bytes::from_static(b"signed"), "out of its wrapping");
    // Made meanwhile, or never.
    assert_eq!(asked(&seal, &[YES, None, YES]).await.0, Ok(Standing::Signed));
    assert_eq!(asked(&seal, &[NOTHING, None, NOTHING]).await.0, Ok(Standing::Not));
    assert_eq!(asked(&seal, &[NOTHING, NOTHING, NO]).await.0, Ok(Standing::Not));
    // What is there is believed, whatever somebody's factory would make of it.
    assert_eq!(asked(&seal, &[NO, NOTHING, YES]).await.0, Ok(Standing::Not));
}

#[tokio::test]
async fn what_cannot_be_unwrapped_is_asked_of_nobody() {
    let seal = wrapped(FACTORY, b"signed");
    for broken in [hex::encode_prefixed(SUFFIX), format!("0x{}", &seal[66..])] {
        let (standing, calls) = asked(&broken, &[YES]).await;
        assert_eq!((standing, calls.len()), (Ok(Standing::Not), 0), "{broken}");
    }
    // Without a factory it is wrapped for nothing.
    let (_, calls) = asked(&wrapped(Address::ZERO, b"signed"), &[YES]).await;
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_is_a_no_and_a_node_that_fails_is_none() {
    let error = |code: i64, message: &'static str| move |question: &Value| json!({ "id": question["id"], "error": { "code": code, "message": message } });
    assert_eq!(by("0x1271", error(3, "execution reverted")).await.0, Ok(Standing::Not));
    assert_eq!(by("0x1271", error(-32_000, "out of gas")).await.0, Ok(Standing::Not));
    assert!(by("0x1271", error(-32_005, "too many requests")).await.0.is_err());
    // A network without Multicall3.
    let empty = |question: &Value| json!({ "id": question["id"], "result": "0x" });
    assert_eq!(by("0x1271", empty).await.0, Ok(Standing::Nobody));
    let other = |question: &Value| json!({ "id": question["id"], "result": "0x01" });
    assert!(by("0x1271", other).await.0.is_err());
}
