//! Rows of agents as either database gives them, and what they mean.

use std::sync::Arc;

use domain::{
    Address, AgentId, Amount, KeyId, Scope, ScopedLimit, ScopedLimits, SpendingPolicy, UnixMillis, WalletId,
    Window,
};
use sqlx::FromRow;

use super::StoreError;
use crate::access::Access;
use crate::agent::{Agent, KeyGrant};

/// A row of `agent`.
#[derive(Debug, FromRow)]
pub(super) struct AgentRow {
    id: Vec<u8>,
    name: String,
    wallet: Vec<u8>,
    per_request: Option<i64>,
    per_hour: Option<i64>,
    per_day: Option<i64>,
    per_month: Option<i64>,
    limits: Option<String>,
    routes: Option<String>,
    providers: Option<String>,
    expires_at: Option<i64>,
    frozen: bool,
    frozen_by_operator: bool,
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
    key_scopes: Option<String>,
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
        let policy = Arc::new(self.policy()?);
        let (agent, wallet) = (self.id()?, WalletId::from_bytes(array(&self.wallet)?));
        let frozen = self.frozen || self.wallet_frozen == Some(true);
        Ok(Access { agent, name: self.name.into(), wallet, policy, key, frozen })
    }

    pub(super) fn agent(self, signers: Vec<Address>, keys: Vec<KeyGrant>) -> Result<Agent, StoreError> {
        let policy = self.policy()?;
        let (id, wallet) = (self.id()?, WalletId::from_bytes(array(&self.wallet)?));
        let Self { frozen, frozen_by_operator, owner, .. } = self;
        Ok(Agent {
            id,
            name: self.name.into(),
            wallet,
            owner,
            policy,
            frozen,
            frozen_by_operator,
            signers,
            keys,
        })
    }

    pub(super) fn id(&self) -> Result<AgentId, StoreError> {
        array(&self.id).map(AgentId::from_bytes)
    }

    fn policy(&self) -> Result<SpendingPolicy, StoreError> {
        Ok(SpendingPolicy {
            per_request: amount(self.per_request)?,
            per_hour: amount(self.per_hour)?,
            per_day: amount(self.per_day)?,
            per_month: amount(self.per_month)?,
            limits: read_limits(self.limits.as_deref())?,
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
        let (id, scopes) =
            (KeyId::from_bytes(array(&self.key_id)?), read_scopes(self.key_scopes.as_deref())?);
        Ok(KeyGrant { id, per_request, scopes, expires_at, last_used_at })
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

/// A policy's limits on parts of what is sold: `[[scope, window, units], ...]`; null where there are none.
pub(super) fn write_limits(limits: &ScopedLimits) -> Option<String> {
    let row = |limit: &ScopedLimit| (limit.scope.to_string(), limit.window.name(), limit.limit.atomic());
    let rows: Vec<_> = limits.as_slice().iter().map(row).collect();
    if rows.is_empty() { None } else { serde_json::to_string(&rows).ok() }
}

fn read_limits(text: Option<&str>) -> Result<ScopedLimits, StoreError> {
    let corrupt = || StoreError::Corrupt("policy");
    let rows: Vec<(String, String, i64)> =
        text.map_or(Ok(Vec::new()), serde_json::from_str).map_err(|_| corrupt())?;
    let read = |(scope, window, units): (String, String, i64)| {
        let limit = Amount::from_atomic(units).ok_or_else(corrupt)?;
        let window = Window::parse(&window).ok_or_else(corrupt)?;
        Ok(ScopedLimit { scope: scope.parse().map_err(|_| corrupt())?, window, limit })
    };
    let limits = rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
    ScopedLimits::new(limits).map_err(|_| corrupt())
}

/// What a key is for, as a JSON list; null is everything.
pub(super) fn write_scopes(scopes: &[Scope]) -> Option<String> {
    let texts: Vec<String> = scopes.iter().map(Scope::to_string).collect();
    if texts.is_empty() { None } else { serde_json::to_string(&texts).ok() }
}

fn read_scopes(text: Option<&str>) -> Result<Vec<Scope>, StoreError> {
    let corrupt = || StoreError::Corrupt("key");
    let texts: Vec<String> = text.map_or(Ok(Vec::new()), serde_json::from_str).map_err(|_| corrupt())?;
    texts.iter().map(|text| text.parse().map_err(|_| corrupt())).collect()
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
