//! [`Wire`]: one HTTP/1.1 connection that sends exact bytes and reads answers piece by piece.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::certificate::Authority;
use crate::message::{Fields, Framing, Reader, Response};
use crate::request::Request;
use crate::wait::within;

/// Anything that is a connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection and what was read from it.
pub struct Wire {
    stream: Box<dyn Stream>,
    reader: Reader,
    host: String,
    framing: Framing,
    versions: Vec<String>,
}

/// A connection on which a byte comes now and then, for ever.
pub struct Drip {
    reading: OwnedReadHalf,
    dripping: JoinHandle<()>,
}

/// Between two bytes of a [`Drip`].
const DROP: Duration = Duration::from_millis(20);

// === impl Drip ===

impl Drip {
    /// Sends these bytes at once, then one more again and again.
    #[must_use]
    pub fn start(stream: TcpStream, first: &[u8]) -> Self {
        let (reading, mut writing) = stream.into_split();
        let first = first.to_vec();
        let dripping = tokio::spawn(async move {
            let mut next = writing.write_all(&first).await;
            while next.is_ok() {
                tokio::time::sleep(DROP).await;
                next = writing.write_all(b"a").await;
            }
        });
        Self { reading, dripping }
    }

    /// Waits until the other side has had enough.
    pub async fn cut_off(mut self) {
        let mut rest = [0; 1024];
        within("a client that drips to be cut off", async {
            while self.reading.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        })
        .await;
        self.dripping.abort();
    }
}

// === impl Wire ===

impl Wire {
    /// Connects in the clear.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.expect("a connection to the gateway")
    }

    /// Connects in the clear; `None` where nobody listens.
    pub async fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self::over(Box::new(stream), address.to_string()))
    }

    /// Connects in the clear, as somebody else: from this address.
    pub async fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("an address of this host");
        let stream = socket.connect(address).await.expect("a connection to the gateway");
        Self::over(Box::new(stream), address.to_string())
    }

    /// Connects with TLS, as `localhost`, and checks the certificate.
    pub async fn tls(address: SocketAddr, authority: &Authority) -> Self {
        Self::tls_speaking(address, authority, b"http/1.1").await
    }

    /// The same, offering another protocol, which the test then writes itself.
    pub async fn tls_speaking(address: SocketAddr, authority: &Authority, protocol: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection to the gateway");
        let connector = TlsConnector::from(authority.client(&[protocol]));
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = connector.connect(name, stream).await.expect("a TLS handshake");
        Self::over(Box::new(stream), format!("localhost:{}", address.port()))
    }

    fn over(stream: Box<dyn Stream>, host: String) -> Self {
        Self { stream, reader: Reader::default(), host, framing: Framing::Empty, versions: Vec::new() }
    }

    /// Sends a request.
    pub async fn send(&mut self, request: &Request) {
        let bytes = request.bytes(&self.host);
        self.send_bytes(&bytes).await;
    }

    /// Sends these bytes. A gateway that has closed is noticed when reading.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next header, interim ones included; `None` where the connection ended instead.
    pub async fn head(&mut self, method: &str) -> Option<(u16, Fields)> {
        let head = within("the header of a response", self.reader.head(&mut self.stream)).await?;
        let text = String::from_utf8_lossy(&head).into_owned();
        self.versions.extend(text.split(' ').next().map(str::to_owned));
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let fields = Fields::parse(&text);
        self.framing = framing(method, status, &fields);
        Some((status, fields))
    }

    /// The next piece of the body; empty at its end, `None` where it broke off.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        within("a piece of a body", self.reader.piece(&mut self.stream, &mut self.framing)).await
    }

    /// Bytes after an upgrade; empty at the end.
    pub async fn some(&mut self) -> Vec<u8> {
        within("bytes after an upgrade", self.reader.some(&mut self.stream)).await
    }

    /// The final response to a request of this method, whole; `None` where the connection ended instead.
    pub async fn try_response(&mut self, method: &str) -> Option<Response> {
        let mut response = Response::default();
        loop {
            (response.status, response.fields) = self.head(method).await?;
            if response.status >= 200 || response.status == 101 {
                break;
            }
            response.interim.push(response.status);
        }
        loop {
            match self.piece().await {
                Some(piece) if piece.is_empty() => {
                    response.complete = true;
                    return Some(response);
                }
                Some(piece) => response.body.extend_from_slice(&piece),
                None => return Some(response),
            }
        }
    }

    /// The final response to a request of this method.
    pub async fn response(&mut self, method: &str) -> Response {
        self.try_response(method).await.expect("a response before the end of the connection")
    }

    /// Sends and reads.
    pub async fn call(&mut self, request: &Request) -> Response {
        self.send(request).await;
        self.response(&request.method).await
    }

    /// Sends and reads; `None` where the connection ended instead.
    pub async fn try_call(&mut self, request: &Request) -> Option<Response> {
        self.send(request).await;
        self.try_response(&request.method).await
    }

    /// The version of each header that was read: `HTTP/1.1`.
    #[must_use]
    pub fn versions(&self) -> &[String] {
        &self.versions
    }

    /// Whether the other side has closed and nothing is left to read.
    pub async fn is_closed(&mut self) -> bool {
        within("the end of the connection", self.reader.some(&mut self.stream)).await.is_empty()
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Wire").field("host", &self.host).field("unread", &self.reader.rest().len()).finish()
    }
}

/// How the body of an answer ends.
pub(crate) fn framing(method: &str, status: u16, fields: &Fields) -> Framing {
    let length = fields.get("content-length").and_then(|length| length.parse().ok());
    if method == "HEAD" || status < 200 || matches!(status, 204 | 304) {
        return Framing::Empty;
    }
    match length {
        _ if fields.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) => {
            Framing::Chunked
        }
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    }
}
