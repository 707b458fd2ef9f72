//! [`Buffered`]: a client's connection whose small writes go out together.
//!
//! Pingora writes an answer's header and its body one after the other and flushes at the end. Its own listener gives the
//! socket a buffer; a socket that was accepted here has none, and each answer would cost a system call and a packet more.
//! Where an upstream pauses in a body whose length is known, Pingora does not flush at all: here whoever waits for the
//! client's next byte sends first what the client waits for. Whoever waits for a header waits no longer than its
//! [`HeaderClock`] says.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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

use crate::header_clock::HeaderClock;
use crate::streams::Streams;

/// Holds a header and a short body.
const WRITE_BYTES: usize = 4 * 1024;

/// A connection with a write buffer.
#[derive(Debug)]
pub(crate) struct Buffered {
    inner: BufWriter<Stream>,
    /// Something was written since the last flush.
    unflushed: bool,
    /// How long the first bytes, by which HTTP/2 is told from HTTP/1.1, are waited for.
    first_bytes: Duration,
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
    pub(crate) fn new(stream: Stream, header: Duration, streams: Arc<Streams>) -> pingora::Result<Self> {
        let clock = HeaderClock::start(header, streams);
        let unused = Box::new(ResponseHeader::build(200, Some(0))?);
        let digest = Arc::new(ProxyDigest::new(unused, Some(Box::new(Arc::clone(&clock)))));
        let inner = BufWriter::with_capacity(WRITE_BYTES, stream);
        Ok(Self { inner, unflushed: false, first_bytes: header, clock, digest, alarm: None })
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
        if buffer.filled().len() > before {
            self.clock.bytes_came();
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
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.unflushed &= flushed.is_pending();
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
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
        // Without an end here, whoever connects and says nothing would hold a connection for ever.
        let peeked = tokio::time::timeout(self.first_bytes, self.inner.get_mut().try_peek(buffer)).await;
        peeked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
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
