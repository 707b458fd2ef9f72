//! Every limit of the data plane, by name. A queue, a body or a header without one is a bug.

use std::time::Duration;

/// Longest request body whose digest is taken here, in bytes: Pingora can give back 64 KiB of a body that was read,
/// and hangs above.
pub(crate) const DIGESTED_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Longest response that is stored with a payment identifier, in bytes.
pub(crate) const STORED_RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// Longest unread request body that is drained before a refusal so that the connection can be used again, in bytes.
pub(crate) const DRAINED_BODY_BYTES_MAX: u64 = 16 * 1024;

/// Longest `Idempotency-Key`, in bytes.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How often one request may be offered to another address after a connection could not be made.
pub(crate) const CONNECT_TRIES_MAX: usize = 3;

/// Routes that stand in metrics by their own name; the others count as `other`.
pub(crate) const ROUTE_LABELS_MAX: usize = 200;

/// Automatic refunds one agent gets in a day; a client that provokes broken bodies is charged from there on.
pub(crate) const REFUNDS_PER_AGENT_DAY_MAX: u32 = 100;

/// Answers under the reserved prefix that one client address gets in a minute.
pub(crate) const PAYER_VIEWS_PER_MINUTE_MAX: u32 = 120;

/// What the operator may set for the data plane.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that serve requests.
    pub workers: usize,
    /// Open client connections; the next one is closed at once.
    pub connections_max: usize,
    /// All header fields of a request together, in bytes; 431 above.
    pub header_bytes_max: usize,
    /// A payment header, in bytes; 431 above.
    pub payment_header_bytes_max: usize,
    /// Until the TLS handshake stands.
    pub handshake_timeout: Duration,
    /// Between two reads from a client.
    pub client_read_timeout: Duration,
    /// Between two writes to a client.
    pub client_write_timeout: Duration,
    /// How long an unused client connection is kept.
    pub client_idle_timeout: Duration,
    /// Unused upstream connections kept, all upstreams together.
    pub upstream_connections_kept_max: usize,
    /// How long running requests may take to finish after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// What clients call this gateway by, such as `https://api.example.com`; the request's own host where not set.
    pub public_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            connections_max: 10_000,
            header_bytes_max: 32 * 1024,
            payment_header_bytes_max: 16 * 1024,
            handshake_timeout: Duration::from_secs(10),
            client_read_timeout: Duration::from_secs(60),
            client_write_timeout: Duration::from_secs(60),
            client_idle_timeout: Duration::from_secs(60),
            upstream_connections_kept_max: 1_024,
            drain_timeout: Duration::from_secs(10),
            public_url: None,
        }
    }
}
