//! [`Front`]: what stands before an [`Upstream`](crate::Upstream) where it speaks TLS or HTTP/2. It passes on what comes, both ways, and ends
//! an exchange where either side does.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::HeaderName;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Authority;
use crate::message::{Fields, Reader};
use crate::wait::within;
use crate::wire::{self, Stream};

/// How an API is spoken to, where it is not HTTP/1.1 in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 in the clear.
    Http2,
    /// HTTP/2 over TLS.
    Http2OverTls,
}

/// Listens until dropped.
#[derive(Debug)]
pub struct Front {
    speaks: Speaks,
    address: SocketAddr,
    connections: watch::Sender<Connections>,
    directory: TempDir,
    serving: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Connections {
    accepted: usize,
    closed: usize,
}

/// Fields that belong to one connection.
const OF_A_CONNECTION: [&str; 3] = ["connection", "transfer-encoding", "keep-alive"];

// === impl Speaks ===

impl Speaks {
    const fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2OverTls)
    }

    const fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Http2OverTls)
    }
}

// === impl Front ===

impl Front {
    /// Stands before an upstream.
    pub async fn before(upstream: SocketAddr, speaks: Speaks) -> Self {
        let authority = Authority::new();
        let directory = TempDir::new().expect("a directory");
        authority.write_root(directory.path());
        let protocol: &[u8] = if speaks.is_http2() { b"h2" } else { b"http/1.1" };
        let acceptor = speaks.is_tls().then(|| TlsAcceptor::from(authority.server(&[protocol])));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = watch::Sender::<Connections>::default();
        let serving = tokio::spawn(serve(listener, (speaks, acceptor), upstream, connections.clone()));
        Self { speaks, address, connections, directory, serving }
    }

    /// As `addresses` names it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.speaks.is_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What else an upstream's section says of it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let authority = Authority::root_in(self.directory.path());
        let certificate =
            [format!("ca_file = \"{}\"", authority.display()), "server_name = \"localhost\"".to_owned()];
        let http2 = format!("http2 = {}", self.speaks.is_http2());
        certificate.into_iter().filter(|_| self.speaks.is_tls()).chain([http2]).collect()
    }

    /// Connections that were made so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.connections.borrow().accepted
    }

    /// Waits until none is open.
    pub async fn at_rest(&self) {
        let mut changes = self.connections.subscribe();
        let at_rest = changes.wait_for(|connections| connections.accepted == connections.closed);
        let _ = within("the end of every connection to the upstream", at_rest).await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    listener: TcpListener,
    (speaks, acceptor): (Speaks, Option<TlsAcceptor>),
    upstream: SocketAddr,
    connections: watch::Sender<Connections>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, connections) = (acceptor.clone(), connections.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            connections.send_modify(|connections| connections.accepted += 1);
            let stream: Option<Box<dyn Stream>> = match acceptor {
                Some(acceptor) => acceptor.accept(stream).await.ok().map(|stream| Box::new(stream) as _),
                None => Some(Box::new(stream)),
            };
            match stream {
                Some(stream) if speaks.is_http2() => converse(stream, upstream).await,
                Some(stream) => pipe(stream, upstream).await,
                None => {}
            }
            connections.send_modify(|connections| connections.closed += 1);
        });
    }
}

/// HTTP/1.1 byte for byte.
async fn pipe(mut stream: Box<dyn Stream>, upstream: SocketAddr) {
    let Ok(mut behind) = TcpStream::connect(upstream).await else { return };
    let _ = behind.set_nodelay(true);
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
}

/// One connection of HTTP/2; each of its requests has a connection of its own to the upstream.
async fn converse(stream: Box<dyn Stream>, upstream: SocketAddr) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(pass(request, respond, upstream));
    }
}

async fn pass(
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    upstream: SocketAddr,
) -> Option<()> {
    let stream = TcpStream::connect(upstream).await.ok()?;
    let _ = stream.set_nodelay(true);
    let (mut reading, writing) = stream.into_split();
    let (head, body) = request.into_parts();
    let method = head.method.to_string();
    tokio::select! {
        sent = send(head, body, writing) => sent,
        answered = answer(&method, &mut reading, respond) => answered,
    }
}

/// Sends a request on, and then keeps its side open; ends where the request breaks off.
async fn send(head: http::request::Parts, mut body: RecvStream, mut writing: OwnedWriteHalf) -> Option<()> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = head.uri.authority().map_or("localhost", |authority| authority.as_str());
    let mut text = format!("{} {target} HTTP/1.1\r\nhost: {host}\r\n", head.method);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
    }
    let is_chunked = !body.is_end_stream() && !head.headers.contains_key("content-length");
    text.push_str(if is_chunked { "transfer-encoding: chunked\r\n\r\n" } else { "\r\n" });
    writing.write_all(text.as_bytes()).await.ok()?;
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        let framed = if is_chunked {
            [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat()
        } else {
            piece.to_vec()
        };
        writing.write_all(&framed).await.ok()?;
    }
    if is_chunked {
        writing.write_all(b"0\r\n\r\n").await.ok()?;
    }
    std::future::pending().await
}

/// Sends an answer back; ends where whoever waits for it leaves.
async fn answer(
    method: &str,
    reading: &mut (impl tokio::io::AsyncRead + Unpin),
    mut respond: SendResponse<Bytes>,
) -> Option<()> {
    let mut reader = Reader::default();
    let head = tokio::select! {
        head = reader.head(reading) => head?,
        _ = poll_fn(|context| respond.poll_reset(context)) => return None,
    };
    let text = String::from_utf8_lossy(&head).into_owned();
    let status: u16 = text.split(' ').nth(1)?.parse().ok()?;
    let fields = Fields::parse(&text);
    let mut framing = wire::framing(method, status, &fields);
    let mut response = http::Response::builder().status(status);
    for (name, value) in fields.0.iter().filter(|(name, _)| !OF_A_CONNECTION.contains(&name.as_str())) {
        response = response.header(name.parse::<HeaderName>().ok()?, value);
    }
    let mut sending = respond.send_response(response.body(()).ok()?, false).ok()?;
    loop {
        let piece = tokio::select! {
            piece = reader.piece(reading, &mut framing) => piece,
            _ = poll_fn(|context| sending.poll_reset(context)) => return None,
        };
        let Some(piece) = piece else {
            sending.send_reset(h2::Reason::INTERNAL_ERROR);
            return None;
        };
        let is_last = piece.is_empty();
        sending.send_data(piece.into(), is_last).ok()?;
        if is_last {
            return Some(());
        }
    }
}
