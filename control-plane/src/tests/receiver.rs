//! [`Receiver`]: an HTTP server of a tenant's, on a real socket, which behaves as the test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What the receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// The status after a while.
    Late(Duration, u16),
    /// 302 to there.
    Redirect(String),
    /// 200, and a body without an end.
    Huge,
    /// The connection is gone.
    Reset,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

type Behaviour = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Served {
    behaviour: Arc<Behaviour>,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Sender<usize>,
}

// === impl Receiver ===

impl Receiver {
    pub(crate) async fn start(behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, counted) = watch::channel(0);
        let served = Arc::new(Served { behaviour: Arc::new(behaviour), seen: Arc::clone(&seen), count });
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { address, seen, count: counted, accepting }
    }

    /// One that answers every request with a status.
    pub(crate) async fn of(status: u16) -> Self {
        Self::start(move |_| Reply::Status(status)).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Everything that came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// The ids of what came, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.seen().iter().map(Seen::id).collect()
    }

    /// Waits until at least so many requests came; fails after a minute.
    pub(crate) async fn wait(&self, count: usize) {
        let mut counted = self.count.clone();
        let came = counted.wait_for(|now| *now >= count);
        let came = tokio::time::timeout(Duration::from_secs(60), came).await;
        assert!(came.is_ok(), "{} requests came, not {count}", self.count());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

// === impl Seen ===

impl Seen {
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or_else(|| panic!("no {name}: {self:?}"), |(_, value)| value)
    }

    pub(crate) fn id(&self) -> String {
        self.field("webhook-id").to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One connection after another request, until either side leaves.
async fn serve(stream: TcpStream, served: Arc<Served>) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream).await {
        let reply = (served.behaviour)(&seen);
        served.seen.lock().unwrap().push(seen);
        served.count.send_modify(|count| *count += 1);
        let status = match reply {
            Reply::Status(status) => status,
            Reply::Late(wait, status) => {
                tokio::time::sleep(wait).await;
                status
            }
            Reply::Redirect(place) => {
                let answer = format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
                continue;
            }
            Reply::Huge => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
                while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
                return;
            }
            Reply::Reset => {
                // Linger 0: what the other side gets is a reset.
                let _ = stream.get_ref().set_zero_linger();
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
    let mut fields = Vec::new();
    loop {
        let mut field = String::new();
        stream.read_line(&mut field).await.ok().filter(|length| *length > 0)?;
        let Some((name, value)) = field.trim_end().split_once(": ") else { break };
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = fields.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { line: line.trim_end().to_owned(), fields, body })
}
