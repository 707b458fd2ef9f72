//! Rows of `agent`, `signer` and `agent_key`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::{Address, AgentId, Amount, KeyId, SpendingPolicy, UnixMillis, WalletId};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::StoreError;
use crate::agent::{Access, Agent, AgentEntry, KeyEntry, KeyGrant};
use crate::agent_key::KeyHash;

/// Who brought a signer or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The configuration file, which takes it away again.
    File,
    /// The management API.
    Api,
}

/// What a lookup found.
pub(crate) struct Found {
    pub(crate) access: Access,
    /// The hash of the key that was looked up by.
    pub(crate) hash: Option<KeyHash>,
}

/// Makes an agent, or gives an existing one of this name a policy. Its wallet stays what it was.
pub(crate) async fn put_agent(
    connection: &mut SqliteConnection,
    (id, wallet): (AgentId, WalletId),
    name: &str,
    policy: &SpendingPolicy,
    at: UnixMillis,
) -> Result<AgentId, StoreError> {
    let row = sqlx::query(
        "insert into agent (id, name, wallet, per_request, per_day, per_month, routes, providers, expires_at, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         on conflict (name) do update set per_request = excluded.per_request, per_day = excluded.per_day,
         per_month = excluded.per_month, routes = excluded.routes, providers = excluded.providers,
         expires_at = excluded.expires_at
         returning id",
    )
    .bind(&id.as_bytes()[..])
    .bind(name)
    .bind(&wallet.as_bytes()[..])
    .bind(policy.per_request.map(Amount::atomic))
    .bind(policy.per_day.map(Amount::atomic))
    .bind(policy.per_month.map(Amount::atomic))
    .bind(write_names(policy.routes.as_deref()))
    .bind(write_names(policy.providers.as_deref()))
    .bind(policy.expires_at.map(|end| end.0))
    .bind(at.0)
    .fetch_one(connection)
    .await?;
    bytes(&row, "id").map(AgentId::from_bytes)
}

