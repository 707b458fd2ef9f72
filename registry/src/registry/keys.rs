//! Keys of agents: made, rotated with an overlap, ended; and when each was last used.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use domain::{AgentId, KeyId, UnixMillis};

use super::agents::one;
use super::{Registry, RegistryError, random};
use crate::agent::{Agent, ENDED_KEY_MS, ENDED_KEYS_MAX, KEYS_MAX, KeyEntry, KeyGrant, NewKey, ShownKey};
use crate::agent_key::AgentKey;
use crate::journal::{Actor, Entry, Subject, Tenant};
use crate::store::agents::{self, Source};
use crate::store::{Session, revoked};
use crate::writing::Writing;

const MINUTE_MS: i64 = 60_000;

// === impl Registry ===

impl Registry {
    /// Makes a key. What it returns is the only time its text is known.
    ///
    /// # Errors
    /// No such agent; it has all the keys that one may have; the database does not work.
    pub async fn add_key(
        &self,
        actor: &Actor,
        agent: AgentId,
        new: NewKey,
    ) -> Result<ShownKey, RegistryError> {
        let at = self.now();
        let key = AgentKey::generate(at, random()?);
        let mut writing = self.write().await?;
        let agent = one(&mut writing.session(), agent).await?;
        make_room(&mut writing.session(), &agent.keys, at).await?;
        let grant = put_new(&mut writing.session(), agent.id, &key, new, at).await?;
        writing.record(&entry(actor, "agent_key.created", &agent, None, Some(&grant), at)).await?;
        self.commit_agent(writing, agent.id).await?;
        Ok(ShownKey { grant, key })
    }

    /// Makes a key of the same terms, and lets the old one live for `overlap_ms` more at most. The new one, and when the old
    /// one ends.
    ///
    /// # Errors
    /// No such key of this agent; it has all the keys that one may have, for both go on beside each other; the database does not
    /// work.
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        agent: AgentId,
        key: KeyId,
        overlap_ms: i64,
    ) -> Result<(ShownKey, UnixMillis), RegistryError> {
        let at = self.now();
        let made = AgentKey::generate(at, random()?);
        let mut writing = self.write().await?;
        let agent = one(&mut writing.session(), agent).await?;
        let old = own_key(&agent, key)?;
        if old.has_ended(at) {
            return Err(RegistryError::EndedKey(key));
        }
        let end = at.plus(overlap_ms.max(0));
        let end = old.expires_at.map_or(end, |earlier| earlier.min(end));
        let expires_at = agents::rotate_key(&mut writing.session(), key, at, end).await?;
        let ended = KeyGrant { expires_at: Some(end), ..old.clone() };
        let others = agent.keys.iter().filter(|other| other.id != key).cloned();
        make_room(&mut writing.session(), &others.chain([ended]).collect::<Vec<_>>(), at).await?;
        let new = NewKey { per_request: old.per_request, scopes: old.scopes.clone(), expires_at };
        let grant = put_new(&mut writing.session(), agent.id, &made, new, at).await?;
        writing.record(&entry(actor, "agent_key.rotated", &agent, Some(old), Some(&grant), at)).await?;
        self.commit_agent(writing, agent.id).await?;
        Ok((ShownKey { grant, key: made }, end))
    }

    /// Ends a key at once, and for good: the file does not bring one back that was stolen.
    ///
    /// # Errors
    /// No such key of this agent; the database does not work.
    pub async fn revoke_key(&self, actor: &Actor, agent: AgentId, key: KeyId) -> Result<(), RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let agent = one(&mut writing.session(), agent).await?;
        let old = own_key(&agent, key)?;
        revoked::remember(&mut writing.session(), key, at).await?;
        agents::remove_key(&mut writing.session(), key).await?;
        writing.record(&entry(actor, "agent_key.revoked", &agent, Some(old), None, at)).await?;
        self.commit_agent(writing, agent.id).await
    }

    /// Writes down, to the minute, which keys were used since the last time. To be called now and then: what is lost in a
    /// crash is a time of use, and no more.
    ///
    /// # Errors
    /// The database does not work; what was not written is written the next time.
    pub async fn save_last_uses(&self) -> Result<(), RegistryError> {
        let mut minutes: BTreeMap<UnixMillis, Vec<KeyId>> = BTreeMap::new();
        for (key, at) in self.shared.directory.take_last_uses() {
            minutes.entry(UnixMillis(at.0 - at.0.rem_euclid(MINUTE_MS))).or_default().push(key);
        }
        if minutes.is_empty() {
            return Ok(());
        }
        let mut writing = self.write().await?;
        for (at, keys) in minutes {
            agents::keys_used(&mut writing.session(), &keys, at).await?;
        }
        writing.commit().await
    }
}

