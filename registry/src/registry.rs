//! [`Registry`]: the handle to the registry's database, the catalog in force, and all writes to both.
//!
//! Every write goes through here, so that the [`Directory`] forgets what changed the moment it is committed.

mod agents;
pub(crate) mod file;
mod keys;
mod wallets;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use domain::{Address, AgentId, AlertId, ApiKeyId, Catalog, Clock, EventId, KeyId, WalletId, WebhookId};
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::agent::{AGENT_NAME_BYTES_MAX, Agent};
use crate::catalog::force::{State, Turn};
use crate::catalog::{Parting, Terms, change, lines};
use crate::config::{ConfigErrors, ForeignSettings, NetworkSettings};
use crate::database::Database;
use crate::directory::Directory;
use crate::document::Mistake;
use crate::store::{Pool, StoreError, Transaction, agents as stored};

/// What people edit. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub(crate) shared: Arc<Shared>,
    /// What is written through this handle comes to nothing.
    is_dry_run: bool,
}

pub(crate) struct Shared {
    pub(crate) pool: Pool,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is known of the catalog; changed under `writing`.
    pub(crate) state: ArcSwap<State>,
    /// The catalog in force. It follows the one in `state`.
    pub(crate) catalog: watch::Sender<Arc<Catalog>>,
    /// The version that a gateway of this process serves, where there is one.
    pub(crate) served: watch::Sender<Option<u64>>,
    pub(crate) turn: std::sync::Mutex<Turn>,
    pub(crate) terms: OnceLock<Terms>,
    pub(crate) directory: Directory,
    /// One writer at a time: the database has one anyway, and catalogs are numbered in order.
    pub(crate) writing: Mutex<()>,
    /// The position of the last event that is known here.
    pub(crate) positions: watch::Sender<u64>,
    /// How often was heard that an errand was left or answered.
    pub(crate) errands: watch::Sender<u64>,
}

