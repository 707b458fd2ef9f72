//! [`Connection`]: one keep-alive connection of the generator, never blocking, one request at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::response::Response;

/// Bytes asked for in one read; every answer here is shorter.
const READ_BYTES: usize = 16 * 1024;

/// A connection and the request under way on it.
pub(crate) struct Connection {
    socket: TcpStream,
    output: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    due: Option<Instant>,
}

/// What came of a read.
pub(crate) enum Received {
    /// Nothing whole yet.
    Nothing,
    /// The answer to the request that was due then.
    Answer {
        /// What it is.
        response: Response,
        /// When the request was due.
        due: Instant,
    },
    /// The server closed an unused connection.
    Closed,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn open(target: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(target).with_context(|| format!("connecting to {target}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, output: Vec::new(), sent: 0, input: Vec::new(), due: None })
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_busy(&self) -> bool {
        self.due.is_some()
    }

    /// Since when, where one is.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Where the next request is put before [`Self::send`].
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        self.output.clear();
        self.sent = 0;
        &mut self.output
    }

    /// Sends what was put into the output; true when all of it is on its way.
    pub(crate) fn send(&mut self, due: Instant) -> Result<bool> {
        self.due = Some(due);
        self.input.clear();
        self.flush()
    }

    /// Sends the rest; true when nothing is left.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("sending a request"),
            }
        }
        Ok(true)
    }

    /// Whether some of the request could not be sent yet.
    pub(crate) fn is_sending(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Reads once.
    pub(crate) fn receive(&mut self) -> Result<Received> {
        let mut buffer = [0; READ_BYTES];
        let count = match self.socket.read(&mut buffer) {
            Ok(0) if self.due.is_none() => return Ok(Received::Closed),
            Ok(0) => bail!("the server closed a connection without an answer, after {:?}", self.text()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) => return Err(error).context("reading an answer"),
        };
        self.input.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let Some(response) = Response::find(&self.input)? else { return Ok(Received::Nothing) };
        match self.due.take() {
            Some(due) if response.end == self.input.len() => Ok(Received::Answer { response, due }),
            _ => bail!("more came than one answer: {}", self.text()),
        }
    }

    /// What was received last, for an error's message.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.input).chars().take(1_000).collect()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
