//! The settings of the process: where it listens, and every limit by name.
//!
//! Values and defaults only; what reads them from the file is in [`super::section`]; where the data is, in [`super::database`].

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use domain::{Secret, SettlementRules};

/// The three kinds of listeners (DESIGN section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// For agents; at least one.
    pub data: Vec<DataListener>,
    /// For the management API; loopback by default.
    pub control: SocketAddr,
    /// For `/metrics`, `/healthz` and `/readyz`; loopback by default.
    pub ops: SocketAddr,
}

/// One address that serves agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataListener {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Speaks TLS where set.
    pub tls: Option<TlsFiles>,
    /// Offers HTTP/2: by ALPN over TLS, by prior knowledge without.
    pub http2: bool,
}

/// Where a certificate and its key are, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that signed it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Every limit that an operator may set. Bytes end in `_bytes_max`, counts in `_max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that serve requests, each its own connections.
    pub workers: usize,
    /// Open client connections; the next one is closed at once.
    pub connections_max: usize,
    /// Requests between their header and their end; 503 above.
    pub requests_in_flight_max: usize,
    /// All header fields of a request together; 431 above.
    pub header_bytes_max: usize,
    /// A payment header; 431 above.
    pub payment_header_bytes_max: usize,
    /// A request's body where its route says nothing; 413 above.
    pub request_bytes_max: u64,
    /// A response that is stored for a payment identifier; a longer one is not stored.
    pub stored_response_bytes_max: usize,
    /// Until the TLS handshake of a client stands.
    pub handshake_timeout: Duration,
    /// Until a request's header is whole, from its first byte; for the first one, from the connection's beginning.
    pub client_header_timeout: Duration,
    /// Between two reads from a client, of its header as of its body.
    pub client_read_timeout: Duration,
    /// Between two writes to a client.
    pub client_write_timeout: Duration,
    /// How long an unused client connection is kept.
    pub client_idle_timeout: Duration,
    /// How long an upgraded connection may live.
    pub websocket_duration_max: Duration,
    /// How long an upgraded connection may be silent.
    pub websocket_idle_timeout: Duration,
    /// Unused upstream connections kept, all upstreams together.
    pub upstream_connections_kept_max: usize,
    /// Holds, queued operations and undelivered receipts together; 503 above, before anything is forwarded.
    pub holds_max: usize,
    /// Operations in one commit.
    pub batch_max: usize,
    /// How far ledger time may be ahead of the wall clock before signed payments get 503.
    pub clock_skew_max: Duration,
    /// A commit that takes longer closes the ledger for new holds.
    pub commit_age_max: Duration,
    /// Wallets, and agents, that the ledger keeps in memory.
    pub accounts_max: usize,
    /// Agents that the cache in front of the registry keeps.
    pub directory_entries_max: usize,
    /// Clients that may stand behind one address, where a load balancer connects for them: what an address may ask of public networks and
    /// under the reserved prefix, it may so often.
    pub clients_per_address: NonZeroU32,
    /// Agents of one owner: what a route gives each agent for nothing is bounded for each owner by it.
    pub agents_per_owner_max: u32,
    /// Wallets of one owner.
    pub wallets_per_owner_max: u32,
    /// Routes of one provider, with the names of those that are gone.
    pub routes_per_provider_max: u32,
}

/// How long the end may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// How long new connections are still let in while readiness is red already: load balancers need a moment to notice.
    pub pause: Duration,
    /// How long running requests may take to finish after that.
    pub grace: Duration,
    /// How long streams and upgraded connections may go on; within `grace`.
    pub stream_grace: Duration,
}

/// The EVM network that the wallet ledger looks like to a stock client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletNetwork {
    /// Never one of a public network.
    pub chain_id: u64,
    /// The EIP-712 name of the wallet asset.
    pub name: String,
    /// The EIP-712 version of the wallet asset.
    pub version: String,
}

/// What is looked after beside the data itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataCare {
    /// How often the running books are audited; never where zero.
    pub audit_interval: Duration,
    /// PostgreSQL without a synchronous standby is not ready.
    pub require_synchronous_standby: bool,
    /// How long events are kept.
    pub events_kept: Duration,
    /// Who writes the books.
    pub coordination: Coordination,
}

