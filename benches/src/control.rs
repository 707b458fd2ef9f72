//! [`Control`]: the management API of the Faregate that is measured, as its operator calls it.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::exchange::Exchange;

/// Where it is, and what opens it.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// What lets us in.
    pub(crate) token: String,
}

// === impl Control ===

impl Control {
    /// Creates something; `idempotency_key` is unique for it.
    pub(crate) fn post(&self, path: &str, idempotency_key: &str, body: &Value) -> Result<Value> {
        let fields = format!("content-type: application/json\r\nidempotency-key: {idempotency_key}\r\n");
        self.send("POST", path, &fields, &body.to_string())
    }

    /// Changes something.
    pub(crate) fn change(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.send(method, path, "content-type: application/json\r\n", &body.to_string())
    }

    /// Reads something.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, "", "")
    }

    fn send(&self, method: &str, path: &str, fields: &str, body: &str) -> Result<Value> {
        let fields = format!("authorization: Bearer {}\r\n{fields}", self.token);
        let exchange = Exchange::new(self.address, method, path, &fields, body)?;
        if !(200..300).contains(&exchange.status()) {
            bail!("{method} {path}: {}", exchange.text());
        }
        exchange.json()
    }
}
