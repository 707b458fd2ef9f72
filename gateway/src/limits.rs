//! Every limit of the data plane, by name: those that can be set, and those that cannot. A queue, a body or a header
//! without one is a bug.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::Network;
use registry::config::{Limits, ShutdownSettings};

/// Longest request body whose digest is taken here, in bytes: Pingora can give back 64 KiB of a body that was read,
/// and hangs above.
pub(crate) const DIGESTED_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Longest unread request body that is drained before a refusal so that the connection can be used again, in bytes.
pub(crate) const DRAINED_BODY_BYTES_MAX: u64 = 16 * 1024;

/// What may come of an HTTP/1.1 header beside its fields, in bytes, until the connection ends without an answer: its request line, what TLS
/// adds, and what came along of its body.
pub(crate) const BESIDE_FIELDS_BYTES_MAX: usize = 128 * 1024;

/// How long a client may take to make room for an answer of our own, which is a few kilobytes.
pub(crate) const OWN_ANSWER_WAITS_MAX: Duration = Duration::from_secs(5);

/// Longest `Idempotency-Key`, in bytes.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How often one request may be offered to another address after a connection could not be made.
pub(crate) const CONNECT_TRIES_MAX: usize = 3;

/// Routes that stand in metrics by their own name; the others count as `other`.
pub(crate) const ROUTE_LABELS_MAX: usize = 200;

/// What it takes to settle a payment behind a stream, in milliseconds: such a stream ends so long before its payment's time is over.
pub(crate) const SETTLED_BEHIND_MS: i64 = 12_000;

/// Longest request body that goes to an upstream at once, as far as its patience is concerned, in bytes.
pub(crate) const SENT_AT_ONCE_BYTES_MAX: u64 = 64 * 1024;

/// Pieces of an answer that Pingora takes on before it writes the first of them.
pub(crate) const PIECES_WAITING_MAX: u64 = 4;

/// Bodies that broke off and that one agent has refunded, or delivered once more, in a day; a client that provokes them is charged from there
/// on.
pub(crate) const REFUNDS_PER_AGENT_DAY_MAX: u32 = 100;

/// Requests that one agent may leave in a day, after they went upstream and before they were answered, without paying for them: safe ones,
/// and those whose body was not whole.
pub(crate) const HANGUPS_PER_AGENT_DAY_MAX: u32 = 100;

/// Calls of one provider that a payer pays first in a day, that their upstream refuses and that are given back: each costs two transactions.
/// Beyond these it buys nothing there that must be paid first.
pub(crate) const GIVE_BACKS_PER_PROVIDER_DAY_MAX: u32 = 20;

/// The same at all providers.
pub(crate) const GIVE_BACKS_PER_PAYER_DAY_MAX: u32 = 100;

/// The same of calls whose upstream failed, or which we did: no payer can help an outage, but one may know how to provoke it.
pub(crate) const OUTAGES_PER_PAYER_DAY_MAX: u32 = 1_000;

/// Payers of whom nothing is known that one client address may sign as: so many a second, and so many at once. Each costs a read of a node,
/// or a verification.
pub(crate) const STRANGERS_PER_SECOND_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
pub(crate) const STRANGERS_AT_ONCE_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// Look-ups of keys and signers that turn out to be nobody's that one client address may cause: so many a second, an eighth of what a
/// database answers at least, and so many at once.
pub(crate) const NOBODIES_PER_SECOND_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(249);
pub(crate) const NOBODIES_AT_ONCE_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// Answers under the reserved prefix that one client address gets in a minute.
pub(crate) const PAYER_VIEWS_PER_MINUTE_MAX: u32 = 120;

/// Buckets of agents, and as many of addresses, that all rate limits together remember.
pub(crate) const RATE_BUCKETS_MAX: usize = 262_144;

/// Longest body that waits until it is whole, so that its header can say what it cost, in bytes. A longer one, and one of unknown length,
/// passes as it comes.
pub(crate) const METERED_BODY_BYTES_MAX: u64 = 1024 * 1024;

/// What the operator set for the data plane.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Every limit that can be set.
    pub limits: Limits,
    /// How the end is gone about.
    pub shutdown: ShutdownSettings,
    /// What clients call this gateway by, such as `https://api.example.com`; the request's own host where not set.
    pub public_url: Option<String>,
    /// Public networks on which payments are taken, the preferred one first.
    pub networks: Vec<Network>,
}
