//! [`Pool`]: the addresses of one upstream, which of them are well, and whose turn it is.
//!
//! A pool outlives catalogs: a reload that leaves an upstream as it was keeps what is known of its health.
//! Next: [`crate::upstream::health`], the one task that looks after all pools.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use domain::Secret;
use domain::catalog::{Upstream, UpstreamAddress};
use domain::internet::is_public;
use http::{HeaderName, HeaderValue};
use pingora::protocols::ALPN;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions};
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// How long an address that refused a connection is passed over while others are left.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);

/// One failure of an upstream is told in so many milliseconds.
const TELL_EVERY_MS: i64 = 60_000;

/// Streams of one HTTP/2 connection to an upstream.
const HTTP2_STREAMS_MAX: usize = 100;

/// One upstream at work.
pub(crate) struct Pool {
    upstream: Upstream,
    members: Vec<Member>,
    turn: AtomicUsize,
    /// Milliseconds after the pool's start until which no failure is told.
    told_until: AtomicI64,
    /// What every connection to this upstream is made with.
    options: PeerOptions,
    server_name: String,
    /// The provider's own fields, such as its API key.
    fields: Vec<(HeaderName, HeaderValue)>,
    /// Time zero of the members' clocks.
    since: Instant,
}

/// One address.
pub(crate) struct Member {
    address: UpstreamAddress,
    /// What it is called by, in `Host`.
    host: HeaderValue,
    /// Whoever named it must not reach the operator's own network.
    public_only: bool,
    resolved: ArcSwap<Vec<SocketAddr>>,
    healthy: AtomicBool,
    /// Milliseconds after the pool's start until which it is passed over.
    refused_until: AtomicI64,
}

/// The upstream's authorities cannot be used.
#[derive(Debug, Error)]
#[error("cannot read the authorities in {path}: {reason}")]
pub(crate) struct AuthorityError {
    path: String,
    reason: String,
}

// === impl Pool ===

impl Pool {
    /// A pool whose names are not resolved yet; addresses given as numbers are ready.
    pub(crate) fn new(upstream: Upstream) -> Result<Self, AuthorityError> {
        let public_only = upstream.public_only;
        let member =
            |address: &UpstreamAddress| Member::new(address.clone(), host(&upstream, address), public_only);
        let members: Vec<Member> = upstream.addresses.iter().map(member).collect();
        let options = options(&upstream)?;
        let server_name = upstream.tls.as_ref().map_or_else(String::new, |tls| tls.server_name.clone());
        let fields = fields(&upstream);
        let (turn, told_until, since) = (AtomicUsize::new(0), AtomicI64::new(0), Instant::now());
        Ok(Self { upstream, members, turn, told_until, options, server_name, fields, since })
    }

    /// What an address is called by, in `Host`.
    pub(crate) fn host(&self, index: usize) -> HeaderValue {
        self.members.get(index).map_or_else(|| HeaderValue::from_static(""), |member| member.host.clone())
    }

    /// The provider's own fields, for every request to it.
    pub(crate) fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    /// What the catalog says of it.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Its addresses.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether anything could be forwarded now.
    pub(crate) fn is_available(&self) -> bool {
        self.members.iter().any(Member::is_usable)
    }

    /// The next address in turn: one that is well and did not just refuse, else one that is well.
    pub(crate) fn pick(&self) -> Option<(usize, SocketAddr)> {
        let now = self.millis();
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let turns = (0..self.members.len()).map(|step| start.wrapping_add(step) % self.members.len());
        let usable = || turns.clone().filter(|index| self.members[*index].is_usable());
        let rested = usable().find(|index| self.members[*index].refused_until.load(Ordering::Relaxed) <= now);
        let index = rested.or_else(|| usable().next())?;
        let resolved = self.members[index].resolved.load();
        let address = resolved.get(start / self.members.len().max(1) % resolved.len().max(1))?;
        Some((index, *address))
    }

