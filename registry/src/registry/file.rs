//! Agents of the configuration file, beside those of the API.

use domain::{Address, AgentId, UnixMillis, WalletId};

use super::agents::{entry_of, one, put_signer};
use super::keys::{end_unlisted, put_listed};
use super::wallets::entry as wallet_entry;
use super::{Registry, RegistryError, random};
use crate::agent::{Agent, AgentEntry};
use crate::config::{ConfigError, ConfigErrors};
use crate::journal::{Actor, ActorKind};
use crate::store::agents::{self, Source, Unlisted};
use crate::store::{Session, revoked, wallets};
use crate::writing::Writing;

const FILE: Actor = Actor { kind: ActorKind::File, request: None };

// === impl Registry ===

impl Registry {
    /// Brings the agents of a file up to date: found by name, made at first sight with an id and a wallet
    /// that stay. One of whom the file says what it said before stays as it is, with all that was changed since. Signers and keys
    /// that an earlier file brought and this one does not name are taken away. Each of them has its entry in the audit log.
    /// All or nothing. The caller makes their wallets in the ledger.
    ///
    /// # Errors
    /// [`RegistryError::File`] where a name, a signer or a key is an agent's of the API, or a key was revoked; the database does not work.
    pub async fn upsert_agents(&self, entries: &[AgentEntry]) -> Result<Vec<Agent>, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        expect_free(&mut writing.session(), entries).await?;
        remove_unlisted(&mut writing, entries, at).await?;
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
        let (id, wallet) = (AgentId::generate(at, random()?), WalletId::generate(at, random()?));
        let id = agents::put_agent(&mut writing.session(), id, wallet, &entry.name, None, &entry.policy, at)
            .await?;
        agents::set_file_entry(&mut writing.session(), &entry.name, Some(entry.digest())).await?;
        let agent = one(&mut writing.session(), id).await?;
        if wallets::put_unnamed(&mut writing.session(), agent.wallet, &entry.name, at).await?
            && let Some(made) = wallets::get(&mut writing.session(), agent.wallet).await?
        {
            writing.record(&wallet_entry(&FILE, "wallet.created", None, &made, at)).await?;
        }
        match &before {
            None => writing.record(&entry_of(&FILE, "agent.created", None, Some(&agent), at)).await?,
            Some(before) if *before != agent => {
                writing.record(&entry_of(&FILE, "agent.updated", Some(before), Some(&agent), at)).await?;
            }
            Some(_) => {}
        }
        put_signers(writing, &agent, &entry.signers, at).await?;
        for key in &entry.keys {
            put_listed(writing, &FILE, &agent, key, at).await?;
        }
        one(&mut writing.session(), id).await
    }
}

/// Takes away what an earlier file brought and this one does not name.
async fn remove_unlisted(
    writing: &mut Writing<'_>,
    entries: &[AgentEntry],
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let Unlisted { names, signers, keys } = agents::unlisted(&mut writing.session(), entries).await?;
    for name in names {
        agents::set_file_entry(&mut writing.session(), &name, None).await?;
    }
    for (agent, signer) in signers {
        let before = one(&mut writing.session(), agent).await?;
        agents::remove_signer(&mut writing.session(), agent, signer).await?;
        let after = one(&mut writing.session(), agent).await?;
        writing.record(&entry_of(&FILE, "signer.removed", Some(&before), Some(&after), at)).await?;
    }
    for (agent, key) in keys {
        let agent = one(&mut writing.session(), agent).await?;
        end_unlisted(writing, &FILE, &agent, key, at).await?;
    }
    Ok(())
}

/// Lets addresses sign for an agent.
async fn put_signers(
    writing: &mut Writing<'_>,
    agent: &Agent,
    signers: &[Address],
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let mut before = agent.clone();
    for signer in signers {
        put_signer(&mut writing.session(), agent.id, *signer, Source::File, at).await?;
        let after = one(&mut writing.session(), agent.id).await?;
        if after != before {
            writing.record(&entry_of(&FILE, "signer.added", Some(&before), Some(&after), at)).await?;
        }
        before = after;
    }
    Ok(())
}

/// Refuses a file that would lay hands on a tenant's agent, or on what the API gave to another agent, or bring back a key that was
/// revoked or rotated. Reads only, and says the
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
                fail(
                    place,
                    format!("{key} was revoked, or rotated: leave it out, and give the agent another key"),
                );
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
