//! [`Network`]: a public network on this machine. anvil with Base Sepolia's number, the token where USDC is there, and Permit2,
//! Multicall3 and x402's proxies where they are everywhere.
//!
//! Next: [`blocks`] for time and reorganizations, [`token`] for who has what, [`official`] for the facilitator,
//! [`permits`] and [`overtaking`] for what payers do with what they signed.

pub mod blocks;
pub mod official;
pub mod overtaking;
pub mod permits;
pub mod token;
pub mod wallet;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::OnceLock;

use domain::{Address, Asset};
use serde_json::{Value, json};

use crate::companion::Companion;
use crate::packages::{Packages, set_up};
use crate::request::Request;
use crate::wait::until;
use crate::wire::Wire;

pub use official::Official;
pub use token::Transfer;
pub use wallet::Manner;

/// Base Sepolia's.
pub const CHAIN_ID: u64 = 84_532;

/// The same as x402 names it.
pub const NETWORK: &str = "eip155:84532";

/// An account with coins for gas, for a settler of ours: anvil's second one. The first is the official facilitator's.
pub const SETTLER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// Has coins for gas and mints the token: anvil's last one.
const BANK: &str = "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720";

/// Ends, and anvil with it, when this is dropped or the test is killed.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    _anvil: Companion,
}

// === impl Network ===

impl Network {
    /// A new chain. It mines a block for each transaction.
    pub async fn start() -> Self {
        let package = format!("node_modules/@foundry-rs/anvil-linux-{}/bin/anvil", machine());
        let binary = Packages::clients().folder().join(package);
        let id = CHAIN_ID.to_string();
        let arguments = ["--port", "0", "--chain-id", &id, "--prune-history", "256"];
        let mut anvil = Companion::start(binary.as_os_str(), &arguments);
        let address = anvil.says("Listening on ").await.parse().expect("an address");
        let network = Self { address, _anvil: anvil };
        for (place, code) in contracts() {
            network.rpc("anvil_setCode", json!([place, code])).await;
        }
        network
    }

    /// Of its node.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The official facilitator on this chain.
    pub async fn official(&self) -> Official {
        Official::start(&self.url()).await
    }

    /// It as a gateway's file names it: with these lines, settled by the facilitators at these URLs. A transfer counts at once, where
    /// the lines say nothing of `confirmations`; no payer is turned away because this machine is busy.
    #[must_use]
    pub fn section(&self, lines: &str, facilitators: &[&str]) -> String {
        let facilitators: String = facilitators
            .iter()
            .map(|url| format!("[[networks.facilitators]]\nurl = \"{url}\"\nverify_timeout = \"20s\"\n"))
            .collect();
        let url = self.url();
        let counts = if lines.contains("confirmations") { "" } else { "confirmations = 0\n" };
        format!("[[networks]]\nid = \"{NETWORK}\"\nrpc = [\"{url}\"]\n{counts}{lines}\n{facilitators}")
    }

    /// Asks the node. Fails the test where it refuses.
    pub async fn rpc(&self, method: &str, parameters: Value) -> Value {
        let request = question(method, &parameters);
        let mut answer = Wire::connect(self.address).await.call(&request).await.json();
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Sends from any account, whether or not its key is known, and waits until it is in a block.
    pub async fn send(&self, from: &str, to: Address, data: &str) -> Value {
        self.rpc("anvil_impersonateAccount", json!([from])).await;
        let sent = self.rpc("eth_sendTransaction", json!([{ "from": from, "to": to, "data": data }])).await;
        let receipt = until("a transaction to be in a block", || async {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([sent])).await;
            (!receipt.is_null()).then_some(receipt)
        })
        .await;
        assert_eq!(receipt["status"], "0x1", "a transaction has failed: {receipt}");
        receipt
    }
}

/// A call of a node.
pub(crate) fn question(method: &str, parameters: &Value) -> Request {
    let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
    Request::post("/", &question.to_string()).with("Content-Type", "application/json")
}

/// The token.
#[must_use]
pub fn usdc() -> Asset {
    Asset {
        network: NETWORK.into(),
        chain_id: CHAIN_ID,
        address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse().expect("an address"),
        name: "USDC".into(),
        version: "2".into(),
    }
}

/// Code by its address.
fn contracts() -> &'static HashMap<String, String> {
    static CONTRACTS: OnceLock<HashMap<String, String>> = OnceLock::new();
    CONTRACTS.get_or_init(|| {
        let text = std::fs::read(set_up("contracts")).expect("the contracts");
        serde_json::from_slice(&text).expect("code by address")
    })
}

/// As npm names it.
fn machine() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// A number as nodes write it.
fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no number: {value}"));
    let digits = text.trim_start_matches("0x").trim_start_matches('0');
    if digits.is_empty() { 0 } else { u64::from_str_radix(digits, 16).expect("a number of 64 bits") }
}

/// A number as one word of a call.
fn word(number: u64) -> String {
    format!("{number:064x}")
}

/// An address as one word of a call.
fn address_word(address: Address) -> String {
    format!("{:0>64}", crate::payer::hex(address.as_slice()).trim_start_matches("0x"))
}