/// Why the registry refuses.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The database does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// Documents that are wrong, or do not go with what is there.
    #[error("{}", lines(.0))]
    Invalid(Vec<Mistake>),
    /// A file that does not go with what came through the API: providers, routes or agents.
    #[error(transparent)]
    File(ConfigErrors),
    /// What the file brings only the file changes.
    #[error("the {kind} `{name}` is managed by the configuration file: change it there")]
    ManagedByFile {
        /// `provider` or `route`.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// There is one of this name.
    #[error("there is already a {kind} `{name}`")]
    Taken {
        /// `provider` or `route`.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// No such provider.
    #[error("there is no provider `{0}`")]
    UnknownProvider(String),
    /// No such route.
    #[error("there is no route `{0}`")]
    UnknownRoute(String),
    /// No such revision of a route, or none that is kept.
    #[error("there is no revision {revision} of the route `{route}`")]
    UnknownRevision {
        /// The route.
        route: String,
        /// The revision that it has not.
        revision: u32,
    },
    /// What is stored makes no catalog.
    #[error("the stored providers and routes make no catalog")]
    Stored,
    /// What is stored was written by another version, or names files that are not here; with names and what to do.
    #[error("{0}")]
    Unreadable(String),
    /// A file that lets go of providers which lose something by it.
    #[error("{}", Parting::told(.0))]
    Parting(Vec<Parting>),
    /// A change was broken off.
    #[error("the change was broken off")]
    Interrupted,
    /// No such agent.
    #[error("there is no agent {0}")]
    UnknownAgent(AgentId),
    /// No such key.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),
    /// The key's time is over: another one cannot take its place.
    #[error("the key {0} has ended: make a new one")]
    EndedKey(KeyId),
    /// It is the operator's to thaw.
    #[error("the operator froze it: only the operator thaws it")]
    FrozenByOperator,
    /// No such wallet.
    #[error("there is no wallet {0}")]
    UnknownWallet(WalletId),
    /// The address does not sign for this agent.
    #[error("{0} does not sign for this agent")]
    UnknownSigner(Address),
    /// No such key of the management API.
    #[error("there is no key {0}")]
    UnknownApiKey(ApiKeyId),
    /// No such receiver of webhooks.
    #[error("there is no webhook {0}")]
    UnknownWebhook(WebhookId),
    /// The log has no such event, not any more, or not for this receiver.
    #[error("there is no event {0}")]
    UnknownEvent(EventId),
    /// No event is of this type.
    #[error("{}", crate::webhook::unknown_type(.0))]
    UnknownEventType(String),
    /// No such alert.
    #[error("there is no alert {0}")]
    UnknownAlert(AlertId),
    /// As many as one may have.
    #[error("there are {1} {0}, which is all that one may have")]
    TooMany(&'static str, u32),
    /// The name is taken.
    #[error("there is already an agent called `{0}`")]
    NameTaken(String),
    /// No name.
    #[error("a name has 1 to {AGENT_NAME_BYTES_MAX} bytes")]
    Name,
    /// The address signs for another agent.
    #[error("{0} already signs for another agent")]
    SignerTaken(Address),
    /// The key's id belongs to another agent.
    #[error("{0} already is a key of another agent")]
    KeyTaken(KeyId),
}

// === impl Registry ===

impl Registry {
    /// Opens the database, making what is missing of it. Nothing is served until a catalog was applied.
    ///
    /// # Errors
    /// The database cannot be opened or migrated.
    pub async fn open(database: &Database, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        Self::open_with(database, clock, crate::directory::ENTRIES_MAX).await
    }

    /// As [`Self::open`], with another limit for the directory's cache.
    ///
    /// # Errors
    /// The database cannot be opened or migrated.
    pub async fn open_with(
        database: &Database,
        clock: Arc<dyn Clock>,
        directory_entries_max: usize,
    ) -> Result<Self, RegistryError> {
        Ok(Self::over(Pool::open(database).await?, clock, directory_entries_max))
    }

    /// The database as it is; none where no registry was made there. Makes and migrates nothing.
    pub(crate) async fn open_existing(
        database: &Database,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, RegistryError> {
        let pool = Pool::open_existing(database).await?;
        Ok(pool.map(|pool| Self::over(pool, clock, crate::directory::ENTRIES_MAX)))
    }

    fn over(pool: Pool, clock: Arc<dyn Clock>, directory_entries_max: usize) -> Self {
        let directory = Directory::new(pool.apart(), Arc::clone(&clock), directory_entries_max);
        let state = change::empty();
        let shared = Shared {
            pool,
            clock,
            catalog: watch::Sender::new(Arc::clone(&state.catalog)),
            state: ArcSwap::from_pointee(state),
            served: watch::Sender::new(None),
            turn: std::sync::Mutex::default(),
            terms: OnceLock::new(),
            directory,
            writing: Mutex::new(()),
            positions: watch::Sender::new(0),
            errands: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared), is_dry_run: false }
    }

    /// The agents of a registry as they are; none where no registry was made there. Makes and migrates nothing.
    ///
    /// # Errors
    /// The database does not work, or is of another version.
    pub async fn stored_agents(database: &Database) -> Result<Option<Vec<Agent>>, RegistryError> {
        let Some(pool) = Pool::open_existing(database).await? else { return Ok(None) };
        let agents = stored::list(&mut pool.acquire().await?.session(), None).await;
        pool.close().await;
        Ok(Some(agents?))
    }

    /// Whether the database waits for a standby before it acknowledges a commit; `None` on SQLite, which has none.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn synchronous_standby(&self) -> Result<Option<bool>, StoreError> {
        self.shared.pool.synchronous_standby().await
    }

    /// Lets go of the database after running reads and writes.
    pub async fn close(&self) {
        self.shared.directory.close().await;
        self.shared.pool.close().await;
    }

    /// What the operator set; the defaults until a file said so.
    pub(crate) fn terms(&self) -> Terms {
        self.shared.terms.get().cloned().unwrap_or_default()
    }

    /// Public networks on which payments are taken; none until a file said so.
    #[must_use]
    pub fn networks(&self) -> Arc<[NetworkSettings]> {
        self.terms().networks
    }

    /// The non-EVM ones.
    #[must_use]
    pub fn foreign_networks(&self) -> Arc<[ForeignSettings]> {
        self.terms().foreign
    }

    /// The same registry for a dry run: a change through it is checked against what is there, answered as if it were made, and undone in
    /// the place of its commit. Nobody hears of it. Ids and secrets that it answers with are nobody's.
    #[must_use]
    pub fn dry_run(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), is_dry_run: true }
    }

    /// Whether this is that one.
    #[must_use]
    pub const fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    /// The cached way to agents.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.shared.directory.clone()
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        self.shared.pool.begin().await
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Registry").finish_non_exhaustive()
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], RegistryError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RegistryError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