/// Whether an agent of this name is there.
pub(crate) async fn find_name(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<AgentId>, StoreError> {
    let row =
        sqlx::query("select id from agent where name = ?1").bind(name).fetch_optional(connection).await?;
    row.map(|row| bytes(&row, "id").map(AgentId::from_bytes)).transpose()
}

/// Freezes or thaws. False where there is no such agent.
pub(crate) async fn set_frozen(
    connection: &mut SqliteConnection,
    agent: AgentId,
    frozen: bool,
) -> Result<bool, StoreError> {
    let done = sqlx::query("update agent set frozen = ?2 where id = ?1")
        .bind(&agent.as_bytes()[..])
        .bind(frozen)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Adds a signer; the agent it belongs to afterwards, which is another one where the address was taken.
pub(crate) async fn put_signer(
    connection: &mut SqliteConnection,
    agent: AgentId,
    address: Address,
    source: Source,
    at: UnixMillis,
) -> Result<AgentId, StoreError> {
    sqlx::query(
        "insert into signer (address, agent, source, created_at) values (?1, ?2, ?3, ?4)
         on conflict (address) do nothing",
    )
    .bind(address.as_slice())
    .bind(&agent.as_bytes()[..])
    .bind(source.name())
    .bind(at.0)
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query("select agent from signer where address = ?1")
        .bind(address.as_slice())
        .fetch_one(connection)
        .await?;
    bytes(&row, "agent").map(AgentId::from_bytes)
}

/// Adds a key, or gives an existing one of the same agent other terms. False where its id is another agent's.
pub(crate) async fn put_key(
    connection: &mut SqliteConnection,
    agent: AgentId,
    key: &KeyEntry,
    source: Source,
    at: UnixMillis,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into agent_key (id, agent, secret_hash, per_request, expires_at, source, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (id) do update set secret_hash = excluded.secret_hash, per_request = excluded.per_request,
         expires_at = excluded.expires_at where agent = excluded.agent",
    )
    .bind(&key.hash.id().as_bytes()[..])
    .bind(&agent.as_bytes()[..])
    .bind(&key.hash.as_bytes()[..])
    .bind(key.per_request.atomic())
    .bind(key.expires_at.map(|end| end.0))
    .bind(source.name())
    .bind(at.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a key away; the agent it belonged to.
pub(crate) async fn remove_key(
    connection: &mut SqliteConnection,
    key: KeyId,
) -> Result<Option<AgentId>, StoreError> {
    let row = sqlx::query("delete from agent_key where id = ?1 returning agent")
        .bind(&key.as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    row.map(|row| bytes(&row, "agent").map(AgentId::from_bytes)).transpose()
}

/// Takes away what an earlier file brought and this one does not name.
pub(crate) async fn remove_unlisted(
    connection: &mut SqliteConnection,
    entries: &[AgentEntry],
) -> Result<(), StoreError> {
    let signers: HashSet<(&str, Address)> =
        entries.iter().flat_map(|entry| entry.signers.iter().map(|signer| (&*entry.name, *signer))).collect();
    let keys: HashSet<(&str, KeyId)> =
        entries.iter().flat_map(|entry| entry.keys.iter().map(|key| (&*entry.name, key.hash.id()))).collect();
    let rows = sqlx::query(
        "select address, name from signer join agent on agent.id = signer.agent where source = 'file'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let address = Address::from(bytes::<20>(&row, "address")?);
        if !signers.contains(&(row.try_get::<&str, _>("name")?, address)) {
            let delete = sqlx::query("delete from signer where address = ?1").bind(address.as_slice());
            delete.execute(&mut *connection).await?;
        }
    }
    let rows = sqlx::query(
        "select agent_key.id as id, name from agent_key join agent on agent.id = agent_key.agent
         where source = 'file'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let key = KeyId::from_bytes(bytes(&row, "id")?);
        if !keys.contains(&(row.try_get::<&str, _>("name")?, key)) {
            remove_key(&mut *connection, key).await?;
        }
    }
    Ok(())
}

/// Agents with their signers and keys, oldest first; only `one` where given.
pub(crate) async fn list(
    connection: &mut SqliteConnection,
    one: Option<AgentId>,
) -> Result<Vec<Agent>, StoreError> {
    let only = one.map(|id| id.as_bytes().to_vec());
    let mut signers: HashMap<[u8; 16], Vec<Address>> = HashMap::new();
    let rows = sqlx::query(
        "select agent, address from signer where ?1 is null or agent = ?1 order by created_at, address",
    )
    .bind(only.clone())
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        signers.entry(bytes(&row, "agent")?).or_default().push(Address::from(bytes::<20>(&row, "address")?));
    }
    let mut keys: HashMap<[u8; 16], Vec<KeyGrant>> = HashMap::new();
    let rows = sqlx::query(
        "select agent, id as key_id, per_request as key_per_request, expires_at as key_expires_at
         from agent_key where ?1 is null or agent = ?1 order by id",
    )
    .bind(only.clone())
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        keys.entry(bytes(&row, "agent")?).or_default().push(grant(&row)?);
    }
    let rows = sqlx::query("select * from agent where ?1 is null or id = ?1 order by id")
        .bind(only)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let id: [u8; 16] = bytes(row, "id")?;
            Ok(Agent {
                id: AgentId::from_bytes(id),
                name: Arc::from(row.try_get::<&str, _>("name")?),
                wallet: WalletId::from_bytes(bytes(row, "wallet")?),
                policy: policy(row)?,
                frozen: row.try_get("frozen")?,
                signers: signers.remove(&id).unwrap_or_default(),
                keys: keys.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

/// Whom a key belongs to.
pub(crate) async fn find_key(
    connection: &mut SqliteConnection,
    key: KeyId,
) -> Result<Option<Found>, StoreError> {
    let row = sqlx::query(
        "select agent.*, agent_key.id as key_id, agent_key.secret_hash as secret_hash,
         agent_key.per_request as key_per_request, agent_key.expires_at as key_expires_at
         from agent_key join agent on agent.id = agent_key.agent where agent_key.id = ?1",
    )
    .bind(&key.as_bytes()[..])
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let grant = grant(&row)?;
    let hash = KeyHash::new(grant.id, bytes(&row, "secret_hash")?);
    Ok(Some(Found { access: access(&row, Some(grant))?, hash: Some(hash) }))
}

/// Whom an address signs for.
pub(crate) async fn find_signer(
    connection: &mut SqliteConnection,
    address: Address,
) -> Result<Option<Found>, StoreError> {
    let row = sqlx::query(
        "select agent.* from signer join agent on agent.id = signer.agent where signer.address = ?1",
    )
    .bind(address.as_slice())
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok(Found { access: access(&row, None)?, hash: None })).transpose()
}

// === impl Source ===

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

fn access(row: &SqliteRow, key: Option<KeyGrant>) -> Result<Access, StoreError> {
    Ok(Access {
        agent: AgentId::from_bytes(bytes(row, "id")?),
        name: Arc::from(row.try_get::<&str, _>("name")?),
        wallet: WalletId::from_bytes(bytes(row, "wallet")?),
        policy: policy(row)?,
        key,
        frozen: row.try_get("frozen")?,
    })
}

fn grant(row: &SqliteRow) -> Result<KeyGrant, StoreError> {
    let per_request = amount(row, "key_per_request")?.ok_or(StoreError::Corrupt("key"))?;
    let expires_at = row.try_get::<Option<i64>, _>("key_expires_at")?.map(UnixMillis);
    Ok(KeyGrant { id: KeyId::from_bytes(bytes(row, "key_id")?), per_request, expires_at })
}

fn policy(row: &SqliteRow) -> Result<SpendingPolicy, StoreError> {
    Ok(SpendingPolicy {
        per_request: amount(row, "per_request")?,
        per_day: amount(row, "per_day")?,
        per_month: amount(row, "per_month")?,
        routes: read_names(row.try_get("routes")?)?,
        providers: read_names(row.try_get("providers")?)?,
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(UnixMillis),
    })
}

fn amount(row: &SqliteRow, column: &'static str) -> Result<Option<Amount>, StoreError> {
    let units: Option<i64> = row.try_get(column)?;
    units.map(|units| Amount::from_atomic(units).ok_or(StoreError::Corrupt("policy"))).transpose()
}

fn bytes<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N], StoreError> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| StoreError::Corrupt("agent"))
}

fn write_names(names: Option<&[Arc<str>]>) -> Option<String> {
    names.and_then(|names| serde_json::to_string(names).ok())
}

fn read_names(text: Option<&str>) -> Result<Option<Vec<Arc<str>>>, StoreError> {
    text.map(|text| serde_json::from_str(text).map_err(|_| StoreError::Corrupt("policy"))).transpose()
}
