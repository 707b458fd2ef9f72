//! [`Agent`]: a payer with a wallet, made through the control API as an owner would make it.

use serde_json::{Value, json};

use crate::faregate::Faregate;
use crate::message::Response;
use crate::payer::{Payer, Payment, random_hex};
use crate::request::Request;

/// An agent of one gateway.
#[derive(Clone)]
pub struct Agent {
    /// `agt_...`
    pub id: String,
    /// `wal_...`
    pub wallet: String,
    /// The key it signs with.
    pub payer: Payer,
}

/// A wallet's money, in atomic units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// What is in it.
    pub balance: i64,
    /// What running requests hold of it.
    pub held: i64,
}

// === impl Agent ===

impl Agent {
    /// An agent with so many dollars and no limits.
    pub async fn new(gateway: &Faregate, dollars: &str) -> Self {
        Self::with_policy(gateway, dollars, json!({})).await
    }

    /// An agent under a policy, such as `{"per_day": "$0.10"}`.
    pub async fn with_policy(gateway: &Faregate, dollars: &str, policy: Value) -> Self {
        Self::made(gateway, dollars, json!({ "policy": policy })).await
    }

    /// An agent made from this body; it gets a name.
    pub async fn made(gateway: &Faregate, dollars: &str, mut body: Value) -> Self {
        body["name"] = Value::from(format!("agent-{}", &random_hex()[2..14]));
        let made = gateway.ask("POST", "/v1/agents", Some(&body)).await;
        let text =
            |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
        let agent = Self { id: text("id"), wallet: text("wallet"), payer: Payer::random() };
        let signer = json!({ "address": agent.payer.address().to_checksum(None) });
        gateway.ask("POST", &format!("/v1/agents/{}/signers", agent.id), Some(&signer)).await;
        if dollars != "$0" {
            agent.fund(gateway, dollars).await;
        }
        agent
    }

    /// Puts money into its wallet.
    pub async fn fund(&self, gateway: &Faregate, dollars: &str) {
        let body = json!({ "amount": dollars, "external_reference": "test" });
        let request = Request::post(&format!("/v1/wallets/{}/fund", self.wallet), &body.to_string())
            .with("Content-Type", "application/json")
            .with("Idempotency-Key", random_hex());
        let response = gateway.admin(&request).await;
        assert!((200..300).contains(&response.status), "fund: {} {}", response.status, response.text());
    }

    /// Makes a key; the text that is shown once.
    pub async fn key(&self, gateway: &Faregate) -> String {
        let made = gateway.ask("POST", &format!("/v1/agents/{}/keys", self.id), Some(&json!({}))).await;
        made["key"].as_str().unwrap_or_else(|| panic!("no key in {made}")).to_owned()
    }

    /// What is in its wallet.
    pub async fn money(&self, gateway: &Faregate) -> Money {
        let wallet = gateway.ask("GET", &format!("/v1/wallets/{}", self.wallet), None).await;
        let units = |name: &str| {
            let text = wallet[name]["amount"].as_str().unwrap_or_else(|| panic!("no {name} in {wallet}"));
            text.parse().expect("atomic units")
        };
        Money { balance: units("balance"), held: units("held") }
    }

    /// Fails the test where the wallet is not exactly this, nothing held.
    pub async fn expect_balance(&self, gateway: &Faregate, balance: i64) {
        assert_eq!(self.money(gateway).await, Money { balance, held: 0 }, "the wallet of {}", self.id);
    }

    /// Asks for the 402 of a request and signs it.
    pub async fn sign(&self, gateway: &Faregate, request: &Request) -> Payment {
        let challenge = gateway.call(request).await;
        challenge.expect_status(402);
        self.payer.pay(&challenge)
    }

    /// The whole round: 402, signature, answer.
    pub async fn buy(&self, gateway: &Faregate, request: &Request) -> Response {
        let payment = self.sign(gateway, request).await;
        gateway.call(&request.clone().paying(payment.header())).await
    }
}
