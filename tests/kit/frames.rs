//! [`Frames`]: one HTTP/2 connection whose frames a test writes itself, rules of the protocol broken or not.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::wait::within;

/// The kinds that are used here (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// What takes nothing for so long takes no more.
const FULL: Duration = Duration::from_millis(300);

/// The header block is whole.
pub const END_HEADERS: u8 = 4;

/// Nothing follows on this stream.
pub const END_STREAM: u8 = 1;

/// One connection, in the clear.
pub struct Frames {
    stream: TcpStream,
    authority: String,
    /// Dynamic entries are counted from here in a header block (RFC 7541 section 2.3).
    first_dynamic: u8,
}

/// How a connection or a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole connection, with or without GOAWAY.
    Connection,
    /// One stream, by a reset.
    Stream,
    /// The header of an answer came instead.
    Answered,
}

// === impl Frames ===

impl Frames {
    /// Connects and sends the preface with these settings, each an identifier and a value.
    pub async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"), address, settings).await
    }

    /// The same with as little room as can be for what comes back.
    pub async fn connect_narrow(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("an option of the socket");
        Self::over(socket.connect(address).await.expect("a connection"), address, settings).await
    }

    async fn over(mut stream: TcpStream, address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        stream.set_nodelay(true).expect("an option of the socket");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the preface");
        let mut made = Self { stream, authority: address.to_string(), first_dynamic: 62 };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        made.send(SETTINGS, 0, 0, &payload).await;
        made
    }

    /// A request's header block; `END_STREAM` and `END_HEADERS` as `flags` say.
    pub async fn headers(&mut self, stream: u32, flags: u8, block: &[u8]) {
        self.send(HEADERS, flags, stream, block).await;
    }

    /// The same on many streams, in one piece.
    pub async fn headers_at_once(&mut self, streams: impl Iterator<Item = u32>, flags: u8, block: &[u8]) {
        let frames: Vec<u8> = streams.flat_map(|stream| frame(HEADERS, flags, stream, block)).collect();
        let _ = self.stream.write_all(&frames).await;
    }

    /// More of a header block.
    pub async fn continuation(&mut self, stream: u32, block: &[u8]) {
        self.send(CONTINUATION, 0, stream, block).await;
    }

    /// A piece of a body.
    pub async fn data(&mut self, stream: u32, flags: u8, bytes: &[u8]) {
        self.send(DATA, flags, stream, bytes).await;
    }

    /// Gives a stream up (`CANCEL`).
    pub async fn reset(&mut self, stream: u32) {
        self.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
    }

    /// Sends pings and reads no answer, until the other side takes no more.
    pub async fn ping_until_full(&mut self) {
        let pings = frame(PING, 0, 0, &[0; 8]).repeat(1_000);
        within("a connection that takes no more", async {
            while tokio::time::timeout(FULL, self.stream.write_all(&pings))
                .await
                .is_ok_and(|sent| sent.is_ok())
            {}
        })
        .await;
    }

    /// A header block in literals.
    #[must_use]
    pub fn block(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let pseudo =
            [(":method", method), (":scheme", "http"), (":path", path), (":authority", &self.authority)];
        pseudo.iter().chain(fields).flat_map(|(name, value)| literal(0x00, name, value)).collect()
    }

    /// Fields that are put into the table once and named `times` times: a few bytes that become many.
    #[must_use]
    pub fn bomb(&self, name: &str, value: &str, times: usize) -> Vec<u8> {
        let mut block = literal(0x40, name, value);
        block.extend(std::iter::repeat_n(0x80 | self.first_dynamic, times));
        block
    }

    /// What comes first: an answer, the end of a stream, or the end of the connection.
    pub async fn ending(&mut self) -> Ending {
        within("the end of an HTTP/2 connection, stream or header", async {
            loop {
                let Some((kind, _)) = self.receive().await else { return Ending::Connection };
                match kind {
                    GOAWAY => return Ending::Connection,
                    RST_STREAM => return Ending::Stream,
                    HEADERS => return Ending::Answered,
                    _ => {}
                }
            }
        })
        .await
    }

    /// Sends one frame. A gateway that has closed is noticed when reading.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let _ = self.stream.write_all(&frame(kind, flags, stream, payload)).await;
    }

    /// The kind and payload of the next frame.
    async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((head[3], payload))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field in full; `kind` is 0x00, or 0x40 where the table shall keep it.
fn literal(kind: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![kind];
    for text in [name, value] {
        integer(&mut bytes, text.len());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A length in seven bits and more (RFC 7541 section 5.1).
fn integer(bytes: &mut Vec<u8>, number: usize) {
    if number < 0x7f {
        bytes.push(u8::try_from(number).expect("seven bits"));
        return;
    }
    bytes.push(0x7f);
    let mut rest = number - 0x7f;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest % 0x80).expect("seven bits") | 0x80);
        rest /= 0x80;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
}
