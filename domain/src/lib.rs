//! The pure words of the business: money, prices, policies, paths, catalogs, and what makes two payments one.
//!
//! No I/O, no clock, no randomness: callers bring those. Everything here can be tested with plain values.
//! Next: `protocol` for the wire, `ledger` for money at rest, `registry` for what people edit.

pub mod amount;
mod asset;
pub mod catalog;
pub mod chain;
mod foreign_name;
pub mod identifier;
pub mod internet;
pub mod latency;
pub mod meter;
pub mod party;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod price;
pub mod rate;
pub mod replay;
pub mod router;
pub mod scope;
mod secret;
mod settlement;
mod time;

pub use alloy_primitives::{Address, B256};
pub use amount::{Amount, BasisPoints};
pub use asset::Asset;
pub use catalog::{Capture, Catalog, Provider, ProviderId, Route};
pub use chain::{
    ChainAccount, Custody, ForeignNetwork, Network, OfferOrder, Payee, Settle, Token, TransferMethod,
};
pub use foreign_name::ForeignName;
pub use identifier::{
    AgentId, AlertId, ApiKeyId, ChangeId, EventId, KeyId, OutgoingId, PaymentId, PayoutId, RequestId,
    SettlementId, TransferId, WalletId, WebhookId,
};
pub use latency::{LatencyHistogram, LatencyStep};
pub use meter::Metered;
pub use party::{Party, TransactionId};
pub use path::CanonicalPath;
pub use policy::{PolicyViolation, ScopedLimit, ScopedLimits, SpendingPolicy, WindowLimit};
pub use price::Price;
pub use rate::RateLimit;
pub use replay::{Fingerprint, IdempotencyKey, ReplayKey};
pub use router::RouteId;
pub use scope::{Scope, Sold};
pub use secret::Secret;
pub use settlement::{PayoutDestination, Schedule, SettlementRules, SettlementTerms};
pub use time::{Clock, UnixMillis, Window};
