//! Agents as the registry keeps them, and [`Access`], what the data plane gets to know of one.

use std::sync::Arc;

use domain::{Address, AgentId, Amount, KeyId, SpendingPolicy, UnixMillis, WalletId};

use crate::agent_key::{AgentKey, KeyHash};

/// What one key may spend on one call where nothing else was said: $0.10.
pub const KEY_PER_REQUEST: i64 = 100_000;

/// Longest name of an agent, in bytes.
pub const AGENT_NAME_BYTES_MAX: usize = 64;

/// One agent: who pays, from which wallet, under which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its identifier, stable from its first sight.
    pub id: AgentId,
    /// Unique; what the file calls it.
    pub name: Arc<str>,
    /// The wallet it spends from. The ledger must know it before the agent pays.
    pub wallet: WalletId,
    /// What it may spend.
    pub policy: SpendingPolicy,
    /// Pays nothing while set.
    pub frozen: bool,
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
    /// Its wallet, made in the ledger first; see [`crate::Registry::new_wallet`].
    pub wallet: WalletId,
    /// What it may spend.
    pub policy: SpendingPolicy,
}

/// A key to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The most one call may cost with it.
    pub per_request: Amount,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
}

/// A key at the one moment its text is known.
#[derive(Debug)]
pub struct ShownKey {
    /// Its public part.
    pub id: KeyId,
    /// The whole key, to be shown once and kept nowhere.
    pub key: AgentKey,
}

/// What the data plane knows of an agent that pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who pays.
    pub agent: AgentId,
    /// Their name.
    pub name: Arc<str>,
    /// From which wallet.
    pub wallet: WalletId,
    /// Under which rules.
    pub policy: SpendingPolicy,
    /// The key that was shown; none where a signature was.
    pub key: Option<KeyGrant>,
    /// Pays nothing while set.
    pub frozen: bool,
}

/// What one key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// Its public part.
    pub id: KeyId,
    /// The most one call may cost with it.
    pub per_request: Amount,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
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
}

/// A key as the configuration file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its public part and the hash of its secret.
    pub hash: KeyHash,
    /// The most one call may cost with it.
    pub per_request: Amount,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
}

// === impl NewKey ===

impl Default for NewKey {
    fn default() -> Self {
        let per_request = Amount::from_atomic(KEY_PER_REQUEST).unwrap_or(Amount::ZERO);
        Self { per_request, expires_at: None }
    }
}
