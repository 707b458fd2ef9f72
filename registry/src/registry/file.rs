//! Agents of the configuration file, beside those of the API.

use domain::{AgentId, UnixMillis, WalletId};

use super::agents::{entry_of, one, put_signer};
use super::keys::put_key;
use super::{Registry, RegistryError, random};
use crate::agent::{Agent, AgentEntry};
use crate::config::{ConfigError, ConfigErrors};
use crate::journal::{Actor, ActorKind};
use crate::store::agents::{self, Source};
use crate::store::{Session, revoked, wallets};
use crate::writing::Writing;

const FILE: Actor = Actor { kind: ActorKind::File, request: None };

// === impl Registry ===

impl Registry {
    /// Brings the agents of a file up to date: found by name, made at first sight with an id and a wallet
    /// that stay. One of whom the file says what it said before stays as it is, with all that was changed since. Signers and keys
    /// that an earlier file brought and this one does not name are taken away.
    /// All or nothing. The caller makes their wallets in the ledger.
    ///
    /// # Errors
    /// [`RegistryError::File`] where a name, a signer or a key is an agent's of the API, or a key was revoked; the database does not work.
    pub async fn upsert_agents(&self, entries: &[AgentEntry]) -> Result<Vec<Agent>, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        expect_free(&mut writing.session(), entries).await?;
        agents::remove_unlisted(&mut writing.session(), entries).await?;
        let mut listed = Vec::with_capacity(entries.len());
        for entry in entries {
            listed.push(self.upsert(&mut writing, entry, at).await?);
        }
        writing.notify("agent *").await?;
        writing.commit().await?;
        self.shared.directory.forget_all();
        Ok(listed)
    }

    async fn upsert(
        &self,
        writing: &mut Writing<'_>,
        entry: &AgentEntry,
        at: UnixMillis,
    ) -> Result<Agent, RegistryError> {
        let known = agents::find_name(&mut writing.session(), &entry.name).await?;
        let before = match known {
            Some(id) => Some(one(&mut writing.session(), id).await?),
            None => None,
        };
        if let Some(before) = &before
            && is_applied(&mut writing.session(), entry).await?
        {
            return Ok(before.clone());
        }
        let made = (AgentId::generate(at, random()?), WalletId::generate(at, random()?));
        let id =
            agents::put_agent(&mut writing.session(), made, &entry.name, None, &entry.policy, at).await?;
        for signer in &entry.signers {
            put_signer(&mut writing.session(), id, *signer, Source::File, at).await?;
        }
        for key in &entry.keys {
            put_key(&mut writing.session(), id, key, Source::File, at).await?;
        }
        agents::set_file_entry(&mut writing.session(), &entry.name, Some(entry.digest())).await?;
        let after = one(&mut writing.session(), id).await?;
        wallets::put_unnamed(&mut writing.session(), after.wallet, &entry.name, at).await?;
        match &before {
            None => writing.record(&entry_of(&FILE, "agent.created", None, Some(&after), at)).await?,
            Some(before) if *before != after => {
                writing.record(&entry_of(&FILE, "agent.updated", Some(before), Some(&after), at)).await?;
            }
            Some(_) => {}
        }
        Ok(after)
    }
}

/// Refuses a file that would lay hands on a tenant's agent, or on what the API gave to another agent, or bring back a key that was
/// revoked. Reads only, and says the
/// same before and after what left the file is taken away.
///
/// # Errors
/// [`RegistryError::File`] with every such place; the database does not work.
pub(crate) async fn expect_free(
    session: &mut Session<'_>,
    entries: &[AgentEntry],
) -> Result<(), RegistryError> {
    let mut wrong = Vec::new();
    let mut fail = |place: &ConfigError, message: String| {
        wrong.push(ConfigError { message, ..place.clone() });
    };
    for entry in entries {
        if is_applied(session, entry).await? {
            continue;
        }
        let (name, places) = (&entry.name, &entry.places);
        let owner = match agents::find_name(session, name).await? {
            Some(id) => one(session, id).await?.owner,
            None => None,
        };
        if let Some(owner) = owner {
            fail(
                &places.name,
                format!(
                    "there is already an agent `{name}`, made through the API for `{owner}`: choose another name"
                ),
            );
        }
        for (signer, place) in entry.signers.iter().zip(&places.signers) {
            if let Some(other) = agents::signs_by_api(session, *signer).await?.filter(|other| other != name) {
                fail(
                    place,
                    format!(
                        "{signer} already signs for the agent `{other}`, by the API: take it away there, or leave it out"
                    ),
                );
            }
        }
        for (key, place) in entry.keys.iter().zip(&places.keys) {
            let key = key.hash.id();
            if revoked::is_known(session, key).await? {
                fail(place, format!("{key} was revoked: leave it out, and give the agent another key"));
            }
            if let Some(other) = agents::has_by_api(session, key).await?.filter(|other| other != name) {
                fail(
                    place,
                    format!(
                        "{key} already is a key of the agent `{other}`, by the API: revoke it there, or leave it out"
                    ),
                );
            }
        }
    }
    ConfigErrors::new(wrong).map_or(Ok(()), |errors| Err(RegistryError::File(errors)))
}

/// Whether the file said the same of this agent when it was applied last.
async fn is_applied(session: &mut Session<'_>, entry: &AgentEntry) -> Result<bool, RegistryError> {
    Ok(agents::file_entry(session, &entry.name).await? == Some(entry.digest()))
}

#[cfg(test)]
mod tests;
