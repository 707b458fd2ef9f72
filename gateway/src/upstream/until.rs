//! [`Until`]: the moment by which an upstream must have answered, for its call to be settled while its payment is good.
//!
//! Pingora limits how long an upstream is silent, and begins anew with each piece of the request and of the answer. That is enough where
//! an answer's header decides and a short request asks for it. Elsewhere the exchange gets a connection of its own, which ends at the
//! moment, whoever waits for what, unless its answer's header came first and was enough, or put the end off. Next:
//! [`crate::stage::forward`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use domain::PaymentId;
use parking_lot::Mutex;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OkOrErr, OrErr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A moment that can be put off or lifted. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Until {
    at: Arc<Mutex<Instant>>,
    is_lifted: Arc<AtomicBool>,
}

/// Makes connections that end then.
#[derive(Debug)]
struct Connecting {
    until: Until,
    timeout: Duration,
}

/// One of them.
#[derive(Debug)]
struct Ending {
    stream: TcpStream,
    until: Until,
    alarm: Pin<Box<Sleep>>,
}

// === impl Until ===

impl Until {
    pub(crate) fn new(at: std::time::Instant) -> Self {
        Self { at: Arc::new(Mutex::new(at.into())), is_lifted: Arc::default() }
    }

    /// Gives the exchange of a payment a connection of its own that ends then.
    pub(crate) fn bind(&self, peer: &mut HttpPeer, payment: PaymentId) {
        let left = self.at().saturating_duration_since(Instant::now());
        let timeout = peer.options.connection_timeout.map_or(left, |timeout| timeout.min(left));
        peer.options.custom_l4 = Some(Arc::new(Connecting { until: self.clone(), timeout }));
        // Nobody else gets it, before or afterwards.
        let name = payment.as_bytes().iter().skip(8);
        peer.group_key = name.fold(0, |name, byte| (name << 8) | u64::from(*byte));
        peer.options.idle_timeout = Some(Duration::ZERO);
    }

    /// What is still to come has until then.
    pub(crate) fn put_off(&self, to: std::time::Instant) {
        *self.at.lock() = to.into();
    }

    /// What is still to come may take its time.
    pub(crate) fn lift(&self) {
        self.is_lifted.store(true, Ordering::Release);
    }

    /// Whether it was the reason that a connection ended.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.at() && !self.is_lifted.load(Ordering::Acquire)
    }

    fn at(&self) -> Instant {
        *self.at.lock()
    }
}

// === impl Connecting ===

#[async_trait]
impl Connect for Connecting {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let address = address.as_inet().or_err(ErrorType::ConnectError, "no address of the internet")?;
        let connected = tokio::time::timeout(self.timeout, TcpStream::connect(address)).await;
        let timed_out = |_| Error::explain(ErrorType::ConnectTimedout, "no connection in time");
        let stream = connected.map_err(timed_out)?.or_err(ErrorType::ConnectError, "no connection")?;
        let (until, alarm) = (self.until.clone(), Box::pin(tokio::time::sleep_until(self.until.at())));
        Ok(VirtualSocketStream::new(Box::new(Ending { stream, until, alarm })).into())
    }
}

// === impl Ending ===

impl Ending {
    /// What a wait comes to: nothing any more, once it is over.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            if self.until.is_over() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let at = self.until.at();
            if self.alarm.deadline() == at {
                break;
            }
            self.alarm.as_mut().reset(at);
        }
        Poll::Pending
    }
}

impl AsyncRead for Ending {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.wait(context),
            read => read,
        }
    }
}

impl AsyncWrite for Ending {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.wait(context),
            written => written,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl VirtualSocket for Ending {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // It never rests.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Both ends of a connection that ends in a moment; nobody waits for it here.
    async fn ending(after: Duration) -> (Ending, TcpStream, Until) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other, _) = listener.accept().await.unwrap();
        let until = Until::new(std::time::Instant::now() + after);
        let alarm = Box::pin(tokio::time::sleep_until(until.at()));
        (Ending { stream, until: until.clone(), alarm }, other, until)
    }

    #[tokio::test]
    async fn whoever_waits_for_an_upstream_waits_until_then_and_no_longer() {
        let (mut ending, mut other, until) = ending(Duration::from_millis(50)).await;
        other.write_all(b"begun").await.unwrap();
        let mut read = [0; 5];
        ending.read_exact(&mut read).await.unwrap();
        let over = ending.read_exact(&mut read).await.unwrap_err();
        assert_eq!(over.kind(), io::ErrorKind::TimedOut);
        assert!(until.is_over());
        // Also whoever has more to send than it takes.
        let full = loop {
            match ending.write_all(&[0; 64 * 1024]).await {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_was_put_off_ends_then_and_not_before() {
        let (mut ending, mut other, until) = ending(Duration::ZERO).await;
        until.put_off(std::time::Instant::now() + Duration::from_millis(200));
        let mut read = [0; 5];
        let reading = async { ending.read_exact(&mut read).await };
        let writing = async {
            tokio::task::yield_now().await;
            other.write_all(b"later").await
        };
        let (read_in_time, written) = tokio::join!(reading, writing);
        read_in_time.unwrap();
        written.unwrap();
        let over = ending.read_exact(&mut read).await.unwrap_err();
        assert_eq!(over.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_was_lifted_may_take_its_time() {
        let (mut ending, mut other, until) = ending(Duration::ZERO).await;
        until.lift();
        let writing = tokio::spawn(async move {
            tokio::task::yield_now().await;
            other.write_all(b"later").await.unwrap();
        });
        let mut read = [0; 5];
        ending.read_exact(&mut read).await.unwrap();
        writing.await.unwrap();
        assert!(!until.is_over());
    }
}
