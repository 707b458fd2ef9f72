//! Agents and their keys as the registry keeps them. Next: [`crate::access`] for what the data plane gets to know of one.

use std::sync::Arc;

use domain::{
    Address, AgentId, Amount, KeyId, Scope, ScopedLimit, Sold, SpendingPolicy, UnixMillis, WalletId,
};
use serde_json::{Map, Value, json};

use crate::agent_key::{AgentKey, KeyHash};
use crate::config::ConfigError;

/// What one key may spend on one call where nothing else was said: $0.10.
pub const KEY_PER_REQUEST: i64 = 100_000;

/// Longest name of an agent, in bytes.
pub const AGENT_NAME_BYTES_MAX: usize = 64;

/// What one key may be narrowed to, in scopes.
pub const KEY_SCOPES_MAX: usize = 64;

/// Names in one list of a policy: the cache of the data plane keeps them for each key.
pub const POLICY_NAMES_MAX: usize = 256;

/// Keys of one agent that have not ended, whoever made them.
pub const KEYS_MAX: u32 = 100;

/// Ended keys of one agent that are still listed.
pub const ENDED_KEYS_MAX: usize = 100;

/// How long an ended key is listed, in milliseconds: 30 days.
pub const ENDED_KEY_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Addresses that sign for one agent.
pub const SIGNERS_MAX: u32 = 100;

/// One agent: who pays, from which wallet, under which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its identifier, stable from its first sight.
    pub id: AgentId,
    /// Unique; what the file calls it.
    pub name: Arc<str>,
    /// The wallet it spends from. The ledger must know it before the agent pays.
    pub wallet: WalletId,
    /// Whose it is; the operator's where nobody's.
    pub owner: Option<String>,
    /// What it may spend.
    pub policy: SpendingPolicy,
    /// Pays nothing while set.
    pub frozen: bool,
    /// Only the operator thaws it; never without `frozen`.
    pub frozen_by_operator: bool,
    /// The addresses that sign for it.
    pub signers: Vec<Address>,
    /// Its keys, without their secrets.
    pub keys: Vec<KeyGrant>,
}

/// An agent to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAgent {
    /// Unique, 1 to [`AGENT_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Its wallet; see [`crate::Registry::new_wallet`].
    pub wallet: WalletId,
    /// Whose it is to be.
    pub owner: Option<String>,
    /// What it may spend.
    pub policy: SpendingPolicy,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The most one call may cost with it.
    pub per_request: Amount,
    /// What it is for, at most [`KEY_SCOPES_MAX`]; empty is everything that its agent may pay.
    pub scopes: Vec<Scope>,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
}

/// A key at the one moment its text is known.
#[derive(Debug)]
pub struct ShownKey {
    /// What it allows.
    pub grant: KeyGrant,
    /// The whole key, to be shown once and kept nowhere.
    pub key: AgentKey,
}

/// What one key allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// Its public part.
    pub id: KeyId,
    /// The most one call may cost with it.
    pub per_request: Amount,
    /// What it is for; empty is everything that its agent may pay.
    pub scopes: Vec<Scope>,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
    /// When it was last used, to the minute, as far as it was written down.
    pub last_used_at: Option<UnixMillis>,
}

/// Which agents, or wallets, are listed: newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<Id = AgentId> {
    /// Only those before this one.
    pub before: Option<Id>,
    /// Only those of this owner.
    pub owner: Option<String>,
}

/// An agent as the configuration file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEntry {
    /// Unique; what finds it again at the next load.
    pub name: String,
    /// What it may spend.
    pub policy: SpendingPolicy,
    /// The addresses that sign for it.
    pub signers: Vec<Address>,
    /// Its keys, as hashes.
    pub keys: Vec<KeyEntry>,
    /// Where all that stands.
    pub(crate) places: AgentPlaces,
}

