//! Steps of a sender against a node and an outbox that misbehave.

mod coins;
mod lagging;
mod order;
mod others;
mod turns;
mod untold;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use alloy_primitives::{B256, U256, hex};
use alloy_sol_types::SolCall;
use async_trait::async_trait;
use parking_lot::Mutex;
use protocol::authorization::Authorization;
use protocol::transfer::Transfer;
use serde_json::{Value, json};

use super::*;
use crate::chain::Nodes;
use crate::mock::{Act, Mock};

/// An outbox in which no transaction stands, and perhaps what became of transfers.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Standing>>);

#[derive(Default)]
struct Standing {
    over: HashMap<Arc<str>, Over>,
    /// Another process has the turn, or has closed everything.
    refuses: bool,
    /// Given up.
    given_up: Vec<Arc<str>>,
    /// Written down before a start.
    unclosed: Vec<Unclosed>,
}

// === impl Fake ===

impl Fake {
    fn takes(&self) -> Result<(), OutboxError> {
        if self.0.lock().refuses { Err(OutboxError("another has the turn".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Outbox for Fake {
    async fn resume(&self) -> Result<Resumed, OutboxError> {
        Ok(Resumed { open: self.0.lock().unclosed.clone(), next_nonce: 0 })
    }

    async fn recorded(&self, _first: u64) -> Result<u64, OutboxError> {
        Ok(0)
    }

    async fn record(&self, _transaction: &Recorded) -> Result<(), OutboxError> {
        self.takes()
    }

    async fn close(
        &self,
        _transaction: &Recorded,
        _landed: Option<Landed>,
        _outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError> {
        self.takes()
    }

    async fn transfer(&self, member: &str) -> Result<Option<Sent>, OutboxError> {
        Ok(self.0.lock().over.get(member).cloned().map(Sent::Over))
    }

    async fn give_up(&self, member: &str, _why: &str) -> Result<bool, OutboxError> {
        self.takes()?;
        let mut standing = self.0.lock();
        standing.given_up.push(member.into());
        Ok(!standing.over.contains_key(member))
    }

    async fn known(&self, _members: &[Arc<str>]) -> Result<HashSet<Arc<str>>, OutboxError> {
        Ok(HashSet::new())
    }
}

/// A sender whose node does this, who asks it, and what it writes down.
async fn sender(act: Act) -> (Mock, EvmSettler, Task<Fake>, Fake) {
    // Fails where another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let node = Mock::start().await;
    node.does(match act {
        Act::Reply(reply) => {
            Act::Reply(Arc::new(move |question| without_code(question).unwrap_or_else(|| reply(question))))
        }
        other => other,
    });
    let nodes = Nodes::new(vec![node.url.clone()], Duration::from_secs(20)).unwrap();
    let settings = Settings {
        chain_id: 84_532,
        fee_cap: 1_000_000_000,
        bump_after: 10,
        poll: Duration::from_millis(200),
        gather: Duration::from_millis(20),
        factories: [].into(),
        first_nonce: 0,
    };
    let outbox = Fake::default();
    let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
    let (settler, task) = EvmSettler::new(settings, key, Arc::new(Chain::new(nodes, 0)), outbox.clone());
    (node, settler, task, outbox)
}

/// That no payer has code, where that is asked: a call of nobody, with the addresses behind 35 bytes.
fn without_code(question: &Value) -> Option<String> {
    let call = &question["params"][0];
    if question["method"] != "eth_call" || !call["to"].is_null() {
        return None;
    }
    let asked = hex::decode(call["data"].as_str().unwrap()).unwrap();
    let none = hex::encode_prefixed(vec![0; asked.len() - 35]);
    Some(json!({ "jsonrpc": "2.0", "id": question["id"], "result": none }).to_string())
}

/// A node of a chain without a transaction, on which every call is reverted but one of Multicall3, which finds one nonce unused.
fn reverting() -> Act {
    let unused = Multicall::Result { success: true, returnData: vec![0; 32].into() };
    let unused = hex::encode_prefixed(Multicall::aggregate3Call::abi_encode_returns(&vec![unused]));
    Act::Reply(Arc::new(move |question: &Value| {
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" | "eth_getTransactionCount" => json!("0x0"),
            "eth_getBlockByNumber" => json!({ "number": "0x0", "timestamp": "0x64" }),
            "eth_call" if question["params"][0]["to"] == json!(MULTICALL3) => json!(unused),
            "eth_call" => {
                let error = json!({ "code": 3, "message": "execution reverted: no" });
                return json!({ "jsonrpc": "2.0", "id": question["id"], "error": error }).to_string();
            }
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    }))
}

const TOKEN: Address = Address::repeat_byte(1);

fn payout(name: &str) -> Member {
    Member::payout(name.into(), TOKEN, Address::repeat_byte(2), U256::from(100))
}

/// What a payer's key has signed.
fn payment(name: &str) -> Member {
    signed_by(name, Signer::Key)
}

fn signed_by(name: &str, signer: Signer) -> Member {
    let value = U256::from(100);
    let signed = Authorization {
        from: Address::repeat_byte(3),
        to: Address::repeat_byte(2),
        value,
        valid_after: U256::ZERO,
        valid_before: U256::MAX,
        nonce: B256::repeat_byte(4),
    };
    let proof = Proof { signature: vec![0; 65].into(), signer };
    Member::payment(name.into(), TOKEN, Transfer::Authorization(signed), value, proof, 0)
}

impl<O: Outbox> Task<O> {
    /// As if it had sent before.
    fn is_ready(&self) {
        for flag in [&self.readiness.able, &self.readiness.knows_all] {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// As if somebody had asked for it, and it was taken in.
    fn queued(&mut self, member: Member) -> oneshot::Receiver<Settling> {
        let (answer, answered) = oneshot::channel();
        self.waiting.insert(Arc::clone(&member.id), vec![Waiter { until: Depth::Counts, answer }]);
        self.queue.push_back(member);
        answered
    }
}
