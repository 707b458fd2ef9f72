//! [`Upstream`]: an API that knows nothing of payments, on raw sockets. Does what its scripts say and remembers every
//! request byte for byte.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::message::{Fields, Framing, Reader, Tape};
use crate::script::{Script, Step};
use crate::wait::within;

/// Listens until dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Every byte of it, framing included.
    pub raw: Vec<u8>,
    /// Its method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Its fields.
    pub fields: Fields,
    /// Its body without framing.
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    seen: watch::Sender<Vec<Seen>>,
    /// Targets whose client left while a script stood at a gate.
    left: watch::Sender<Vec<String>>,
    connections: watch::Sender<usize>,
    tapes: Mutex<Vec<Tape>>,
}

// === impl Upstream ===

impl Upstream {
    /// Listens on a free port. What has no script is answered with 200 and JSON.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            scripts: Mutex::default(),
            seen: watch::Sender::default(),
            left: watch::Sender::default(),
            connections: watch::Sender::default(),
            tapes: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, serving }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens from now on for a path, its query ignored.
    pub fn on(&self, path: &str, script: Script) {
        self.on_each(path, [script]);
    }

    /// What happens for each request of a path in turn; the last script stays.
    pub fn on_each(&self, path: &str, scripts: impl IntoIterator<Item = Script>) {
        self.shared.scripts.lock().unwrap().insert(path.to_owned(), scripts.into_iter().collect());
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// The requests of a path so far.
    #[must_use]
    pub fn calls(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path() == path).collect()
    }

    /// Waits until a path was called so often, and gives the last call.
    pub async fn call(&self, path: &str, count: usize) -> Seen {
        let mut changes = self.shared.seen.subscribe();
        let enough = |seen: &Vec<Seen>| seen.iter().filter(|seen| seen.path() == path).count() >= count;
        let _ = within(&format!("call {count} of {path} at the upstream"), changes.wait_for(enough)).await;
        self.calls(path).swap_remove(count - 1)
    }

    /// Waits until a client left while the script of this target stood at a gate.
    pub async fn left(&self, target: &str) {
        let mut changes = self.shared.left.subscribe();
        let gone = changes.wait_for(|left| left.iter().any(|gone| gone == target));
        let _ = within(&format!("the gateway to give up {target} at the upstream"), gone).await;
    }

    /// What came over each connection so far, byte for byte.
    #[must_use]
    pub fn tapes(&self) -> Vec<Vec<u8>> {
        self.shared.tapes.lock().unwrap().iter().map(|tape| tape.lock().unwrap().clone()).collect()
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

// === impl Seen ===

impl Seen {
    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A field's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The next whole request of a connection; `None` where it has ended.
    pub(crate) async fn read(reader: &mut Reader, stream: &mut TcpStream) -> Option<Self> {
        let mut seen = Self::parse(reader.head(stream).await?);
        read_body(reader, stream, &mut seen).await?;
        Some(seen)
    }

    fn parse(head: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split("\r\n").next().unwrap_or_default().split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Self { raw: head, method: word(), target: word(), fields: Fields::parse(&text), body: Vec::new() }
    }

    fn framing(&self) -> Framing {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        match length {
            Some(length) => Framing::Length(length),
            None if self.fields.has("transfer-encoding") => Framing::Chunked,
            None => Framing::Empty,
        }
    }
}

// === impl Shared ===

impl Shared {
    fn script(&self, path: &str) -> Script {
        let mut scripts = self.scripts.lock().unwrap();
        let Some(queue) = scripts.get_mut(path) else {
            return Script::json(200, &serde_json::json!({ "served": path }));
        };
        let next = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        next.expect("a path has at least one script")
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.send_modify(|count| *count += 1);
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

/// One connection: requests until an end.
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut reader = Reader::default();
    let tape = reader.tape();
    shared.tapes.lock().unwrap().push(Tape::clone(&tape));
    while let Some(head) = reader.head(&mut stream).await {
        let mut seen = Seen::parse(head);
        let script = shared.script(seen.path());
        if script.reads_body && read_body(&mut reader, &mut stream, &mut seen).await.is_none() {
            return;
        }
        shared.seen.send_modify(|all| all.push(seen.clone()));
        let kept = play(&mut stream, &script, &seen, &shared, &tape).await;
        if kept.is_none() || !script.reads_body {
            return;
        }
    }
}

async fn read_body(reader: &mut Reader, stream: &mut TcpStream, seen: &mut Seen) -> Option<()> {
    let mut framing = seen.framing();
    loop {
        let piece = reader.piece(stream, &mut framing).await?;
        if piece.is_empty() {
            seen.raw.extend_from_slice(&seen.body);
            return Some(());
        }
        seen.body.extend_from_slice(&piece);
    }
}

/// Plays a script; `None` when the connection is over.
async fn play(
    stream: &mut TcpStream,
    script: &Script,
    seen: &Seen,
    shared: &Shared,
    tape: &Tape,
) -> Option<()> {
    for step in &script.steps {
        match step {
            Step::Send(bytes) => stream.write_all(bytes).await.ok()?,
            Step::Close => return None,
            Step::Reset => {
                stream.set_zero_linger().ok()?;
                return None;
            }
            Step::EchoBody => {
                let kind = seen.header("content-type").unwrap_or("application/octet-stream");
                let length = seen.body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(&[head.as_bytes(), &seen.body].concat()).await.ok()?;
            }
            Step::EchoBytes => return echo(stream, tape).await,
            Step::Pass(gate) => {
                let mut none = [0];
                tokio::select! {
                    () = gate.pass() => {}
                    // The request is whole: bytes or an end here mean that the client is gone.
                    read = stream.read(&mut none) => {
                        tape.lock().unwrap().extend_from_slice(&none[..read.unwrap_or(0)]);
                        shared.left.send_modify(|left| left.push(seen.target.clone()));
                        return None;
                    }
                }
            }
        }
    }
    Some(())
}

async fn echo(stream: &mut TcpStream, tape: &Tape) -> Option<()> {
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
        tape.lock().unwrap().extend_from_slice(&bytes[..count]);
        stream.write_all(&bytes[..count]).await.ok()?;
    }
}
