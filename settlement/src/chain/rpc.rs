//! [`Nodes`]: JSON-RPC over HTTP to the nodes of one network, one after the other until one answers (EIP-1474). The one that answered well is
//! asked first: one that is dead costs its time once.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

/// Most bytes of an answer that are read: receipts of a full block's transaction fit.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest message of a node that is kept, in characters.
const MESSAGE_MAX: usize = 160;

/// The nodes of one network, the preferred one first.
pub struct Nodes {
    client: Client,
    nodes: Vec<Node>,
    /// The place of the one that is asked first.
    answers: AtomicUsize,
    /// Their network, where it is known.
    network: Option<Of>,
    next_id: AtomicU64,
}

/// By what a node tells its network.
#[derive(Clone, Debug)]
enum Of {
    /// An EVM network: its number.
    ChainId(u64),
    /// Solana: what the hash of its first block begins with, as CAIP-2 has it.
    Genesis(String),
}

struct Node {
    url: String,
    /// Whether it is one of the network, once it said so.
    is_of_it: OnceLock<bool>,
}

/// Why nothing was shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RpcError {
    /// The system has no TLS.
    #[error("no client for the nodes of a network")]
    Client,
    /// No node answered in time, or with HTTP's own success.
    #[error("no node of the network answers")]
    Unreachable,
    /// A node answered what is no answer to this method.
    #[error("a node's answer to `{0}` cannot be read")]
    Malformed(&'static str),
    /// A node is one of another network: what it shows says nothing of ours.
    #[error("a node is not one of the network {0}")]
    OtherNetwork(String),
    /// A node refused.
    #[error("a node refused `{method}`: {code} {message}")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// JSON-RPC's code.
        code: i64,
        /// In the node's words.
        message: String,
    },
}

/// An event of a contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Of the contract.
    pub address: Address,
    /// The event and its indexed fields.
    pub topics: Vec<B256>,
    /// Its other fields.
    pub data: Bytes,
    /// What caused it.
    pub transaction_hash: B256,
}

/// What a transaction did.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) transaction_hash: B256,
    /// Who sent it; none where the node does not say.
    #[serde(default)]
    pub(crate) from: Option<Address>,
    /// Whom it called.
    #[serde(default)]
    pub(crate) to: Option<Address>,
    #[serde(deserialize_with = "from_quantity")]
    block_number: u64,
    #[serde(deserialize_with = "from_quantity")]
    status: u64,
    /// 0 where the node does not say.
    #[serde(default, deserialize_with = "from_quantity")]
    gas_used: u64,
    pub(crate) logs: Vec<Log>,
}

#[derive(Deserialize)]
struct Answer {
    /// None only where there is none: `null` is an answer.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

// === impl Nodes ===

impl Nodes {
    /// Nodes by their URLs, with connections of their own; a call takes `timeout` at each of them at most.
    ///
    /// # Errors
    /// [`RpcError::Client`].
    pub fn new(urls: Vec<String>, timeout: Duration) -> Result<Self, RpcError> {
        let client = Client::builder().redirect(Policy::none()).referer(false).no_proxy().timeout(timeout);
        let client = client.build().map_err(|_| RpcError::Client)?;
        let nodes = urls.into_iter().map(|url| Node { url, is_of_it: OnceLock::new() }).collect();
        let (answers, next_id) = (AtomicUsize::new(0), AtomicU64::new(1));
        Ok(Self { client, nodes, answers, network: None, next_id })
    }

    /// Those of the network with this number: each is asked once, and one of another network is asked nothing else. Test money there
    /// would buy here.
    #[must_use]
    pub fn of_chain(self, chain_id: u64) -> Self {
        Self { network: Some(Of::ChainId(chain_id)), ..self }
    }

    /// The same of Solana, by the reference of its CAIP-2 id.
    #[must_use]
    pub fn of_genesis(self, reference: &str) -> Self {
        Self { network: Some(Of::Genesis(reference.to_owned())), ..self }
    }

    /// Asks. Where one says nothing that can be read, or refuses, the next one is asked: it may keep older state, or logs of more blocks. A call
    /// that reverts is an answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: Value,
    ) -> Result<T, RpcError> {
        let (mut said, mut refused) = (RpcError::Unreachable, None);
        let first = self.answers.load(Ordering::Relaxed);
        // One that refuses is not left for good, and one that refuses everything is not gone to for good: the operator's order counts again.
        let goes_to = |next: usize| {
            if next != first {
                self.answers.store(next, Ordering::Relaxed);
            }
        };
        for (place, node) in self.from(first) {
            let answer = match self.belongs(node).await {
                Ok(()) => self.ask(&node.url, method, &parameters).await,
                Err(other) => Err(other),
            };
            match answer {
                Err(refusal @ RpcError::Refused { .. }) if refusal.revert().is_none() => {
                    goes_to(0);
                    refused.get_or_insert(refusal);
                }
                Err(other) if other.revert().is_none() => said = other,
                answer => {
                    if refused.is_none() {
                        goes_to(place);
                    }
                    return answer;
                }
            }
        }
        Err(refused.unwrap_or(said))
    }