/// How many processes write the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coordination {
    /// One: it owns them.
    #[default]
    Owner,
    /// Several on one PostgreSQL, which decides between them.
    Db,
}

/// The management API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSettings {
    /// What its callers show; the API is closed where not set.
    pub admin_token: Option<Secret>,
    /// Whether providers may name upstreams on the operator's own network through the API.
    pub private_upstreams: bool,
}

/// Where webhooks may be sent besides the public internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Addresses of private networks and of this host, and any port.
    pub allow_private: bool,
    /// Without TLS.
    pub allow_http: bool,
}

/// When providers are settled with, and how long a new destination of their payouts waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementSettings {
    /// For providers that say nothing else.
    pub rules: SettlementRules,
    /// How often is looked who is to be settled with.
    pub interval: Duration,
    /// Until a destination that replaces another is in force: whoever got hold of a provider's key is noticed before.
    pub payout_destination_delay: Duration,
}

/// The port agents call.
pub const DATA_PORT: u16 = 8402;

/// The port of the management API.
pub const CONTROL_PORT: u16 = 8403;

/// The port of metrics and health.
pub const OPS_PORT: u16 = 8404;

// === impl Listeners ===

impl Default for Listeners {
    fn default() -> Self {
        Self {
            data: vec![DataListener::plain(SocketAddr::from((Ipv4Addr::UNSPECIFIED, DATA_PORT)))],
            control: SocketAddr::from((Ipv4Addr::LOCALHOST, CONTROL_PORT)),
            ops: SocketAddr::from((Ipv4Addr::LOCALHOST, OPS_PORT)),
        }
    }
}

// === impl DataListener ===

impl DataListener {
    /// Without TLS, with HTTP/2 by prior knowledge.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, http2: true }
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            connections_max: 10_000,
            requests_in_flight_max: 20_000,
            header_bytes_max: 32 * 1024,
            payment_header_bytes_max: 16 * 1024,
            request_bytes_max: 10 * 1024 * 1024,
            stored_response_bytes_max: 64 * 1024,
            handshake_timeout: Duration::from_secs(10),
            client_header_timeout: Duration::from_secs(20),
            client_read_timeout: Duration::from_secs(60),
            client_write_timeout: Duration::from_secs(30),
            client_idle_timeout: Duration::from_secs(60),
            websocket_duration_max: Duration::from_secs(60 * 60),
            websocket_idle_timeout: Duration::from_secs(5 * 60),
            upstream_connections_kept_max: 1_024,
            holds_max: 16_384,
            batch_max: 128,
            clock_skew_max: Duration::from_secs(30),
            commit_age_max: Duration::from_secs(5),
            accounts_max: 65_536,
            directory_entries_max: 65_536,
            clients_per_address: NonZeroU32::MIN,
            agents_per_owner_max: 100,
            wallets_per_owner_max: 200,
            routes_per_provider_max: 2_000,
        }
    }
}

// === impl ShutdownSettings ===

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { pause: Duration::ZERO, grace: Duration::from_secs(10), stream_grace: Duration::from_secs(5) }
    }
}

// === impl DataCare ===

impl Default for DataCare {
    fn default() -> Self {
        Self {
            audit_interval: Duration::from_secs(60 * 60),
            require_synchronous_standby: false,
            events_kept: Duration::from_secs(30 * 24 * 60 * 60),
            coordination: Coordination::Owner,
        }
    }
}

// === impl SettlementSettings ===

impl Default for SettlementSettings {
    fn default() -> Self {
        Self {
            rules: SettlementRules::default(),
            interval: Duration::from_secs(60),
            payout_destination_delay: Duration::from_secs(3 * 24 * 60 * 60),
        }
    }
}

// === impl WalletNetwork ===

impl Default for WalletNetwork {
    fn default() -> Self {
        Self { chain_id: 402_402, name: "Faregate USD".to_owned(), version: "1".to_owned() }
    }
}
