//! Rows of `agent`, `signer` and `agent_key`, read and written.

use std::collections::{HashMap, HashSet};

use domain::{Address, AgentId, Amount, KeyId, SpendingPolicy, UnixMillis, WalletId};

use super::pool::{execute, on_either};
use super::rows::{AgentRow, KeyHolderRow, KeyRow, array, hex_list, write_limits, write_names, write_scopes};
use super::{Session, StoreError};
use crate::access::Access;
use crate::agent::{Agent, AgentEntry, KeyEntry, KeyGrant, Listing};
use crate::agent_key::KeyHash;

/// Columns of an [`AgentRow`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "agent.id, agent.name, agent.wallet, agent.per_request, agent.per_hour, agent.per_day, agent.per_month,
         agent.limits, agent.routes, agent.providers, agent.expires_at, agent.frozen, agent.frozen_by_operator,
         agent.owner"
    };
}

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

/// What an earlier file brought and another one does not name.
#[derive(Default)]
pub(crate) struct Unlisted {
    /// Agents.
    pub(crate) names: Vec<String>,
    pub(crate) signers: Vec<(AgentId, Address)>,
    pub(crate) keys: Vec<(AgentId, KeyId)>,
}

/// Makes an agent, or gives an existing one of this name a policy. Its wallet stays what it was.
pub(crate) async fn put_agent(
    session: &mut Session<'_>,
    id: AgentId,
    wallet: WalletId,
    name: &str,
    owner: Option<&str>,
    policy: &SpendingPolicy,
    at: UnixMillis,
) -> Result<AgentId, StoreError> {
    const SQL: &str =
        "insert into agent (id, name, wallet, per_request, per_day, per_month, routes, providers, expires_at, created_at,
         owner, per_hour, limits) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (name) do update set per_request = excluded.per_request, per_day = excluded.per_day,
         per_month = excluded.per_month, routes = excluded.routes, providers = excluded.providers,
         expires_at = excluded.expires_at, per_hour = excluded.per_hour, limits = excluded.limits
         returning id";
    let (routes, providers) =
        (write_names(policy.routes.as_deref()), write_names(policy.providers.as_deref()));
    let id: Vec<u8> = on_either!(session, c => sqlx::query_scalar(SQL)
        .bind(&id.as_bytes()[..])
        .bind(name)
        .bind(&wallet.as_bytes()[..])
        .bind(policy.per_request.map(Amount::atomic))
        .bind(policy.per_day.map(Amount::atomic))
        .bind(policy.per_month.map(Amount::atomic))
        .bind(&routes)
        .bind(&providers)
        .bind(policy.expires_at.map(|end| end.0))
        .bind(at.0)
        .bind(owner)
        .bind(policy.per_hour.map(Amount::atomic))
        .bind(write_limits(&policy.limits))
        .fetch_one(c))?;
    array(&id).map(AgentId::from_bytes)
}

/// Whether an agent of this name is there.
pub(crate) async fn find_name(session: &mut Session<'_>, name: &str) -> Result<Option<AgentId>, StoreError> {
    const SQL: &str = "select id from agent where name = $1";
    let id: Option<Vec<u8>> = on_either!(session, c => sqlx::query_scalar(SQL).bind(name).fetch_optional(c))?;
    id.map(|id| array(&id).map(AgentId::from_bytes)).transpose()
}

