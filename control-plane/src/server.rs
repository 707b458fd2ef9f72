//! [`serve`]: a router on a socket that the caller bound, until the caller says stop.
//!
//! Connections are for those who get on: one that asks nothing, and one whose client does not read its answer, are ended
//! after a while; where as many are open as may be, each is closed with its next answer.

use std::io;
use std::net::TcpListener as StdListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// How many connections a listener has, and how long they wait for their clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connections {
    /// Open at once; the next one waits in the system's queue.
    pub(crate) count: usize,
    /// How long a connection may take for its next request's header, its first byte included.
    pub(crate) asking: Duration,
    /// How long a client may read nothing of what is written to it.
    pub(crate) reading: Duration,
}

const CONNECTIONS: Connections =
    Connections { count: 256, asking: Duration::from_secs(10), reading: Duration::from_secs(60) };

/// A connection that breaks off when nothing of its answer is read for too long.
struct Watched {
    stream: TcpStream,
    patience: Duration,
    /// Set while the client reads nothing.
    unread: Option<Pin<Box<Sleep>>>,
}

/// Serves until `stop` is ready and the calls that run have ended.
///
/// # Errors
/// When the socket cannot be used.
pub async fn serve(socket: StdListener, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    serve_in(CONNECTIONS, socket, router, stop).await
}

/// The same with other limits.
pub(crate) async fn serve_in(
    limits: Connections,
    socket: StdListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(socket)?;
    let room = Arc::new(Semaphore::new(limits.count));
    let router = router.layer(middleware::from_fn_with_state(Arc::clone(&room), give_up));
    let stopping = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (stream, permit) = next(&mut listener, &room) => {
                let answered = answer(stream, router.clone(), limits, stopping.subscribe());
                connections.spawn(async move {
                    answered.await;
                    drop(permit);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stopping.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// The next connection, once there is room.
async fn next(
    listener: &mut TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    let (stream, _) = Listener::accept(listener).await;
    (stream, permit)
}

/// Answers what a connection asks, until it ends or the listener stops.
async fn answer(stream: TcpStream, router: Router, limits: Connections, mut stopping: watch::Receiver<bool>) {
    let stream = Watched { stream, patience: limits.reading, unread: None };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.asking)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let stopped = async {
        // An error is the end of the listener as well.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Where as many connections are open as may be, an answer is its connection's last.
async fn give_up(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if room.available_permits() == 0 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

// === impl Watched ===

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            this.unread = None;
            return Poll::Ready(written);
        }
        let unread = this.unread.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.patience)));
        ready!(unread.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
