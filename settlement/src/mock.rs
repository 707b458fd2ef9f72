//! Somebody who is called over HTTP, a facilitator or a node, and misbehaves on purpose (notes/reliability.md, section 2).

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// What it does with a call, once it has read all of it.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers this status with this body.
    Answer(u16, String),
    /// Answers 200 with what it makes of the call's body.
    Reply(Arc<dyn Fn(&Value) -> String + Send + Sync>),
    /// What it makes of the whole call.
    By(Arc<dyn Fn(&Call) -> Act + Send + Sync>),
    /// Does that once the gate is open.
    When(Arc<Semaphore>, Box<Act>),
    /// Answers, saying that there is more than it sends.
    Cut(u16, String),
    /// Sends somebody else's address.
    Redirect(String),
    /// Says nothing until the caller has gone.
    Hang,
    /// Closes the connection.
    Reset,
}

/// One call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The request line and the header, in lower case.
    pub(crate) head: String,
    pub(crate) body: Option<Value>,
}

pub(crate) struct Mock {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    act: watch::Sender<Act>,
}

// === impl Mock ===

impl Mock {
    pub(crate) async fn start() -> Self {
        // Whoever asks it has a client. Fails where another test was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (act, acts) = watch::channel(Act::Reset);
        let kept = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), acts.clone()));
            }
        });
        Self { url, calls, act }
    }

    pub(crate) fn does(&self, act: Act) {
        self.act.send_replace(act);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }
}

async fn serve(mut stream: TcpStream, calls: Arc<Mutex<Vec<Call>>>, acts: watch::Receiver<Act>) {
    while let Some(call) = read(&mut stream).await {
        let body = call.body.clone().unwrap_or_default();
        let mut act = acts.borrow().clone();
        calls.lock().push(call.clone());
        loop {
            act = match act {
                Act::By(decide) => decide(&call),
                Act::When(gate, then) => {
                    // Open for everybody from the first permit on.
                    drop(gate.acquire().await.unwrap());
                    *then
                }
                other => {
                    act = other;
                    break;
                }
            };
        }
        let answer = match act {
            Act::Answer(status, body) => said(status, &body),
            Act::Reply(reply) => said(200, &reply(&body)),
            Act::Cut(status, body) => {
                let more = body.len() + 1;
                let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: {more}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
                return;
            }
            Act::Redirect(location) => {
                format!("HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
            }
            Act::Hang => {
                // Ends when the caller closes the connection.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
            Act::Reset | Act::By(_) | Act::When(..) => return,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn said(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn read(stream: &mut TcpStream) -> Option<Call> {
    let mut input = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&input).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(Call { head, body: serde_json::from_str(body).ok() });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => input.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}