    /// What one of them has: where one has nothing, or refuses, it may be behind, and the next is asked. None where nobody has it.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: &Value,
    ) -> Result<Option<T>, RpcError> {
        let mut found = Err(RpcError::Unreachable);
        for (_, node) in self.from(self.answers.load(Ordering::Relaxed)) {
            let had = match self.belongs(node).await {
                Ok(()) => self.ask(&node.url, method, parameters).await,
                Err(other) => Err(other),
            };
            match had {
                Ok(Some(had)) => return Ok(Some(had)),
                Ok(None) => found = Ok(None),
                Err(error) if found.is_err() => found = Err(error),
                Err(_) => {}
            }
        }
        found
    }

    /// All of them with their places, this one first.
    fn from(&self, first: usize) -> impl Iterator<Item = (usize, &Node)> {
        let (before, rest) = self.nodes.split_at(first.min(self.nodes.len()));
        (first..).zip(rest).chain((0..).zip(before))
    }

    async fn belongs(&self, node: &Node) -> Result<(), RpcError> {
        let Some(network) = &self.network else { return Ok(()) };
        let is_of_it = match node.is_of_it.get() {
            Some(known) => *known,
            None => {
                let method = network.method();
                let said: String = self.ask(&node.url, method, &json!([])).await?;
                let is_of_it = network.is_it(&said).ok_or(RpcError::Malformed(method))?;
                if !is_of_it {
                    let node = host(&node.url);
                    tracing::error!(%network, said, node, "a node is one of another network, and is not asked");
                }
                *node.is_of_it.get_or_init(|| is_of_it)
            }
        };
        if is_of_it { Ok(()) } else { Err(RpcError::OtherNetwork(network.to_string())) }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        url: &str,
        method: &'static str,
        parameters: &Value,
    ) -> Result<T, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let question = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
        let request =
            self.client.post(url).header("content-type", "application/json").body(question.to_string());
        let mut response = request.send().await.map_err(|_| RpcError::Unreachable)?;
        if !response.status().is_success() {
            return Err(RpcError::Unreachable);
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|_| RpcError::Unreachable)? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(RpcError::Malformed(method));
            }
            body.extend_from_slice(&piece);
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| RpcError::Malformed(method))?;
        if let Some(Refusal { code, message }) = answer.error {
            let message = message.chars().take(MESSAGE_MAX).collect();
            return Err(RpcError::Refused { method, code, message });
        }
        let result = answer.result.ok_or(RpcError::Malformed(method))?;
        serde_json::from_value(result).map_err(|_| RpcError::Malformed(method))
    }
}

// === impl Of ===

impl Of {
    /// What a node is asked.
    const fn method(&self) -> &'static str {
        match self {
            Self::ChainId(_) => "eth_chainId",
            Self::Genesis(_) => "getGenesisHash",
        }
    }

    /// Whether the answer is that of its nodes; none where it is no answer.
    fn is_it(&self, said: &str) -> Option<bool> {
        match self {
            Self::ChainId(chain_id) => quantity(said).map(|said| said == *chain_id),
            Self::Genesis(reference) => Some(said.starts_with(&**reference)),
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChainId(chain_id) => chain_id.fmt(formatter),
            Self::Genesis(reference) => reference.fmt(formatter),
        }
    }
}

// === impl Receipt ===

impl Receipt {
    pub(crate) const fn succeeded(&self) -> bool {
        self.status == 1
    }

    pub(crate) const fn block(&self) -> u64 {
        self.block_number
    }

    pub(crate) const fn gas_used(&self) -> u64 {
        self.gas_used
    }
}

/// What may be told of a URL: its path may be a secret.
#[must_use]
pub fn host(url: &str) -> String {
    let url = reqwest::Url::parse(url).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// A number as JSON-RPC writes it: `0x` and hexadecimal digits.
pub(super) fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    let is_hexadecimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn from_quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    quantity(&text).ok_or_else(|| serde::de::Error::custom("no quantity"))
}
