//! [`Official`]: the official facilitator of npm, unmodified, on a [`super::Network`] or on [`crate::solana::Solana`].

use std::net::SocketAddr;
use std::path::Path;

use domain::Address;
use serde_json::{Value, json};

use crate::companion::Companion;
use crate::packages::{Packages, node};

/// Ends when this is dropped or the test is killed.
#[derive(Debug)]
pub struct Official {
    address: SocketAddr,
    process: Companion,
}

// === impl Official ===

impl Official {
    pub(super) async fn start(rpc: &str) -> Self {
        let script = Packages::clients().script("kit/chain/facilitator.mjs");
        Self::of(&script, &json!({ "rpc": rpc })).await
    }

    /// By a script that is told this, and says where it listens.
    pub(crate) async fn of(script: &Path, told: &Value) -> Self {
        let script = script.to_str().expect("a path in UTF-8");
        let mut process = Companion::start(node().as_os_str(), &[script, &told.to_string()]);
        Self { address: process.says("listening on ").await.parse().expect("an address"), process }
    }

    /// `kill -9`; it is no more when this returns.
    pub async fn kill(self) {
        self.process.kill().await;
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who sends its transactions on a [`super::Network`]: anvil's first account.
    #[must_use]
    pub fn settler(&self) -> Address {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().expect("an address")
    }
}