    /// Whether a failure is to be told in the log: the first one in a minute is.
    pub(crate) fn tells(&self) -> bool {
        let now = self.millis();
        let until = self.told_until.load(Ordering::Relaxed);
        let next = now.saturating_add(TELL_EVERY_MS);
        now >= until
            && self.told_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Passes over an address for a moment: no connection could be made.
    pub(crate) fn refused(&self, index: usize) {
        let until =
            self.millis().saturating_add(i64::try_from(REFUSED_PAUSE.as_millis()).unwrap_or(i64::MAX));
        if let Some(member) = self.members.get(index) {
            member.refused_until.store(until, Ordering::Relaxed);
        }
    }

    /// What Pingora connects to.
    pub(crate) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.upstream.tls.is_some(), self.server_name.clone());
        peer._address = PeerAddress::Inet(address);
        peer.options = self.options.clone();
        peer
    }

    fn millis(&self) -> i64 {
        i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

// === impl Member ===

impl Member {
    fn new(address: UpstreamAddress, host: HeaderValue, public_only: bool) -> Self {
        let numeric = address.host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, address.port));
        let numeric = numeric.into_iter().filter(|address| !public_only || is_public(address.ip()));
        Self {
            resolved: ArcSwap::from_pointee(numeric.collect()),
            address,
            host,
            public_only,
            healthy: AtomicBool::new(true),
            refused_until: AtomicI64::new(0),
        }
    }

    /// Where one address of it is.
    pub(crate) fn first(&self) -> Option<SocketAddr> {
        self.resolved.load().first().copied()
    }

    /// Says what the last question gave.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        if self.healthy.swap(healthy, Ordering::Relaxed) != healthy {
            let word = if healthy { "well again" } else { "not well" };
            tracing::warn!(upstream.host = %self.address.host, upstream.port = self.address.port, "upstream is {word}");
        }
    }

    /// Asks the system for the addresses of its name; keeps the last good answer.
    pub(crate) async fn resolve(&self) {
        let UpstreamAddress { host, port } = &self.address;
        if host.parse::<IpAddr>().is_ok() {
            return;
        }
        match tokio::net::lookup_host((host.as_str(), *port)).await {
            Ok(found) => {
                // Judged here, where it is connected to what was judged: a name may lead elsewhere every time it is asked.
                let may = |address: &SocketAddr| !self.public_only || is_public(address.ip());
                let found: Vec<SocketAddr> = found.filter(may).collect();
                if !found.is_empty() {
                    self.resolved.store(Arc::new(found));
                }
            }
            Err(error) => tracing::warn!(upstream.host = %host, %error, "upstream name cannot be resolved"),
        }
    }

    fn is_usable(&self) -> bool {
        self.healthy.load(Ordering::Relaxed) && !self.resolved.load().is_empty()
    }
}

/// As the catalog says, or the address itself. The catalog was checked: a value that cannot be one stays empty.
fn host(upstream: &Upstream, address: &UpstreamAddress) -> HeaderValue {
    let host = upstream.host.clone().unwrap_or_else(|| {
        let default = if upstream.tls.is_some() { 443 } else { 80 };
        let name =
            if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
        if address.port == default { name } else { format!("{name}:{}", address.port) }
    });
    HeaderValue::try_from(host).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Secrets mostly: never to be printed, never to be kept by HTTP/2's compression.
fn fields(upstream: &Upstream) -> Vec<(HeaderName, HeaderValue)> {
    let field = |(name, value): &(String, Secret)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    upstream.headers.iter().filter_map(field).collect()
}

fn options(upstream: &Upstream) -> Result<PeerOptions, AuthorityError> {
    let mut options = PeerOptions::new();
    let timeouts = upstream.timeouts;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect);
    options.read_timeout = Some(timeouts.read);
    options.write_timeout = Some(timeouts.write);
    options.idle_timeout = Some(timeouts.idle);
    options.verify_cert = true;
    options.verify_hostname = true;
    options.max_h2_streams = HTTP2_STREAMS_MAX;
    options.alpn = if upstream.http2 { ALPN::H2 } else { ALPN::H1 };
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
    if let Some(path) = upstream.tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
        options.ca = Some(authorities(path)?);
    }
    Ok(options)
}

fn authorities(path: &Path) -> Result<Arc<[WrappedX509]>, AuthorityError> {
    let unusable = |reason: String| AuthorityError { path: path.display().to_string(), reason };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    // Pingora's own parser panics on what is no certificate; this one says so.
    let mut store = RootCertStore::empty();
    for certificate in &found {
        store.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(found.into_iter().map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509)).collect())
}

#[cfg(test)]
mod tests;
