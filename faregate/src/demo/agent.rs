//! [`DemoAgent`]: a funded agent with a signer and a key, made through the management API as its owner would make it.

use std::net::SocketAddr;

use anyhow::Context;
use protocol::signature::SigningKey;
use reqwest::Client;
use serde_json::{Value, json};

use crate::client;
use crate::random;
use crate::token::Token;

/// What its wallet begins with.
pub(super) const FUNDS: &str = "$10.00";

/// Who pays in the demo.
pub(super) struct DemoAgent {
    pub(super) id: String,
    pub(super) wallet: String,
    /// The signer's address.
    pub(super) address: String,
    /// The signer's private key. A demo's, and worth nothing anywhere else.
    pub(super) private_key: String,
    /// The agent key.
    pub(super) key: String,
    /// The network and token that its wallet looks like, as the management API names them: CAIP-19.
    pub(super) asset: String,
}

struct Api<'a> {
    client: &'a Client,
    base: String,
    token: &'a Token,
}

// === impl DemoAgent ===

impl DemoAgent {
    pub(super) async fn create(client: &Client, control: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let token = Token { text: token.to_owned(), from: "the demo" };
        let api = Api { client, base: format!("http://{control}"), token: &token };
        let private_key = format!("0x{}", random::hex()?);
        let address = SigningKey::from_hex(&private_key)?.address().to_checksum(None);
        // Named after its signer: with --data a second demo finds the first one's agent.
        let made = api.post("/v1/agents", json!({ "name": format!("demo-{address}") })).await?;
        let (id, wallet) = (text(&made, "id")?, text(&made, "wallet")?);
        api.post(&format!("/v1/agents/{id}/signers"), json!({ "address": address })).await?;
        let key = api.post(&format!("/v1/agents/{id}/keys"), json!({})).await?;
        let funding = json!({ "amount": FUNDS, "external_reference": "demo" });
        let funded = api.post(&format!("/v1/wallets/{wallet}/fund"), funding).await?;
        let asset = text(&funded["amount"], "asset")?;
        Ok(Self { id, wallet, address, private_key, key: text(&key, "key")?, asset })
    }

    /// The network, such as `eip155:402402`.
    pub(super) fn network(&self) -> &str {
        self.asset.split_once('/').map_or("", |(network, _)| network)
    }

    /// The token's address.
    pub(super) fn token(&self) -> &str {
        self.asset.rsplit_once(':').map_or("", |(_, token)| token)
    }
}

// === impl Api ===

impl Api<'_> {
    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base));
        let request = request.header("content-type", "application/json").body(body.to_string());
        client::ask(request.header("idempotency-key", random::hex()?), self.token).await
    }
}

fn text(answer: &Value, name: &str) -> anyhow::Result<String> {
    answer[name].as_str().map(str::to_owned).with_context(|| format!("the management API named no {name}"))
}
