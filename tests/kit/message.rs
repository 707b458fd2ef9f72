//! HTTP/1.1 messages as bytes: reading a header, a body by its framing, and the [`Response`] a test looks at.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Header fields in order, names as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

/// A whole response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The final status.
    pub status: u16,
    /// The statuses before it, such as 100 and 103.
    pub interim: Vec<u16>,
    /// Its fields.
    pub fields: Fields,
    /// Its body, as far as it came.
    pub body: Vec<u8>,
    /// What came behind the body, over HTTP/2.
    pub trailers: Fields,
    /// Whether the body ended as its framing says.
    pub complete: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(usize),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// Every byte that came over one connection.
pub type Tape = Arc<Mutex<Vec<u8>>>;

/// Reads from a connection what it needs and keeps the rest.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    tape: Tape,
}

// === impl Fields ===

impl Fields {
    /// The first value of a field, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_ascii_lowercase();
        self.0
            .iter()
            .filter(move |(field, _)| field.to_ascii_lowercase() == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the field is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// From the lines of a header, the first one left out.
    #[must_use]
    pub fn parse(head: &str) -> Self {
        let split = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        };
        Self(head.split("\r\n").skip(1).filter(|line| !line.is_empty()).map(split).collect())
    }
}

// === impl Response ===

impl Response {
    /// A field's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The word in `error` of one of our refusals.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// What `PAYMENT-REQUIRED` says.
    #[must_use]
    pub fn challenge(&self) -> Value {
        decoded(self.header("payment-required").unwrap_or_else(|| panic!("no challenge: {self:?}")))
    }

    /// What `PAYMENT-RESPONSE` says.
    #[must_use]
    pub fn receipt(&self) -> Value {
        decoded(self.header("payment-response").unwrap_or_else(|| panic!("no receipt: {self:?}")))
    }

    /// Fails the test with the whole answer where the status is another.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.fields, self.text());
        self
    }

    /// Fails the test where this is not a refusal with this status and word.
    #[track_caller]
    pub fn expect_refusal(&self, status: u16, code: &str) -> &Self {
        self.expect_status(status);
        assert_eq!(self.code(), code, "{}", self.text());
        self
    }
}

// === impl Reader ===

impl Reader {
    /// Everything that it will have read.
    #[must_use]
    pub fn tape(&self) -> Tape {
        Arc::clone(&self.tape)
    }

    /// What was read and not used.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes what was read and not used, or waits for some bytes. Empty at the end.
    pub async fn some(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill(stream).await;
        }
        std::mem::take(&mut self.buffer)
    }

    /// The next header with its empty line, or `None` when the connection ended before it was whole.
    pub async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Some(self.buffer.drain(..end + 4).collect());
            }
            if !self.fill(stream).await {
                return None;
            }
        }
    }

    /// The next piece of a body; empty at its end, `None` when it broke off.
    pub async fn piece(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        framing: &mut Framing,
    ) -> Option<Vec<u8>> {
        match *framing {
            Framing::Empty | Framing::Length(0) => Some(Vec::new()),
            Framing::Close => Some(self.some(stream).await),
            Framing::Length(left) => {
                if self.buffer.is_empty() && !self.fill(stream).await {
                    return None;
                }
                let take = left.min(self.buffer.len());
                *framing = Framing::Length(left - take);
                Some(self.buffer.drain(..take).collect())
            }
            Framing::Chunked => self.chunk(stream, framing).await,
        }
    }

    /// Exactly so many bytes, or `None` when there are no more.
    pub async fn exactly(&mut self, stream: &mut (impl AsyncRead + Unpin), count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill(stream).await {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    async fn chunk(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        framing: &mut Framing,
    ) -> Option<Vec<u8>> {
        let line = self.line(stream).await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            // Trailers, up to the empty line.
            while !self.line(stream).await?.is_empty() {}
            *framing = Framing::Empty;
            return Some(Vec::new());
        }
        let mut chunk = self.exactly(stream, size + 2).await?;
        chunk.truncate(size);
        Some(chunk)
    }

    async fn line(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.fill(stream).await {
                return None;
            }
        }
    }

    async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> bool {
        // Not read into an array: it would lie in the future of every call that reads, and many of them in one test.
        self.buffer.reserve(16 * 1024);
        let count = stream.read_buf(&mut self.buffer).await.unwrap_or(0);
        let new = self.buffer.len() - count;
        self.tape.lock().unwrap().extend_from_slice(&self.buffer[new..]);
        count > 0
    }
}

/// In base64, as headers are written.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The JSON in a base64 header.
#[must_use]
pub fn decoded(header: &str) -> Value {
    let bytes = STANDARD.decode(header).expect("standard base64 with padding");
    serde_json::from_slice(&bytes).expect("JSON in the header")
}

/// Where `needle` stands.
#[must_use]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
