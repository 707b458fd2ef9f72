//! [`Control`]: the management API of the Faregate that is measured, as its operator calls it.

use std::net::{SocketAddr, TcpStream};

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

/// Somebody who calls it again and again.
pub(crate) struct Client<'c> {
    control: &'c Control,
    /// None before the first call, and where the answer to the last one ended it.
    connection: Option<TcpStream>,
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

    /// A client that calls often, on a connection that it keeps.
    pub(crate) const fn client(&self) -> Client<'_> {
        Client { control: self, connection: None }
    }

    fn send(&self, method: &str, path: &str, fields: &str, body: &str) -> Result<Value> {
        self.client().send(method, path, fields, body)
    }
}

// === impl Client ===

impl Client<'_> {
    /// As [`Control::change`].
    pub(crate) fn change(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.send(method, path, "content-type: application/json\r\n", &body.to_string())
    }

    /// As [`Control::get`].
    pub(crate) fn get(&mut self, path: &str) -> Result<Value> {
        self.send("GET", path, "", "")
    }

    fn send(&mut self, method: &str, path: &str, fields: &str, body: &str) -> Result<Value> {
        let fields = format!("authorization: Bearer {}\r\n{fields}", self.control.token);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Exchange::connect(self.control.address)?,
        };
        let exchange = Exchange::on(&mut connection, method, path, &fields, body)?;
        if !exchange.is_last() {
            self.connection = Some(connection);
        }
        if !(200..300).contains(&exchange.status()) {
            bail!("{method} {path}: {}", exchange.text());
        }
        exchange.json()
    }
}
