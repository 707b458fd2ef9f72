//! Rows of agents as either database gives them, and what they mean.

use std::sync::Arc;

use domain::{Address, AgentId, Amount, KeyId, SpendingPolicy, UnixMillis, WalletId};
use sqlx::FromRow;

use super::StoreError;
use crate::agent::{Access, Agent, KeyGrant};

/// A row of `agent`.
#[derive(Debug, FromRow)]
pub(super) struct AgentRow {
    id: Vec<u8>,
    name: String,
    wallet: Vec<u8>,
    per_request: Option<i64>,
    per_day: Option<i64>,
    per_month: Option<i64>,
    routes: Option<String>,
    providers: Option<String>,
    expires_at: Option<i64>,
    frozen: bool,
    owner: Option<String>,
    /// Where the wallet was joined and is known.
    #[sqlx(default)]
    wallet_frozen: Option<bool>,
}

/// A row of `agent_key`.
#[derive(Debug, FromRow)]
pub(super) struct KeyRow {
    agent: Vec<u8>,
    key_id: Vec<u8>,
    secret_hash: Vec<u8>,
    key_per_request: i64,
    key_expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

/// A key with the agent it belongs to.
#[derive(Debug, FromRow)]
pub(super) struct KeyHolderRow {
    #[sqlx(flatten)]
    pub(super) agent: AgentRow,
    #[sqlx(flatten)]
    pub(super) key: KeyRow,
}

// === impl AgentRow ===

impl AgentRow {
    pub(super) fn access(self, key: Option<KeyGrant>) -> Result<Access, StoreError> {
        let policy = self.policy()?;
        let (agent, wallet) = (self.id()?, WalletId::from_bytes(array(&self.wallet)?));
        let frozen = self.frozen || self.wallet_frozen == Some(true);
        Ok(Access { agent, name: self.name.into(), wallet, policy, key, frozen })
    }

    pub(super) fn agent(self, signers: Vec<Address>, keys: Vec<KeyGrant>) -> Result<Agent, StoreError> {
        let policy = self.policy()?;
        let (id, wallet) = (self.id()?, WalletId::from_bytes(array(&self.wallet)?));
        let (name, frozen, owner) = (self.name.into(), self.frozen, self.owner);
        Ok(Agent { id, name, wallet, owner, policy, frozen, signers, keys })
    }

    pub(super) fn id(&self) -> Result<AgentId, StoreError> {
        array(&self.id).map(AgentId::from_bytes)
    }

    fn policy(&self) -> Result<SpendingPolicy, StoreError> {
        Ok(SpendingPolicy {
            per_request: amount(self.per_request)?,
            per_day: amount(self.per_day)?,
            per_month: amount(self.per_month)?,
            routes: read_names(self.routes.as_deref())?,
            providers: read_names(self.providers.as_deref())?,
            expires_at: self.expires_at.map(UnixMillis),
        })
    }
}

// === impl KeyRow ===

impl KeyRow {
    pub(super) fn grant(&self) -> Result<KeyGrant, StoreError> {
        let per_request = Amount::from_atomic(self.key_per_request).ok_or(StoreError::Corrupt("key"))?;
        let (expires_at, last_used_at) =
            (self.key_expires_at.map(UnixMillis), self.last_used_at.map(UnixMillis));
        Ok(KeyGrant { id: KeyId::from_bytes(array(&self.key_id)?), per_request, expires_at, last_used_at })
    }

    pub(super) fn agent(&self) -> Result<AgentId, StoreError> {
        array(&self.agent).map(AgentId::from_bytes)
    }

    pub(super) fn secret_hash(&self) -> Result<[u8; 32], StoreError> {
        array(&self.secret_hash)
    }
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt("agent"))
}

pub(super) fn write_names(names: Option<&[Arc<str>]>) -> Option<String> {
    names.and_then(|names| serde_json::to_string(names).ok())
}

fn read_names(text: Option<&str>) -> Result<Option<Vec<Arc<str>>>, StoreError> {
    text.map(|text| serde_json::from_str(text).map_err(|_| StoreError::Corrupt("policy"))).transpose()
}

fn amount(units: Option<i64>) -> Result<Option<Amount>, StoreError> {
    units.map(|units| Amount::from_atomic(units).ok_or(StoreError::Corrupt("policy"))).transpose()
}

/// A JSON list of byte strings in hexadecimal digits, for `unhex(value)` of `json_each`.
pub(super) fn hex_list<'a>(items: impl Iterator<Item = &'a [u8]>) -> String {
    let items: Vec<String> =
        items.map(|bytes| format!("\"{}\"", data_encoding::HEXLOWER.encode(bytes))).collect();
    format!("[{}]", items.join(","))
}
