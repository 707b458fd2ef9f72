//! [`Request`]: a request as the bytes that a client sends.

/// One HTTP/1.1 request. `Host` and `Content-Length` are added where they are not set.
#[derive(Clone, Debug)]
pub struct Request {
    /// As it will be sent.
    pub method: String,
    /// Path and query, not touched.
    pub target: String,
    /// In order, names as they will be sent.
    pub fields: Vec<(String, String)>,
    /// None and empty differ: empty has a `Content-Length: 0`.
    pub body: Option<Vec<u8>>,
}

// === impl Request ===

impl Request {
    /// A request without fields or body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), fields: Vec::new(), body: None }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST of some text.
    #[must_use]
    pub fn post(target: &str, body: &str) -> Self {
        Self { body: Some(body.as_bytes().to_vec()), ..Self::new("POST", target) }
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// With a payment.
    #[must_use]
    pub fn paying(self, header: impl Into<String>) -> Self {
        self.with("PAYMENT-SIGNATURE", header)
    }

    /// With an agent key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.with("Authorization", format!("Bearer {key}"))
    }

    /// That asks for a WebSocket.
    #[must_use]
    pub fn upgrading(self) -> Self {
        self.with("Connection", "Upgrade")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// The bytes; `host` for the `Host` field.
    #[must_use]
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) =
            self.body.as_ref().filter(|_| !self.has("content-length") && !self.has("transfer-encoding"))
        {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }
}
