//! [`Http2`]: a small HTTP/2 client, in the clear or over TLS.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certificate::Authority;
use crate::message::{Fields, Response};
use crate::request::Request;
use crate::wait::{until, within};

/// One connection.
pub struct Http2 {
    sender: SendRequest<Bytes>,
    origin: String,
}

/// A request on its way. Dropping it resets its stream.
pub struct Call {
    response: ResponseFuture,
    body: SendStream<Bytes>,
}

// === impl Http2 ===

impl Http2 {
    /// Connects in the clear, with prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 handshake");
        tokio::spawn(connection);
        Self { sender, origin: format!("http://{address}") }
    }

    /// Connects with TLS, as `localhost`, and insists on HTTP/2.
    pub async fn tls(address: SocketAddr, authority: &Authority) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let connector = TlsConnector::from(authority.client(&[b"h2"]));
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = connector.connect(name, stream).await.expect("a TLS handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the listener speaks no HTTP/2");
        let (sender, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 handshake");
        tokio::spawn(connection);
        Self { sender, origin: format!("https://localhost:{}", address.port()) }
    }

    /// Sends a request whole.
    pub async fn start(&mut self, request: &Request) -> Call {
        let mut call = self.open(request, request.body.is_none()).await;
        if let Some(bytes) = &request.body {
            call.send(bytes, true);
        }
        call
    }

    /// Sends a request whose body does not end; what it has of it is sent.
    pub async fn begin(&mut self, request: &Request) -> Call {
        let mut call = self.open(request, false).await;
        if let Some(bytes) = &request.body {
            call.send(bytes, false);
        }
        call
    }

    async fn open(&mut self, request: &Request, is_whole: bool) -> Call {
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.origin, request.target));
        for (name, value) in &request.fields {
            builder = builder.header(name.to_ascii_lowercase(), value);
        }
        let head = builder.body(()).expect("a request");
        let mut sender =
            within("room for a stream", self.sender.clone().ready()).await.expect("an open connection");
        let (response, body) = sender.send_request(head, is_whole).expect("a stream");
        Call { response, body }
    }

    /// Waits until the other side takes no new requests on this connection.
    pub async fn no_more(&mut self) {
        until("a connection without new requests", || {
            let sender = self.sender.clone();
            async move { sender.ready().await.is_err().then_some(()) }
        })
        .await;
    }

    /// Sends and reads whole.
    pub async fn call(&mut self, request: &Request) -> Response {
        self.start(request).await.response().await
    }
}

// === impl Call ===

impl Call {
    fn send(&mut self, bytes: &[u8], is_end: bool) {
        self.body.send_data(Bytes::copy_from_slice(bytes), is_end).expect("room for a body");
    }

    /// The whole response.
    pub async fn response(mut self) -> Response {
        self.answer().await
    }

    /// The same, while its body may still go on.
    pub async fn answer(&mut self) -> Response {
        let (head, mut stream) =
            within("a response", &mut self.response).await.expect("a response").into_parts();
        let mut response =
            Response { status: head.status.as_u16(), fields: fields(&head.headers), ..Response::default() };
        loop {
            match within("a piece of a body", stream.data()).await {
                None => {
                    let trailers = within("the end of a response", stream.trailers()).await;
                    response.complete = trailers.is_ok();
                    response.trailers = trailers.ok().flatten().as_ref().map(fields).unwrap_or_default();
                    return response;
                }
                Some(Err(_)) => return response,
                Some(Ok(piece)) => {
                    let _ = stream.flow_control().release_capacity(piece.len());
                    response.body.extend_from_slice(&piece);
                }
            }
        }
    }
}

fn fields(map: &http::HeaderMap) -> Fields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Fields(map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}
