//! Sockets that clients connect to: accepted here, within a limit, then handed to Pingora.
//!
//! The accept loop is our own so that connections have a limit, the caller knows the port it got, and draining
//! waits for requests instead of for a fixed time. Next: [`crate::proxy`] for what happens with a request.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use pingora::apps::ServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as TransportStream;
use pingora::protocols::{ALPN, GetSocketDigest, SocketDigest, Stream};
use registry::config::{DataListener, TlsFiles};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::connection::buffered::Buffered;
use crate::connection::customers::{Connected, Customers};
use crate::connection::header_clock::{HeaderClock, HeaderLimit};
use crate::connection::streams::Streams;
use crate::connection::worker::{Seat, Worker};
use crate::gateway::StartError;
use crate::metrics::Metrics;
use crate::shutdown::{FRESH, Phase, Shutdown};

/// After the system refused a connection for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that the system's queue can hold: what is accepted at most once nobody new is to be let in.
const QUEUE_MAX: usize = 4_096;

/// A bound socket and what is spoken on it.
#[derive(Debug)]
pub struct Listener {
    socket: StdListener,
    tls: Option<TlsFiles>,
    http2: bool,
}

/// What the accept loops of all listeners share.
#[derive(Clone)]
pub(crate) struct Acceptance {
    pub(crate) workers: Arc<[Arc<Worker>]>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) customers: Arc<Customers>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_limit: HeaderLimit,
    pub(crate) read_timeout: Duration,
    pub(crate) shutdown: Shutdown,
    pub(crate) metrics: Arc<Metrics>,
}

// === impl Listener ===

impl Listener {
    /// What is spoken on a socket that the caller bound.
    #[must_use]
    pub fn new(settings: &DataListener, socket: StdListener) -> Self {
        Self { socket, tls: settings.tls.clone(), http2: settings.http2 }
    }

    /// The address that was bound, with its real port.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn speaks_http2_in_clear(&self) -> bool {
        self.http2 && self.tls.is_none()
    }

    /// Reads certificates before anything is served, so that a bad file is an error and not a panic.
    pub(crate) fn open(self) -> Result<OpenListener, StartError> {
        let speaks = match &self.tls {
            Some(files) => Speaks::Tls(Arc::new(acceptor(files, self.http2)?)),
            None => Speaks::Plain { http2: self.http2 },
        };
        self.socket.set_nonblocking(true).map_err(StartError::Listen)?;
        Ok(OpenListener { socket: self.socket, speaks })
    }
}

/// A listener whose certificate was read.
pub(crate) struct OpenListener {
    socket: StdListener,
    speaks: Speaks,
}

/// What is spoken on it.
#[derive(Clone)]
enum Speaks {
    /// Without TLS; HTTP/2 beside HTTP/1.1, or not.
    Plain { http2: bool },
    /// What the handshake agrees on.
    Tls(Arc<Acceptor>),
}

// === impl OpenListener ===

impl OpenListener {
    /// Accepts until nobody new is to be let in. Must run on the runtime that serves.
    pub(crate) async fn accept(self, acceptance: Acceptance) -> io::Result<()> {
        let listener = TcpListener::from_std(self.socket)?;
        let ending = acceptance.shutdown.clone();
        let mut end = std::pin::pin!(ending.reached(Phase::Draining));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut end => break,
            };
            match accepted {
                Ok((socket, client)) => acceptance.admit(socket, client, self.speaks.clone()),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        // Who stands in the system's queue was told that somebody is there; closing the socket would reset them.
        for _ in 0..QUEUE_MAX {
            match listener.accept().now_or_never() {
                Some(Ok((socket, client))) => acceptance.admit(socket, client, self.speaks.clone()),
                Some(Err(_)) | None => break,
            }
        }
        Ok(())
    }
}

// === impl Acceptance ===

impl Acceptance {
    /// Serves a connection where there is room for it, and for one more of its client's; otherwise closes it.
    fn admit(&self, socket: TcpStream, client: SocketAddr, speaks: Speaks) {
        let Some(connected) = self.customers.connect(client.ip()) else {
            return self.metrics.connection_refused();
        };
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.metrics.connection_refused();
        };
        // Its events are to wake the thread that serves it, not this one.
        let (Some(seat), Ok(socket)) = (Worker::least_busy(&self.workers), socket.into_std()) else { return };
        let runtime = seat.worker().runtime.clone();
        let fresh = Cell::new(Some(self.shutdown.connected()));
        runtime.spawn(FRESH.scope(fresh, serve(socket, speaks, self.clone(), seat, (connected, permit))));
    }
}

/// Serves one connection to its end.
async fn serve(
    socket: StdStream,
    speaks: Speaks,
    acceptance: Acceptance,
    seat: Seat,
    (connected, _permit): (Connected, OwnedSemaphorePermit),
) {
    let Ok(socket) = TcpStream::from_std(socket) else { return };
    let _ = socket.set_nodelay(true);
    let descriptor = socket.as_raw_fd();
    let mut transport: TransportStream = socket.into();
    // Without it the client's address is unknown, and `X-Forwarded-For` cannot be rebuilt.
    transport.set_socket_digest(SocketDigest::from_raw_fd(descriptor));
    let mut ending = acceptance.shutdown.watch();
    let (leave, watch) = watch::channel(*ending.borrow_and_update());
    let streams = Streams::new(acceptance.read_timeout, leave.clone());
    let clock = HeaderClock::start(acceptance.header_limit, streams, Arc::clone(connected.customer()));
    let is_http2_in_clear = matches!(speaks, Speaks::Plain { http2: true });
    let Ok(transport) = Buffered::new(transport, Arc::clone(&clock), is_http2_in_clear) else {
        return;
    };
    let stream: Stream = match speaks {
        Speaks::Plain { .. } => Box::new(transport),
        Speaks::Tls(acceptor) => {
            let handshake = acceptor.tls_handshake(transport);
            match tokio::time::timeout(acceptance.handshake_timeout, handshake).await {
                Ok(Ok(encrypted)) => Box::new(encrypted),
                _ => return,
            }
        }
    };
    if stream.selected_alpn_proto() == Some(ALPN::H2) {
        clock.speaks_http2();
    }
    let served = async {
        let mut next = Some(stream);
        while let Some(stream) = next {
            next = seat.worker().proxy.process_new(stream, &watch).await;
        }
    };
    // A connection leaves with all of them, or alone.
    let all_leave = async {
        let _ = ending.changed().await;
        leave.send_replace(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = served => {}
        () = all_leave => {}
    }
}

fn acceptor(files: &TlsFiles, http2: bool) -> Result<Acceptor, StartError> {
    let unreadable = |path: &PathBuf, reason: String| StartError::Certificate { path: path.clone(), reason };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&files.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable(&files.key, error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unreadable(&files.certificate, error.to_string()))?;
    config.alpn_protocols =
        if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Acceptor::from_server_config(Arc::new(config)))
}
