//! [`Script`]: what an [`Upstream`](crate::Upstream) does with one request, step by step, in exact bytes.

use serde_json::Value;

use crate::gate::Gate;

/// Steps in order. After the last one the connection is kept, unless a step closed it.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) steps: Vec<Step>,
    /// Whether the request's body is read first.
    pub(crate) reads_body: bool,
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// These bytes go out.
    Send(Vec<u8>),
    /// Nothing happens until the gate opens; a client that leaves meanwhile is noticed.
    Pass(Gate),
    /// The connection ends.
    Close,
    /// The connection ends with a reset.
    Reset,
    /// A 200 with the request's body and media type.
    EchoBody,
    /// From here on, whatever comes is sent back.
    EchoBytes,
}

// === impl Script ===

impl Script {
    /// Exactly these bytes.
    #[must_use]
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self { steps: vec![Step::Send(bytes.as_ref().to_vec())], reads_body: true }
    }

    /// A response with a length. Fields as lines without their end.
    #[must_use]
    pub fn reply(status: u16, fields: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = format!("content-length: {}", body.len());
        let fields: Vec<&str> = fields.iter().copied().chain([length.as_str()]).collect();
        let mut bytes = head(status, &fields);
        bytes.extend_from_slice(body);
        Self::raw(bytes)
    }

    /// A JSON response.
    #[must_use]
    pub fn json(status: u16, value: &Value) -> Self {
        Self::reply(status, &["content-type: application/json"], value.to_string())
    }

    /// Only the header of a response; the steps that follow are its body.
    #[must_use]
    pub fn begin(status: u16, fields: &[&str]) -> Self {
        Self::raw(head(status, fields))
    }

    /// The header of a chunked event stream.
    #[must_use]
    pub fn events() -> Self {
        Self::begin(200, &["content-type: text/event-stream", "transfer-encoding: chunked"])
    }

    /// A 200 that sends the request's body back.
    #[must_use]
    pub fn echo() -> Self {
        Self { steps: vec![Step::EchoBody], reads_body: true }
    }

    /// Agrees to a WebSocket and sends every byte back.
    #[must_use]
    pub fn websocket() -> Self {
        let mut script = Self::begin(
            101,
            &[
                "upgrade: websocket",
                "connection: upgrade",
                "sec-websocket-accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo=",
            ],
        );
        script.steps.push(Step::EchoBytes);
        script
    }

    /// Never answers; notices when the client leaves.
    #[must_use]
    pub fn hang() -> Self {
        Self { steps: vec![Step::Pass(Gate::new())], reads_body: true }
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub fn hang_up() -> Self {
        Self { steps: vec![Step::Close], reads_body: true }
    }

    /// Waits at a gate before it does anything.
    #[must_use]
    pub fn after(self, gate: &Gate) -> Self {
        let steps = std::iter::once(Step::Pass(gate.clone())).chain(self.steps).collect();
        Self { steps, ..self }
    }

    /// Waits at a gate here.
    #[must_use]
    pub fn pass(self, gate: &Gate) -> Self {
        self.then(Step::Pass(gate.clone()))
    }

    /// Sends exactly these bytes.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends one chunk of a chunked body.
    #[must_use]
    pub fn chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
        framed.extend_from_slice(bytes);
        framed.extend_from_slice(b"\r\n");
        self.send(framed)
    }

    /// Sends one event of an event stream.
    #[must_use]
    pub fn event(self, data: &str) -> Self {
        self.chunk(format!("data: {data}\n\n"))
    }

    /// Ends a chunked body.
    #[must_use]
    pub fn last_chunk(self) -> Self {
        self.send("0\r\n\r\n")
    }

    /// Closes the connection here.
    #[must_use]
    pub fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Resets the connection here.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Answers as soon as the request's header is there.
    #[must_use]
    pub fn before_the_body(self) -> Self {
        Self { reads_body: false, ..self }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

fn head(status: u16, fields: &[&str]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}
