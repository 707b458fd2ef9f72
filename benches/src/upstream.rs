//! The upstream: one thread that answers every request with 200 bytes of JSON and keeps connections open.
//!
//! As cheap as a server can be, so that the proxies are what is measured. It reads no body: only GET is sent.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result};

use crate::poller::{Interest, Poller};

/// Bytes of the body.
pub(crate) const BODY_BYTES: usize = 200;

/// Longest request head; a client that sends more is left.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The listener's token; connections count from 1.
const LISTENER: usize = 0;

/// One connection and what of its next request has come.
struct Client {
    socket: TcpStream,
    input: Vec<u8>,
}

/// Prints the address it got, then serves until it is killed.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("the upstream's socket")?;
    println!("{}", listener.local_addr()?);
    serve_on(&listener)
}

/// Serves for ever.
pub(crate) fn serve_on(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(listener, LISTENER, Interest::Read)?;
    let answer = answer();
    let mut clients: HashMap<usize, Client> = HashMap::new();
    let mut ready = Vec::new();
    let mut last_token = LISTENER;
    loop {
        poller.wait(None, &mut ready)?;
        for token in ready.drain(..) {
            if token == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    last_token += 1;
                    poller.add(&socket, last_token, Interest::Read)?;
                    clients.insert(last_token, Client { socket, input: Vec::new() });
                }
            } else if clients.get_mut(&token).is_some_and(|client| client.serve(&answer).is_none()) {
                clients.remove(&token);
            }
        }
    }
}

/// The one answer, head and body.
fn answer() -> Vec<u8> {
    let padding = BODY_BYTES - r#"{"city":"Bern","note":""}"#.len();
    let body = format!(r#"{{"city":"Bern","note":"{}"}}"#, "x".repeat(padding));
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}")
        .into_bytes()
}

// === impl Client ===

impl Client {
    /// Answers what has come; `None` when the connection is over.
    fn serve(&mut self, answer: &[u8]) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let count = match self.socket.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
            Err(_) => return None,
        };
        self.input.extend_from_slice(buffer.get(..count)?);
        while let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            self.input.drain(..end + 4);
            // 300 bytes always fit: the client waits for each answer.
            self.socket.write_all(answer).ok()?;
        }
        (self.input.len() <= HEAD_BYTES_MAX).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let answer = String::from_utf8(answer()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert_eq!(body.len(), BODY_BYTES);
    }
}
