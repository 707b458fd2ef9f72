//! Sockets that clients connect to: accepted here, within a limit, then handed to Pingora.
//!
//! The accept loop is our own so that connections have a limit, the caller knows the port it got, and draining
//! waits for requests instead of for a fixed time. Next: [`crate::proxy`] for what happens with a request.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as TransportStream;
use pingora::protocols::{GetSocketDigest, SocketDigest, Stream};
use pingora::proxy::HttpProxy;
use registry::config::{DataListener, TlsFiles};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::buffered::Buffered;
use crate::gateway::StartError;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use crate::shutdown::{Phase, Shutdown};

/// After the system refused a connection for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    pub(crate) proxy: Arc<HttpProxy<Proxy>>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_timeout: Duration,
    pub(crate) shutdown: Shutdown,
    pub(crate) metrics: Arc<Metrics>,
}

// === impl Listener ===

impl Listener {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says: the address is in use, or not ours.
    pub fn bind(settings: &DataListener) -> io::Result<Self> {
        let socket = StdListener::bind(settings.address)?;
        Ok(Self { socket, tls: settings.tls.clone(), http2: settings.http2 })
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
        let acceptor = match &self.tls {
            Some(files) => Some(Arc::new(acceptor(files, self.http2)?)),
            None => None,
        };
        self.socket.set_nonblocking(true).map_err(StartError::Listen)?;
        Ok(OpenListener { socket: self.socket, acceptor })
    }
}

/// A listener whose certificate was read.
pub(crate) struct OpenListener {
    socket: StdListener,
    acceptor: Option<Arc<Acceptor>>,
}

// === impl OpenListener ===

impl OpenListener {
    /// Accepts until the end. Must run on the runtime that serves.
    pub(crate) async fn accept(self, acceptance: Acceptance) -> io::Result<()> {
        let listener = TcpListener::from_std(self.socket)?;
        let stopping = acceptance.shutdown.clone();
        let mut end = std::pin::pin!(stopping.reached(Phase::Stopping));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut end => return Ok(()),
            };
            let Ok((socket, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&acceptance.connections).try_acquire_owned() else {
                acceptance.metrics.connection_refused();
                continue;
            };
            tokio::spawn(serve(socket, self.acceptor.clone(), acceptance.clone(), permit));
        }
    }
}

/// Serves one connection to its end.
async fn serve(
    socket: TcpStream,
    acceptor: Option<Arc<Acceptor>>,
    acceptance: Acceptance,
    _permit: OwnedSemaphorePermit,
) {
    let _ = socket.set_nodelay(true);
    let descriptor = socket.as_raw_fd();
    let mut transport: TransportStream = socket.into();
    // Without it the client's address is unknown, and `X-Forwarded-For` cannot be rebuilt.
    transport.set_socket_digest(SocketDigest::from_raw_fd(descriptor));
    let Ok(transport) = Buffered::new(transport, acceptance.header_timeout) else {
        return;
    };
    let stream: Stream = match acceptor {
        None => Box::new(transport),
        Some(acceptor) => {
            let handshake = acceptor.tls_handshake(transport);
            match tokio::time::timeout(acceptance.handshake_timeout, handshake).await {
                Ok(Ok(encrypted)) => Box::new(encrypted),
                _ => return,
            }
        }
    };
    let watch = acceptance.shutdown.watch();
    let mut next = Some(stream);
    while let Some(stream) = next {
        next = acceptance.proxy.process_new(stream, &watch).await;
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