/// Mistakes at what an entry says, still without words. Entries that differ in nothing else are the same.
#[derive(Clone, Debug)]
pub(crate) struct AgentPlaces {
    pub(crate) name: ConfigError,
    /// In the order of the signers.
    pub(crate) signers: Vec<ConfigError>,
    /// In the order of the keys.
    pub(crate) keys: Vec<ConfigError>,
}

/// A key as the configuration file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its public part and the hash of its secret.
    pub hash: KeyHash,
    /// The most one call may cost with it.
    pub per_request: Amount,
    /// What it is for; empty is everything that its agent may pay.
    pub scopes: Vec<Scope>,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
}

// === impl Agent ===

impl Agent {
    /// As the journal keeps it.
    pub(crate) fn document(&self) -> Value {
        json!({
            "name": self.name,
            "wallet": self.wallet.to_string(),
            "owner": self.owner,
            "frozen": self.frozen,
            "policy": policy_document(&self.policy),
            "signers": self.signers.iter().map(|signer| signer.to_checksum(None)).collect::<Vec<_>>(),
        })
    }
}

/// A policy as the journal keeps it: only the rules there are.
fn policy_document(policy: &SpendingPolicy) -> Value {
    let mut document = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(name.to_owned(), value);
        }
    };
    let money = |limit: Option<Amount>| limit.map(|amount| Value::from(amount.to_string()));
    put("per_request", money(policy.per_request));
    put("per_hour", money(policy.per_hour));
    put("per_day", money(policy.per_day));
    put("per_month", money(policy.per_month));
    let limits = policy.limits.as_slice();
    put("limits", (!limits.is_empty()).then(|| limits.iter().map(limit_document).collect()));
    put("routes", policy.routes.as_ref().map(|names| json!(names)));
    put("providers", policy.providers.as_ref().map(|names| json!(names)));
    put("expires_at", policy.expires_at.map(|end| Value::from(end.to_string())));
    Value::Object(document)
}

fn limit_document(limit: &ScopedLimit) -> Value {
    let (scope, amount) = (limit.scope.to_string(), limit.limit.to_string());
    json!({ "scope": scope, "per": limit.window.name(), "amount": amount })
}

// === impl AgentEntry ===

impl AgentEntry {
    /// BLAKE3 of all that it says but its name, however it is written.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let key = |key: &KeyEntry| {
            json!({
                "hash": key.hash.to_string(),
                "per_request": key.per_request.atomic(),
                "scopes": key.scopes.iter().map(Scope::to_string).collect::<Vec<_>>(),
                "expires_at": key.expires_at.map(|end| end.0),
            })
        };
        let document = json!({
            "policy": policy_document(&self.policy),
            "signers": self.signers.iter().map(|signer| signer.to_checksum(None)).collect::<Vec<_>>(),
            "keys": self.keys.iter().map(key).collect::<Vec<_>>(),
        });
        *blake3::hash(document.to_string().as_bytes()).as_bytes()
    }
}

// === impl AgentPlaces ===

impl PartialEq for AgentPlaces {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for AgentPlaces {}

// === impl KeyGrant ===

impl KeyGrant {
    /// Whether its time is over.
    pub(crate) fn has_ended(&self, now: UnixMillis) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether a call is one that it may pay.
    #[must_use]
    pub fn is_for(&self, sold: &Sold<'_>) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| scope.covers(sold))
    }

    /// As the journal keeps it.
    pub(crate) fn document(&self, agent: AgentId) -> Value {
        json!({
            "agent": agent.to_string(),
            "per_request": self.per_request.to_string(),
            "scopes": self.scopes.iter().map(Scope::to_string).collect::<Vec<_>>(),
            "expires_at": self.expires_at.map(|end| end.to_string()),
        })
    }
}

// === impl NewKey ===

impl Default for NewKey {
    fn default() -> Self {
        let per_request = Amount::from_atomic(KEY_PER_REQUEST).unwrap_or(Amount::ZERO);
        Self { per_request, scopes: Vec::new(), expires_at: None }
    }
}
