//! [`Exchange`]: one request and its answer. Blocking, not measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::response::Response;

/// How long an answer may take: an audit reads every payment that an hour has made.
const ANSWER_MAX: Duration = Duration::from_secs(600);

/// An answer, whole.
pub(crate) struct Exchange {
    response: Response,
    input: Vec<u8>,
}

// === impl Exchange ===

impl Exchange {
    /// Sends a request on a connection of its own. `fields` are whole lines, each with its line end.
    pub(crate) fn new(
        address: SocketAddr,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> Result<Self> {
        Self::on(&mut Self::connect(address)?, method, path, fields, body)
    }

    /// A connection for requests one after the other.
    pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
        let socket = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(socket)
    }

    /// The same on a connection that is there.
    pub(crate) fn on(
        socket: &mut TcpStream,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> Result<Self> {
        let (address, length) = (socket.peer_addr()?, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{fields}\r\n"
        );
        socket.write_all(format!("{head}{body}").as_bytes())?;
        let mut input = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            let count = socket.read(&mut buffer).with_context(|| format!("{method} {path}"))?;
            ensure!(count > 0, "{method} {path}: the connection was closed without an answer");
            input.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if let Some(response) = Response::find(&input)? {
                return Ok(Self { response, input });
            }
        }
    }

    /// Whether the connection goes on after it.
    pub(crate) fn is_last(&self) -> bool {
        self.response.closes
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.header(&self.input, name)
    }

    /// The answer as it came, for an error's message.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.input).into_owned()
    }

    /// Its body.
    pub(crate) fn json(&self) -> Result<Value> {
        let body = self.input.get(self.response.body..self.response.end).unwrap_or_default();
        serde_json::from_slice(body).with_context(|| self.text())
    }
}
