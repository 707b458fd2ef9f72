//! [`Buffered`]: a client's connection whose small writes go out together.
//!
//! Pingora writes an answer's header and its body one after the other and flushes at the end. Its own listener gives the
//! socket a buffer; a socket that was accepted here has none, and each answer would cost a system call and a packet more.
//! Where an upstream pauses in a body whose length is known, Pingora does not flush at all: here whoever waits for the
//! client's next byte sends first what the client waits for. Where one breaks off, it gives the connection up as it is: what is still in the
//! buffer goes out first. Whoever waits for a header waits no longer than its [`HeaderClock`] says.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::time::Sleep;

use crate::connection::header_clock::HeaderClock;

/// Holds a header and a short body.
const WRITE_BYTES: usize = 4 * 1024;

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection with a write buffer.
#[derive(Debug)]
pub(crate) struct Buffered {
    inner: BufWriter<Stream>,
    /// Something was written since the last flush.
    unflushed: bool,
    /// Whether the first bytes tell which version of HTTP it is.
    http2_in_clear: bool,
    clock: Arc<HeaderClock>,
    /// By which requests find the clock.
    digest: Arc<ProxyDigest>,
    /// Wakes whoever waits for a header that does not come, or for the rest of a request. Only made for one that does not come whole.
    alarm: Option<Pin<Box<Sleep>>>,
}

// === impl Buffered ===

impl Buffered {
    /// # Errors
    /// None that can happen: Pingora's digest holds a response, and making an empty one has an error.
    pub(crate) fn new(
        stream: Stream,
        clock: Arc<HeaderClock>,
        http2_in_clear: bool,
    ) -> pingora::Result<Self> {
        let unused = Box::new(ResponseHeader::build(200, Some(0))?);
        let digest = Arc::new(ProxyDigest::new(unused, Some(Box::new(Arc::clone(&clock)))));
        let inner = BufWriter::with_capacity(WRITE_BYTES, stream);
        Ok(Self { inner, unflushed: false, http2_in_clear, clock, digest, alarm: None })
    }

    /// Ready when a client takes too long for what is waited for.
    fn poll_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.clock.deadline(context) else {
            self.alarm = None;
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(context)
    }

    /// What a write came to. One that waits ends as a read does: HTTP/2 reads nothing more while it owes a client an answer to its pings
    /// that the client does not take, and nobody else would look at the clock.
    fn unless_slow<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() && self.poll_slow(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl AsyncRead for Buffered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            // A failure shows itself at the next write.
            let _ = self.as_mut().poll_flush(context);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let came = buffer.filled().len().saturating_sub(before);
        if came > 0 && !self.clock.bytes_came(came) {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        if read.is_ready() && self.alarm.is_none() {
            return read;
        }
        // Asked also when bytes came: one that sends a byte at a time is slow all the same.
        match self.poll_slow(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => read,
        }
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.unless_slow(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.unflushed &= flushed.is_pending();
        self.unless_slow(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.inner).poll_shutdown(context);
        self.unless_slow(context, ended)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.unless_slow(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl Drop for Buffered {
    /// A client that paid would get an empty reply otherwise. As much as its socket takes at once: nobody waits here.
    fn drop(&mut self) {
        if self.unflushed {
            let flush = tokio::task::unconstrained(std::future::poll_fn(|context| {
                Pin::new(&mut self.inner).poll_flush(context)
            }));
            let _ = pin!(flush).poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[async_trait]
impl Shutdown for Buffered {
    async fn shutdown(&mut self) {
        // A client that is gone needs no goodbye.
        let _ = AsyncWriteExt::shutdown(&mut self.inner).await;
    }
}

impl UniqueID for Buffered {
    fn id(&self) -> UniqueIDType {
        self.inner.get_ref().id()
    }
}

impl Ssl for Buffered {}

#[async_trait]
impl Peek for Buffered {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        if !self.http2_in_clear {
            // Pingora takes HTTP/2 from all plain listeners, or from none. It takes what cannot be looked at for HTTP/2, and an empty look
            // for HTTP/1.1.
            buffer.fill(0);
            return Ok(true);
        }
        // Without an end here, whoever connects and says nothing would hold a connection for ever.
        let peeked = tokio::time::timeout(self.clock.patience(), self.inner.get_mut().try_peek(buffer)).await;
        let peeked = peeked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        if peeked && buffer.starts_with(HTTP2_PREFACE) {
            self.clock.speaks_http2();
        }
        Ok(peeked)
    }
}

impl GetTimingDigest for Buffered {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_ref().get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_ref().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_ref().get_write_pending_time()
    }
}

impl GetProxyDigest for Buffered {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl GetSocketDigest for Buffered {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_ref().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.get_mut().set_socket_digest(digest);
    }
}
