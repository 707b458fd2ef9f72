//! [`Http2`]: a small HTTP/2 client, in the clear or over TLS.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certificate::Authority;
use crate::message::{Fields, Response};
use crate::request::Request;
use crate::wait::within;

/// One connection.
pub struct Http2 {
    sender: SendRequest<Bytes>,
    origin: String,
}

/// A request on its way. Dropping it resets its stream.
pub struct Call {
    response: ResponseFuture,
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
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.origin, request.target));
        for (name, value) in &request.fields {
            builder = builder.header(name.to_ascii_lowercase(), value);
        }
        let head = builder.body(()).expect("a request");
        let mut sender =
            within("room for a stream", self.sender.clone().ready()).await.expect("an open connection");
        let (response, mut body) = sender.send_request(head, request.body.is_none()).expect("a stream");
        if let Some(bytes) = &request.body {
            body.send_data(Bytes::from(bytes.clone()), true).expect("room for a body");
        }
        Call { response }
    }

    /// Sends and reads whole.
    pub async fn call(&mut self, request: &Request) -> Response {
        self.start(request).await.response().await
    }
}

// === impl Call ===

impl Call {
    /// The whole response.
    pub async fn response(self) -> Response {
        let (head, mut stream) = within("a response", self.response).await.expect("a response").into_parts();
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
