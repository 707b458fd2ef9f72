//! Agents, their signers and policies: made, changed, listed. Keys stand in [`super::keys`], wallets in
//! [`super::wallets`], the agents of the file in [`super::file`].
//!
//! After each commit the [`crate::Directory`] forgets whom the change is about, in this order: what is read in between is
//! forgotten too. Those of other processes are told with the commit.

use domain::{Address, AgentId, SpendingPolicy, UnixMillis, WalletId};

use super::{Registry, RegistryError, random};
use crate::agent::{AGENT_NAME_BYTES_MAX, Agent, Listing, NewAgent, SIGNERS_MAX};
use crate::frost::Freezer;
use crate::journal::{Actor, Entry, PAGE_MAX, Subject, Tenant};
use crate::store::Session;
use crate::store::agents::{self, Source};
use crate::store::frost::{self, Table};
use crate::writing::Writing;

// === impl Registry ===

impl Registry {
    /// Makes an agent. Its wallet is there, in the ledger and here.
    ///
    /// # Errors
    /// The name is taken or none; its owner has all the agents, or wallets, that one may have; the database does not work.
    pub async fn create_agent(&self, actor: &Actor, new: NewAgent) -> Result<Agent, RegistryError> {
        self.make_agent(actor, new, false).await
    }

    /// Makes an agent together with its wallet, which is called like it and is for the ledger to open: both or neither.
    ///
    /// # Errors
    /// As [`Self::create_agent`].
    pub async fn create_agent_and_wallet(
        &self,
        actor: &Actor,
        new: NewAgent,
    ) -> Result<Agent, RegistryError> {
        self.make_agent(actor, new, true).await
    }

    async fn make_agent(
        &self,
        actor: &Actor,
        new: NewAgent,
        with_wallet: bool,
    ) -> Result<Agent, RegistryError> {
        if new.name.is_empty() || new.name.len() > AGENT_NAME_BYTES_MAX {
            return Err(RegistryError::Name);
        }
        let at = self.now();
        let id = AgentId::generate(at, random()?);
        let mut writing = self.write().await?;
        self.expect_room(&mut writing.session(), &new.name, new.owner.as_deref()).await?;
        if with_wallet {
            let (name, owner) = (new.name.clone(), new.owner.clone());
            self.put_new_wallet(&mut writing, actor, new.wallet, name, owner, at).await?;
        }
        let owner = new.owner.as_deref();
        agents::put_agent(&mut writing.session(), id, new.wallet, &new.name, owner, &new.policy, at).await?;
        let made = one(&mut writing.session(), id).await?;
        writing.record(&entry_of(actor, "agent.created", None, Some(&made), at)).await?;
        writing.commit().await?;
        Ok(made)
    }

