//! What providers and routes are made of, for the OpenAPI document. The keys are those of the configuration file, and its
//! readers are what checks them: these types only describe.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use registry::{EntryChange, Outcome};

/// A provider's document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
pub(crate) struct ProviderBody {
    /// Unique and for ever: its accounts are kept under it.
    name: String,
    /// The platform's share of each payment, such as `2.5%`. Set by the operator.
    fee: Option<String>,
    /// Hosts that its routes are served on; all that nobody else names where not given. Set by the operator.
    hosts: Option<Vec<String>>,
    /// What signed payments are made out to. Set by the operator.
    pay_to: Option<String>,
    /// How it is paid on public networks: `direct`, at its own `address`, or `treasury`, at the operator's. Set by the operator.
    custody: Option<String>,
    /// Its own address on public networks, which receives what is paid there at once. Set by the operator.
    address: Option<String>,
    /// Its own addresses on non-EVM networks, by the network. Set by the operator.
    foreign_addresses: Option<Map<String, Value>>,
    /// Calls of one consumer to all its routes: `{"calls": 1000, "per": "1m", "burst": 2000}`.
    rate_limit: Option<Map<String, Value>>,
    /// What was agreed on its settlements: `schedule`, `amount_min`, `age_max`, `delay`. Set by the operator.
    settlement: Option<Map<String, Value>>,
    profile: Option<ProfileBody>,
    upstream: UpstreamBody,
}

/// Who it is, for people.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
struct ProfileBody {
    /// What people call it, in at most 128 bytes.
    display_name: Option<String>,
    /// Its website: an http or https URL.
    website: Option<String>,
    /// Where it is reached, such as a mail address, in at most 256 bytes.
    contact: Option<String>,
    /// What it offers, in at most 1024 bytes on one line.
    description: Option<String>,
}

/// Where the API is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
struct UpstreamBody {
    /// Such as `https://api.example.com`; several take turns.
    addresses: Vec<String>,
    /// Put before every path.
    base_path: Option<String>,
    /// The `Host` to send.
    host: Option<String>,
    /// Fields set on every request: the provider's own API key. Never shown again: `[secret]` stands for what is there, and
    /// keeps it where it is given. A change that sends requests to another place must say the values again.
    headers: Option<Map<String, Value>>,
    /// How long a connection may take, such as `2s`.
    connect_timeout: Option<String>,
    /// How long an answer may take, such as `60s`.
    read_timeout: Option<String>,
    /// Speak HTTP/2 to it.
    http2: Option<bool>,
}

/// A route's document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
pub(crate) struct RouteBody {
    /// Unique and for ever: metrics, policies and payments name it.
    name: String,
    /// Whose it is; a provider's key names its own.
    provider: String,
    /// Such as `/v1/quotes/{symbol}`.
    path: String,
    /// Methods of IANA's registry that are answered; all where not given.
    methods: Option<Vec<String>>,
    /// Such as `$0.0025`, or `free`.
    price: Option<String>,
    /// Volume tiers instead of a price: `[{"from": 1, "price": "$0.01"}, ...]`.
    tiers: Option<Vec<Map<String, Value>>>,
    /// By what a call used, instead of a price: `{"up_to": "$0.10", "units": [{"from": "json:/usage/total_tokens", "price": "$0.000002"}],
    /// "unread": "$0.05"}`.
    metered: Option<Map<String, Value>>,
    /// Calls a day that cost an agent nothing.
    free_per_day: Option<u32>,
    /// What kind of thing it sells: policies allow and limit by it.
    category: Option<String>,
    /// Calls of one consumer: `{"calls": 100, "per": "1s", "burst": 200}`.
    rate_limit: Option<Map<String, Value>>,
    /// What the offer says of it.
    description: Option<String>,
    /// The media type that the offer names.
    mime_type: Option<String>,
    /// `after` or `before`.
    capture: Option<String>,
    /// When payments on public networks are settled: `after`, `before` or `deferred`.
    settle: Option<String>,
    /// Which offers stand first: `chain-first` or `wallet-first`.
    offer_order: Option<String>,
    /// `never` or `safe`.
    retry: Option<String>,
    /// Statuses that are charged, instead of 2xx, 101 and 304; with 200 comes 206.
    charge_on: Option<Vec<u16>>,
}

