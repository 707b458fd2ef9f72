//! [`Solana`]: its devnet on this machine. litesvm runs real transactions of the real token program; the token is USDC, where devnet has it.
//!
//! A transaction lands in a block of its own, and no message lands twice. A test stops a call of its node before or after it is carried out.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::chain::{Official, question};
use crate::companion::Companion;
use crate::facilitator::SOLANA_DEVNET;
use crate::message::decoded;
use crate::packages::{Packages, node};
use crate::wire::Wire;

/// USDC on devnet.
pub const MINT: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";

/// Who pays.
pub const PAYER: &str = "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9";

/// Its key, in hex.
pub const PAYER_SEED: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// Who has an account for the token, and nothing in it.
pub const PROVIDER: &str = "9hSR6S7WPtxmTojgo6GG3k4yDPecgJY292j7xrsUGWBu";

/// The official facilitator, which pays for transactions.
const FEE_PAYER: &str = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse";
const FEE_PAYER_SEED: &str = "0303030303030303030303030303030303030303030303030303030303030303";

/// Ends when this is dropped or the test is killed.
#[derive(Debug)]
pub struct Solana {
    address: SocketAddr,
    _process: Companion,
}

/// The token moved to [`PROVIDER`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Of its transaction.
    pub signature: String,
    /// Whose it was.
    pub from: String,
    /// Atomic units.
    pub units: u64,
}

// === impl Solana ===

impl Solana {
    /// A new one, where [`PAYER`] has so many atomic units.
    pub async fn start(units: u64) -> Self {
        let script = Packages::solana().script("clients/solana/chain.mjs");
        let told = json!({ "holders": { PAYER: units, PROVIDER: 0 }, "payers": [FEE_PAYER] }).to_string();
        let script = script.to_str().expect("a path in UTF-8");
        let mut process = Companion::start(node().as_os_str(), &[script, &told]);
        let address = process.says("listening on ").await.parse().expect("an address");
        Self { address, _process: process }
    }

    /// Of its node.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The official facilitator on it.
    pub async fn official(&self) -> Official {
        let script = Packages::solana().script("clients/solana/facilitator.mjs");
        Official::of(&script, &json!({ "rpc": self.url(), "seed": FEE_PAYER_SEED })).await
    }

    /// It as a gateway's file names it: with a line of its own, settled by the facilitator at this URL.
    #[must_use]
    pub fn section(line: &str, facilitator: &str) -> String {
        format!(
            "[[networks]]\nid = \"{SOLANA_DEVNET}\"\ntokens = [{{ address = \"{MINT}\", decimals = 6 }}]\n{line}\n\
             [[networks.facilitators]]\nurl = \"{facilitator}\"\nverify_timeout = \"20s\"\n"
        )
    }

    /// The line of a provider's that is paid here.
    #[must_use]
    pub fn recipient() -> String {
        format!("foreign_addresses = {{ \"{SOLANA_DEVNET}\" = \"{PROVIDER}\" }}")
    }

    /// What somebody has, in atomic units.
    pub async fn balance(&self, owner: &str) -> u64 {
        self.rpc("balance", json!([owner])).await.as_u64().expect("a number")
    }

    /// What [`PROVIDER`] was paid, in order.
    pub async fn transfers(&self) -> Vec<Transfer> {
        let landed = self.rpc("landed", json!([])).await;
        landed.as_array().expect("a list").iter().filter_map(transfer).collect()
    }

    /// By which signature the payment in this header has landed, if it has.
    pub async fn landing(&self, header: &str) -> Option<String> {
        let transaction = decoded(header)["payload"]["transaction"].take();
        self.rpc("landing", json!([transaction])).await.as_str().map(str::to_owned)
    }

    /// From now on calls wait here: `before` or `after` a method of a node.
    pub async fn stop(&self, place: &str) {
        self.rpc("stop", json!([place])).await;
    }

    /// Returns when a call has come to where it waits.
    pub async fn reached(&self, place: &str) {
        self.rpc("reached", json!([place])).await;
    }

    /// Lets calls go on, now and later.
    pub async fn open(&self, place: &str) {
        self.rpc("open", json!([place])).await;
    }

    async fn rpc(&self, method: &str, parameters: Value) -> Value {
        let mut answer = Wire::connect(self.address).await.call(&question(method, &parameters)).await.json();
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }
}

/// Of a transaction that landed; none where it moved nothing.
fn transfer(landed: &Value) -> Option<Transfer> {
    let has = |when: &str, owner: &str| landed[when][owner].as_u64().unwrap_or_default();
    let units = has("after", PROVIDER).checked_sub(has("before", PROVIDER)).filter(|units| *units > 0)?;
    let owners = landed["before"].as_object().expect("by owners").keys();
    let mut from =
        owners.filter(|owner| has("before", owner).checked_sub(has("after", owner)) == Some(units));
    let signature = landed["signature"].as_str().expect("a signature").to_owned();
    Some(Transfer { signature, from: from.next()?.clone(), units })
}