/// How many agents an owner has.
pub(crate) async fn count_of_owner(session: &mut Session<'_>, owner: &str) -> Result<u64, StoreError> {
    const SQL: &str = "select count(*) from agent where owner = $1";
    let count: i64 = on_either!(session, c => sqlx::query_scalar(SQL).bind(owner).fetch_one(c))?;
    u64::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

/// Agents of an owner, or on a wallet of theirs; at most `limit`.
pub(crate) async fn of_owner(
    session: &mut Session<'_>,
    owner: &str,
    limit: u32,
) -> Result<Vec<AgentId>, StoreError> {
    const SQL: &str = "select id from agent where owner = $1
         union select agent.id from wallet join agent on agent.wallet = wallet.id where wallet.owner = $1 limit $2";
    let ids: Vec<Vec<u8>> = on_either!(session, c => {
        sqlx::query_scalar(SQL).bind(owner).bind(i64::from(limit)).fetch_all(c)
    })?;
    ids.iter().map(|id| array(id).map(AgentId::from_bytes)).collect()
}

/// Agents on a wallet; at most `limit`.
pub(crate) async fn of_wallet(
    session: &mut Session<'_>,
    wallet: WalletId,
    limit: u32,
) -> Result<Vec<AgentId>, StoreError> {
    const SQL: &str = "select id from agent where wallet = $1 limit $2";
    let wallet = &wallet.as_bytes()[..];
    let ids: Vec<Vec<u8>> = on_either!(session, c => {
        sqlx::query_scalar(SQL).bind(wallet).bind(i64::from(limit)).fetch_all(c)
    })?;
    ids.iter().map(|id| array(id).map(AgentId::from_bytes)).collect()
}

/// Adds a signer; the agent it belongs to afterwards, which is another one where the address was taken.
pub(crate) async fn put_signer(
    session: &mut Session<'_>,
    agent: AgentId,
    address: Address,
    source: Source,
    at: UnixMillis,
) -> Result<AgentId, StoreError> {
    const PUT: &str = "insert into signer (address, agent, source, created_at) values ($1, $2, $3, $4)
         on conflict (address) do nothing";
    const OWNER: &str = "select agent from signer where address = $1";
    let address = address.as_slice();
    let source = source.name();
    execute!(session, sqlx::query(PUT).bind(address).bind(&agent.as_bytes()[..]).bind(source).bind(at.0))?;
    let owner: Vec<u8> = on_either!(session, c => sqlx::query_scalar(OWNER).bind(address).fetch_one(c))?;
    array(&owner).map(AgentId::from_bytes)
}

/// Takes a signer away. False where it does not sign for this agent.
pub(crate) async fn remove_signer(
    session: &mut Session<'_>,
    agent: AgentId,
    address: Address,
) -> Result<bool, StoreError> {
    const SQL: &str = "delete from signer where address = $1 and agent = $2";
    Ok(execute!(session, sqlx::query(SQL).bind(address.as_slice()).bind(&agent.as_bytes()[..]))? == 1)
}

/// Adds a key, or gives an existing one of the same agent other terms; one that was rotated ends no later for that. False where its id is another agent's.
pub(crate) async fn put_key(
    session: &mut Session<'_>,
    agent: AgentId,
    key: &KeyEntry,
    source: Source,
    at: UnixMillis,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "insert into agent_key (id, agent, secret_hash, per_request, expires_at, source, created_at, scopes)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (id) do update set secret_hash = excluded.secret_hash, per_request = excluded.per_request,
         scopes = excluded.scopes, term = case when agent_key.rotated_at is null then null else excluded.expires_at end,
         expires_at = case when agent_key.rotated_at is null or excluded.expires_at < agent_key.expires_at
         then excluded.expires_at else agent_key.expires_at end
         where agent_key.agent = excluded.agent";
    let done = execute!(
        session,
        sqlx::query(SQL)
            .bind(&key.hash.id().as_bytes()[..])
            .bind(&agent.as_bytes()[..])
            .bind(&key.hash.as_bytes()[..])
            .bind(key.per_request.atomic())
            .bind(key.expires_at.map(|end| end.0))
            .bind(source.name())
            .bind(at.0)
            .bind(write_scopes(&key.scopes))
    )?;
    Ok(done == 1)
}

/// Lets a key end because it is rotated; when it would have ended without.
pub(crate) async fn rotate_key(
    session: &mut Session<'_>,
    key: KeyId,
    at: UnixMillis,
    end: UnixMillis,
) -> Result<Option<UnixMillis>, StoreError> {
    const SQL: &str =
        "update agent_key set term = case when rotated_at is null then expires_at else term end,
         rotated_at = coalesce(rotated_at, $2), expires_at = $3 where id = $1 returning term";
    let term: Option<i64> = on_either!(session, c => {
        sqlx::query_scalar(SQL).bind(&key.as_bytes()[..]).bind(at.0).bind(end.0).fetch_one(c)
    })?;
    Ok(term.map(UnixMillis))
}

/// Writes down that keys were used at this time, where they were not used later.
pub(crate) async fn keys_used(
    session: &mut Session<'_>,
    keys: &[KeyId],
    at: UnixMillis,
) -> Result<(), StoreError> {
    const SQL: &str =
        "update agent_key set last_used_at = $2 where id in (select unhex(value) from json_each($1))
         and (last_used_at is null or last_used_at < $2)";
    let keys = hex_list(keys.iter().map(|key| &key.as_bytes()[..]));
    execute!(session, sqlx::query(SQL).bind(&keys).bind(at.0))?;
    Ok(())
}

/// Takes a key away; the agent it belonged to.
pub(crate) async fn remove_key(session: &mut Session<'_>, key: KeyId) -> Result<Option<AgentId>, StoreError> {
    const SQL: &str = "delete from agent_key where id = $1 returning agent";
    let agent: Option<Vec<u8>> =
        on_either!(session, c => sqlx::query_scalar(SQL).bind(&key.as_bytes()[..]).fetch_optional(c))?;
    agent.map(|agent| array(&agent).map(AgentId::from_bytes)).transpose()
}

/// What the file said of an agent of this name when it was applied last, as [`AgentEntry::digest`].
pub(crate) async fn file_entry(
    session: &mut Session<'_>,
    name: &str,
) -> Result<Option<[u8; 32]>, StoreError> {
    const SQL: &str = "select file_entry from agent where name = $1 and file_entry is not null";
    let digest: Option<Vec<u8>> =
        on_either!(session, c => sqlx::query_scalar(SQL).bind(name).fetch_optional(c))?;
    digest.map(|digest| array(&digest)).transpose()
}

/// Writes down what the file says of an agent.
pub(crate) async fn set_file_entry(
    session: &mut Session<'_>,
    name: &str,
    digest: Option<[u8; 32]>,
) -> Result<(), StoreError> {
    const SQL: &str = "update agent set file_entry = $2 where name = $1";
    execute!(session, sqlx::query(SQL).bind(name).bind(digest.as_ref().map(|digest| &digest[..])))?;
    Ok(())
}

/// The agent that an address signs for because the API said so.
pub(crate) async fn signs_by_api(
    session: &mut Session<'_>,
    address: Address,
) -> Result<Option<String>, StoreError> {
    const SQL: &str = "select name from signer join agent on agent.id = signer.agent
         where address = $1 and source = 'api'";
    Ok(on_either!(session, c => sqlx::query_scalar(SQL).bind(address.as_slice()).fetch_optional(c))?)
}

/// The agent that has a key because the API gave it.
pub(crate) async fn has_by_api(session: &mut Session<'_>, key: KeyId) -> Result<Option<String>, StoreError> {
    const SQL: &str = "select name from agent_key join agent on agent.id = agent_key.agent
         where agent_key.id = $1 and source = 'api'";
    Ok(on_either!(session, c => sqlx::query_scalar(SQL).bind(&key.as_bytes()[..]).fetch_optional(c))?)
}

/// What an earlier file brought and this one does not name.
pub(crate) async fn unlisted(
    session: &mut Session<'_>,
    entries: &[AgentEntry],
) -> Result<Unlisted, StoreError> {
    const SIGNERS: &str =
        "select address, agent, name from signer join agent on agent.id = signer.agent where source = 'file'";
    const KEYS: &str = "select agent_key.id, agent, name from agent_key join agent on agent.id = agent_key.agent where source = 'file'";
    const NAMES: &str = "select name from agent where file_entry is not null";
    let names: HashSet<&str> = entries.iter().map(|entry| &*entry.name).collect();
    let mut gone: Vec<String> = on_either!(session, c => sqlx::query_scalar(NAMES).fetch_all(c))?;
    gone.retain(|name| !names.contains(name.as_str()));
    let mut unlisted = Unlisted { names: gone, ..Unlisted::default() };
    let signers: HashSet<(&str, Address)> =
        entries.iter().flat_map(|entry| entry.signers.iter().map(|signer| (&*entry.name, *signer))).collect();
    let keys: HashSet<(&str, KeyId)> =
        entries.iter().flat_map(|entry| entry.keys.iter().map(|key| (&*entry.name, key.hash.id()))).collect();
    type Rows = Vec<(Vec<u8>, Vec<u8>, String)>;
    let rows: Rows = on_either!(session, c => sqlx::query_as(SIGNERS).fetch_all(c))?;
    for (address, agent, name) in rows {
        let address = Address::from(array(&address)?);
        if !signers.contains(&(&*name, address)) {
            unlisted.signers.push((AgentId::from_bytes(array(&agent)?), address));
        }
    }
    let rows: Rows = on_either!(session, c => sqlx::query_as(KEYS).fetch_all(c))?;
    for (key, agent, name) in rows {
        let key = KeyId::from_bytes(array(&key)?);
        if !keys.contains(&(&*name, key)) {
            unlisted.keys.push((AgentId::from_bytes(array(&agent)?), key));
        }
    }
    Ok(unlisted)
}

/// Agents with their signers and keys, oldest first; only `one` where given.
pub(crate) async fn list(session: &mut Session<'_>, one: Option<AgentId>) -> Result<Vec<Agent>, StoreError> {
    const SIGNERS: &str =
        "select agent, address from signer where agent between $1 and $2 order by created_at, address";
    const KEYS: &str = "select agent, id as key_id, secret_hash, per_request as key_per_request,
         scopes as key_scopes, expires_at as key_expires_at, last_used_at from agent_key where agent between $1 and $2 order by id";
    const AGENTS: &str = concat!("select ", columns!(), " from agent where id between $1 and $2 order by id");
    // A range, so that the indices serve one among a million as well as all.
    let (first, last) = one.map_or(([0; 16], [u8::MAX; 16]), |id| (*id.as_bytes(), *id.as_bytes()));
    let (first, last) = (&first[..], &last[..]);
    let mut signers: HashMap<AgentId, Vec<Address>> = HashMap::new();
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        on_either!(session, c => sqlx::query_as(SIGNERS).bind(first).bind(last).fetch_all(c))?;
    for (agent, address) in rows {
        let agent = AgentId::from_bytes(array(&agent)?);
        signers.entry(agent).or_default().push(Address::from(array::<20>(&address)?));
    }
    let mut keys: HashMap<AgentId, Vec<KeyGrant>> = HashMap::new();
    let rows: Vec<KeyRow> =
        on_either!(session, c => sqlx::query_as(KEYS).bind(first).bind(last).fetch_all(c))?;
    for row in rows {
        keys.entry(row.agent()?).or_default().push(row.grant()?);
    }
    let rows: Vec<AgentRow> =
        on_either!(session, c => sqlx::query_as(AGENTS).bind(first).bind(last).fetch_all(c))?;
    rows.into_iter()
        .map(|row| {
            let id = row.id()?;
            row.agent(signers.remove(&id).unwrap_or_default(), keys.remove(&id).unwrap_or_default())
        })
        .collect()
}

/// Agents without their signers and keys, newest first.
pub(crate) async fn page(
    session: &mut Session<'_>,
    listing: &Listing,
    limit: u32,
) -> Result<Vec<Agent>, StoreError> {
    const ALL: &str = concat!("select ", columns!(), " from agent where id < $1 order by id desc limit $2");
    const OWNED: &str =
        concat!("select ", columns!(), " from agent where owner = $3 and id < $1 order by id desc limit $2");
    let before = listing.before.map_or([u8::MAX; 16], |id| *id.as_bytes());
    let (before, limit) = (&before[..], i64::from(limit));
    let rows: Vec<AgentRow> = match &listing.owner {
        None => on_either!(session, c => sqlx::query_as(ALL).bind(before).bind(limit).fetch_all(c))?,
        Some(owner) => {
            on_either!(session, c => sqlx::query_as(OWNED).bind(before).bind(limit).bind(owner).fetch_all(c))?
        }
    };
    rows.into_iter().map(|row| row.agent(Vec::new(), Vec::new())).collect()
}

/// Whom a key belongs to.
pub(crate) async fn find_key(session: &mut Session<'_>, key: KeyId) -> Result<Option<Found>, StoreError> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        ", wallet.frozen as wallet_frozen, agent_key.id as key_id, agent_key.agent,
         agent_key.secret_hash, agent_key.per_request as key_per_request,
         agent_key.scopes as key_scopes, agent_key.expires_at as key_expires_at,
         agent_key.last_used_at from agent_key join agent on agent.id = agent_key.agent
         left join wallet on wallet.id = agent.wallet where agent_key.id = $1"
    );
    let row: Option<KeyHolderRow> =
        on_either!(session, c => sqlx::query_as(SQL).bind(&key.as_bytes()[..]).fetch_optional(c))?;
    let Some(KeyHolderRow { agent, key }) = row else { return Ok(None) };
    let grant = key.grant()?;
    let hash = KeyHash::new(grant.id, key.secret_hash()?);
    Ok(Some(Found { access: agent.access(Some(grant))?, hash: Some(hash) }))
}

/// Whom an address signs for.
pub(crate) async fn find_signer(
    session: &mut Session<'_>,
    address: Address,
) -> Result<Option<Found>, StoreError> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        ", wallet.frozen as wallet_frozen from signer join agent on agent.id = signer.agent
         left join wallet on wallet.id = agent.wallet where signer.address = $1"
    );
    let row: Option<AgentRow> =
        on_either!(session, c => sqlx::query_as(SQL).bind(address.as_slice()).fetch_optional(c))?;
    row.map(|row| Ok(Found { access: row.access(None)?, hash: None })).transpose()
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