/// A JSON merge patch (RFC 7396) of a document: what is given replaces, null takes away.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
pub(crate) struct ProviderPatch {
    /// The platform's share of each payment. Set by the operator.
    fee: Option<String>,
    /// Hosts that its routes are served on. Set by the operator.
    hosts: Option<Vec<String>>,
    /// How it is paid on public networks: `direct` or `treasury`. Set by the operator.
    custody: Option<String>,
    /// Its own address on public networks, with custody `direct`. Set by the operator.
    address: Option<String>,
    /// Its own addresses on non-EVM networks, by the network. Set by the operator.
    foreign_addresses: Option<Map<String, Value>>,
    /// Calls of one consumer to all its routes: `{"calls": 1000, "per": "1m", "burst": 2000}`.
    rate_limit: Option<Map<String, Value>>,
    /// What was agreed on its settlements. Set by the operator.
    settlement: Option<Map<String, Value>>,
    profile: Option<ProfileBody>,
    #[schema(nullable = false)]
    upstream: Option<UpstreamPatch>,
}

/// Where the API is: what is given of it replaces.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
struct UpstreamPatch {
    /// Such as `https://api.example.com`; several take turns. All of them: those that are not given are gone.
    #[schema(nullable = false)]
    addresses: Option<Vec<String>>,
    /// Put before every path.
    base_path: Option<String>,
    /// The `Host` to send.
    host: Option<String>,
    /// Fields set on every request: the provider's own API key. Never shown again. A change that sends requests to another place
    /// must say the values again.
    headers: Option<Map<String, Value>>,
    /// How long a connection may take, such as `2s`.
    connect_timeout: Option<String>,
    /// How long an answer may take, such as `60s`.
    read_timeout: Option<String>,
    /// Speak HTTP/2 to it.
    http2: Option<bool>,
}

/// A JSON merge patch (RFC 7396) of a document: what is given replaces, null takes away.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
pub(crate) struct RoutePatch {
    /// Such as `/v1/quotes/{symbol}`.
    #[schema(nullable = false)]
    path: Option<String>,
    /// Methods of IANA's registry that are answered; all where none.
    methods: Option<Vec<String>>,
    /// Such as `$0.0025`, or `free`.
    price: Option<String>,
    /// Volume tiers instead of a price, which has to be taken away in the same patch.
    tiers: Option<Vec<Map<String, Value>>>,
    /// By what a call used, instead of a price: `{"up_to": "$0.10", "units": [{"from": "json:/usage/total_tokens", "price": "$0.000002"}],
    /// "unread": "$0.05"}`.
    metered: Option<Map<String, Value>>,
    /// Calls a day that cost an agent nothing.
    free_per_day: Option<u32>,
    /// What kind of thing it sells.
    category: Option<String>,
    /// Calls of one consumer: `{"calls": 100, "per": "1s", "burst": 200}`.
    rate_limit: Option<Map<String, Value>>,
    /// What the offer says of it.
    description: Option<String>,
    /// The media type that the offer names.
    mime_type: Option<String>,
    /// `after` or `before`.
    capture: Option<String>,
    /// When payments on public networks are settled: `after`, `before` or `deferred`.
    settle: Option<String>,
    /// Which offers stand first: `chain-first` or `wallet-first`.
    offer_order: Option<String>,
    /// `never` or `safe`.
    retry: Option<String>,
    /// Statuses that are charged, instead of 2xx, 101 and 304; with 200 comes 206.
    charge_on: Option<Vec<u16>>,
}

/// What came of a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutcomeView {
    /// The version of the catalog from which on it holds: in force in this process now, elsewhere within a second. Of a dry run
    /// the one that would be next.
    version: u64,
    /// What changed, with old and new prices.
    #[schema(value_type = Vec<Value>)]
    changes: Vec<EntryChange>,
}

// === impl OutcomeView ===

impl From<Outcome> for OutcomeView {
    fn from(outcome: Outcome) -> Self {
        Self { version: outcome.version, changes: outcome.changes }
    }
}