/// Refuses one live key more than an agent may have, and forgets the ended ones that are old, or too many: every look at an
/// agent reads them all.
async fn make_room(
    session: &mut Session<'_>,
    keys: &[KeyGrant],
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let (mut ended, live): (Vec<&KeyGrant>, Vec<_>) = keys.iter().partition(|key| key.has_ended(at));
    if live.len() >= KEYS_MAX as usize {
        return Err(RegistryError::TooMany("keys of this agent", KEYS_MAX));
    }
    ended.sort_by_key(|key| Reverse(key.expires_at));
    let oldest = at.plus(-ENDED_KEY_MS);
    for (place, key) in ended.into_iter().enumerate() {
        if place >= ENDED_KEYS_MAX || key.has_ended(oldest) {
            revoked::remember_rotated(session, key.id, at).await?;
            agents::remove_key(session, key.id).await?;
        }
    }
    Ok(())
}

/// Gives an agent a key of the file, or one that it has from there the terms that the file says now.
pub(super) async fn put_listed(
    writing: &mut Writing<'_>,
    actor: &Actor,
    agent: &Agent,
    key: &KeyEntry,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let (id, session) = (key.hash.id(), &mut writing.session());
    let known = own_key(agent, id).ok();
    let secret = agents::find_key(session, id).await?.and_then(|found| found.hash);
    put_key(session, agent.id, key, Source::File, at).await?;
    let after = one(session, agent.id).await?;
    let given = own_key(&after, id)?;
    let action = match known {
        None => "agent_key.created",
        Some(known) if known == given && secret == Some(key.hash) => return Ok(()),
        Some(_) => "agent_key.updated",
    };
    writing.record(&entry(actor, action, agent, known, Some(given), at)).await
}

/// Ends a key of the file that the file does not name any more. One that was rotated does not come back with it.
pub(super) async fn end_unlisted(
    writing: &mut Writing<'_>,
    actor: &Actor,
    agent: &Agent,
    key: KeyId,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let known = own_key(agent, key)?;
    revoked::remember_rotated(&mut writing.session(), key, at).await?;
    agents::remove_key(&mut writing.session(), key).await?;
    writing.record(&entry(actor, "agent_key.revoked", agent, Some(known), None, at)).await
}

async fn put_new(
    session: &mut Session<'_>,
    agent: AgentId,
    key: &AgentKey,
    new: NewKey,
    at: UnixMillis,
) -> Result<KeyGrant, RegistryError> {
    let NewKey { per_request, scopes, expires_at } = new;
    let entry = KeyEntry { hash: key.hash(), per_request, scopes, expires_at };
    put_key(session, agent, &entry, Source::Api, at).await?;
    Ok(KeyGrant { id: key.id(), per_request, scopes: entry.scopes, expires_at, last_used_at: None })
}

async fn put_key(
    session: &mut Session<'_>,
    agent: AgentId,
    key: &KeyEntry,
    source: Source,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let put = agents::put_key(session, agent, key, source, at).await?;
    if put { Ok(()) } else { Err(RegistryError::KeyTaken(key.hash.id())) }
}

fn own_key(agent: &Agent, key: KeyId) -> Result<&KeyGrant, RegistryError> {
    agent.keys.iter().find(|grant| grant.id == key).ok_or(RegistryError::UnknownKey(key))
}

fn entry<'a>(
    actor: &'a Actor,
    action: &'static str,
    agent: &Agent,
    before: Option<&KeyGrant>,
    after: Option<&KeyGrant>,
    at: UnixMillis,
) -> Entry<'a> {
    let id = after.or(before).map_or_else(String::new, |grant| grant.id.to_string());
    let document = |grant: &KeyGrant| grant.document(agent.id);
    let (before, after) = (before.map(document), after.map(document));
    let tenant = Tenant::owner(agent.owner.as_deref());
    Entry { actor, action, subject: Subject { kind: "agent_key", id }, tenant, before, after, at }
}

#[cfg(test)]
pub(super) mod tests;