    /// Lets an address sign for an agent; again is no error.
    ///
    /// # Errors
    /// No such agent; it has all the signers that one may have; the address signs for another one; the database does not work.
    pub async fn add_signer(
        &self,
        actor: &Actor,
        agent: AgentId,
        address: Address,
    ) -> Result<(), RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let before = one(&mut writing.session(), agent).await?;
        if before.signers.contains(&address) {
            return Ok(());
        }
        if before.signers.len() >= SIGNERS_MAX as usize {
            return Err(RegistryError::TooMany("signers of this agent", SIGNERS_MAX));
        }
        put_signer(&mut writing.session(), agent, address, Source::Api, at).await?;
        let after = one(&mut writing.session(), agent).await?;
        writing.record(&entry_of(actor, "signer.added", Some(&before), Some(&after), at)).await?;
        self.commit_agent(writing, agent).await
    }

    /// Takes an address away from its agent.
    ///
    /// # Errors
    /// No such agent, or it has no such signer; the database does not work.
    pub async fn remove_signer(
        &self,
        actor: &Actor,
        agent: AgentId,
        address: Address,
    ) -> Result<(), RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let before = one(&mut writing.session(), agent).await?;
        if !agents::remove_signer(&mut writing.session(), agent, address).await? {
            return Err(RegistryError::UnknownSigner(address));
        }
        let after = one(&mut writing.session(), agent).await?;
        writing.record(&entry_of(actor, "signer.removed", Some(&before), Some(&after), at)).await?;
        self.commit_agent(writing, agent).await
    }

    /// Gives an agent another policy, for requests decided from now on.
    ///
    /// # Errors
    /// No such agent, or `is_theirs` denies it; the database does not work.
    pub async fn set_policy(
        &self,
        actor: &Actor,
        agent: AgentId,
        is_theirs: impl FnOnce(&Agent) -> bool,
        policy: &SpendingPolicy,
    ) -> Result<Agent, RegistryError> {
        self.change_policy(actor, agent, is_theirs, |known| known.clone_from(policy)).await
    }

    /// Changes an agent's policy as it is when nobody else does, for requests decided from now on. What changes nothing is not
    /// written down either: the audit log keeps each entry for ever.
    ///
    /// # Errors
    /// No such agent, or `is_theirs` denies it; the database does not work.
    pub async fn change_policy(
        &self,
        actor: &Actor,
        agent: AgentId,
        is_theirs: impl FnOnce(&Agent) -> bool,
        change: impl FnOnce(&mut SpendingPolicy),
    ) -> Result<Agent, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let before = one(&mut writing.session(), agent).await?;
        if !is_theirs(&before) {
            return Err(RegistryError::UnknownAgent(agent));
        }
        let mut policy = before.policy.clone();
        change(&mut policy);
        if policy == before.policy {
            return Ok(before);
        }
        let owner = before.owner.as_deref();
        agents::put_agent(&mut writing.session(), agent, before.wallet, &before.name, owner, &policy, at)
            .await?;
        let after = Agent { policy, ..before.clone() };
        writing.record(&entry_of(actor, "policy.updated", Some(&before), Some(&after), at)).await?;
        self.commit_agent(writing, agent).await?;
        Ok(after)
    }

    /// Freezes an agent, which then pays nothing, or thaws it; again is no error.
    ///
    /// # Errors
    /// No such agent; [`RegistryError::FrozenByOperator`]; the database does not work.
    pub async fn set_frozen(
        &self,
        actor: &Actor,
        who: Freezer,
        agent: AgentId,
        frozen: bool,
    ) -> Result<Agent, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let before = one(&mut writing.session(), agent).await?;
        let found = frost::get(&mut writing.session(), Table::Agent, agent.as_bytes()).await?;
        let found = found.ok_or(RegistryError::UnknownAgent(agent))?;
        let then = found.then(frozen, who)?;
        if then == found {
            return Ok(before);
        }
        frost::set(&mut writing.session(), Table::Agent, agent.as_bytes(), then).await?;
        let after = one(&mut writing.session(), agent).await?;
        let action = if frozen { "agent.frozen" } else { "agent.thawed" };
        writing.record(&entry_of(actor, action, Some(&before), Some(&after), at)).await?;
        self.commit_agent(writing, agent).await?;
        Ok(after)
    }

    /// Agents, newest first, without their signers and keys; at most `limit` or [`PAGE_MAX`].
    ///
    /// # Errors
    /// The database does not work.
    pub async fn agents(&self, listing: &Listing, limit: u32) -> Result<Vec<Agent>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(agents::page(&mut connection.session(), listing, limit.min(PAGE_MAX)).await?)
    }

    /// Agents whose payments an owner may see: their own, and those that pay from a wallet of theirs. At most `limit`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn agents_of_owner(&self, owner: &str, limit: u32) -> Result<Vec<AgentId>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(agents::of_owner(&mut connection.session(), owner, limit).await?)
    }

    /// Agents that pay from a wallet; at most `limit`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn agents_of_wallet(
        &self,
        wallet: WalletId,
        limit: u32,
    ) -> Result<Vec<AgentId>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(agents::of_wallet(&mut connection.session(), wallet, limit).await?)
    }

    /// Refuses a name that an agent has already, and one agent more than its owner may have.
    async fn expect_room(
        &self,
        session: &mut Session<'_>,
        name: &str,
        owner: Option<&str>,
    ) -> Result<(), RegistryError> {
        if agents::find_name(session, name).await?.is_some() {
            return Err(RegistryError::NameTaken(name.to_owned()));
        }
        let most = self.terms().agents_per_owner_max;
        match owner {
            Some(owner) if agents::count_of_owner(session, owner).await? >= u64::from(most) => {
                Err(RegistryError::TooMany("agents of this owner", most))
            }
            _ => Ok(()),
        }
    }

    /// One agent.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn agent(&self, id: AgentId) -> Result<Option<Agent>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(agents::list(&mut connection.session(), Some(id)).await?.pop())
    }

    /// The agent that an address signs for.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn agent_signed_by(&self, address: Address) -> Result<Option<Agent>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let session = &mut connection.session();
        let Some(found) = agents::find_signer(session, address).await? else { return Ok(None) };
        Ok(agents::list(session, Some(found.access.agent)).await?.pop())
    }

    /// One agent, by its name.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn agent_named(&self, name: &str) -> Result<Option<Agent>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let session = &mut connection.session();
        let Some(id) = agents::find_name(session, name).await? else { return Ok(None) };
        Ok(agents::list(session, Some(id)).await?.pop())
    }

    pub(super) async fn commit_agent(
        &self,
        mut writing: Writing<'_>,
        agent: AgentId,
    ) -> Result<(), RegistryError> {
        writing.notify(&format!("agent {agent}")).await?;
        writing.commit().await?;
        self.shared.directory.forget(agent);
        Ok(())
    }
}

/// The agent, which must be there.
pub(super) async fn one(session: &mut Session<'_>, id: AgentId) -> Result<Agent, RegistryError> {
    agents::list(session, Some(id)).await?.pop().ok_or(RegistryError::UnknownAgent(id))
}

pub(super) async fn put_signer(
    session: &mut Session<'_>,
    agent: AgentId,
    address: Address,
    source: Source,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let owner = agents::put_signer(session, agent, address, source, at).await?;
    if owner == agent { Ok(()) } else { Err(RegistryError::SignerTaken(address)) }
}

pub(super) fn entry_of<'a>(
    actor: &'a Actor,
    action: &'static str,
    before: Option<&Agent>,
    after: Option<&Agent>,
    at: UnixMillis,
) -> Entry<'a> {
    let known = after.or(before);
    let id = known.map_or_else(String::new, |agent| agent.id.to_string());
    let tenant = Tenant::owner(known.and_then(|agent| agent.owner.as_deref()));
    let (before, after) = (before.map(Agent::document), after.map(Agent::document));
    Entry { actor, action, subject: Subject { kind: "agent", id }, tenant, before, after, at }
}

#[cfg(test)]
mod tests;
