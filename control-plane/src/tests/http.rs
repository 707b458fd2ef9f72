//! One HTTP/1.1 call on a connection of its own.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is sent.
pub(super) struct Call {
    head: String,
    body: String,
}

/// What came back, whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Call {
    pub(super) fn new(method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        Self { head, body: String::new() }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.body("application/json", &body.to_string())
    }

    pub(super) fn body(self, media_type: &str, body: &str) -> Self {
        let mut call = self.with("Content-Type", media_type).with("Content-Length", &body.len().to_string());
        call.body = body.to_owned();
        call
    }

    pub(super) async fn send(self, address: SocketAddr) -> Answer {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // A refused body may be cut off while it is sent; the answer tells.
        let _ = socket.write_all(format!("{}\r\n{}", self.head, self.body).as_bytes()).await;
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = socket.read(&mut piece).await {
            bytes.extend_from_slice(&piece[..count]);
        }
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { whole(body) } else { body.to_owned() };
        Answer { status, head: head.to_owned(), body }
    }
}

/// A body of chunks; one that broke off is no body.
fn whole(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n").expect("a chunk");
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.push_str(&rest[..size]);
        chunks = &rest[size + 2..];
    }
}

impl Answer {
    /// The body as JSON; fails where the status is another.
    #[track_caller]
    pub(super) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.status != 201 || self.head.contains("no-store"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The problem; fails where it is another.
    #[track_caller]
    pub(super) fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert!(self.head.contains("application/problem+json"), "{}", self.head);
        problem
    }
}
