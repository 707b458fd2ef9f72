//! [`Registry`]: the handle to the registry's database, the catalog in force, and all writes to both.
//!
//! Every write goes through here, so that the [`Directory`] forgets what changed the moment it is committed.

mod agents;
mod keys;
mod wallets;

use std::sync::Arc;

use domain::{
    Address, AgentId, AlertId, ApiKeyId, Catalog, Clock, EventId, KeyId, Provider, Route, UnixMillis,
    WalletId, WebhookId,
};
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::agent::{AGENT_NAME_BYTES_MAX, Agent};
use crate::catalog::RawCatalog;
use crate::database::Database;
use crate::directory::Directory;
use crate::revision::{self, Assigned, Wanted};
use crate::store::{Pool, StoreError, Transaction, agents as stored, revisions};

/// What people edit. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) pool: Pool,
    pub(crate) clock: Arc<dyn Clock>,
    catalog: watch::Sender<Arc<Catalog>>,
    pub(crate) directory: Directory,
    /// One writer at a time: the database has one anyway, and catalogs are numbered in order.
    pub(crate) writing: Mutex<()>,
    /// The position of the last event that is known here.
    pub(crate) positions: watch::Sender<u64>,
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
    /// Two routes answer the same requests.
    #[error("the routes `{0}` and `{1}` answer the same requests")]
    Collision(String, String),
    /// No such agent.
    #[error("there is no agent {0}")]
    UnknownAgent(AgentId),
    /// No such key.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),
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
    #[error("no event is of the type `{0}`")]
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
        let pool = Pool::open(database).await?;
        let directory = Directory::new(pool.clone(), Arc::clone(&clock), directory_entries_max);
        let catalog = watch::Sender::new(Arc::new(Catalog::empty()));
        let (writing, positions) = (Mutex::new(()), watch::Sender::new(0));
        let shared = Shared { pool, clock, catalog, directory, writing, positions };
        Ok(Self { shared: Arc::new(shared) })
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
        self.shared.pool.close().await;
    }

    /// Numbers the prices of a catalog and puts it in force. Where nothing changed, the one in force stays;
    /// what did not change is the same `Arc` as before.
    ///
    /// # Errors
    /// Routes collide, or the database does not work; the catalog in force stays.
    pub async fn apply(&self, raw: &RawCatalog, at: UnixMillis) -> Result<Arc<Catalog>, RegistryError> {
        raw.check().map_err(|pair| collision(&raw.routes, pair))?;
        let wanted: Vec<Wanted<'_>> = raw
            .routes
            .iter()
            .map(|route| Wanted {
                route: &route.name,
                price: &route.price,
                suspended: is_suspended(&raw.providers, route),
            })
            .collect();

        let _writing = self.shared.writing.lock().await;
        let mut transaction = self.begin().await?;
        let kept = revisions::load(&mut transaction.session()).await?;
        let (assigned, changed) = revision::assign(&kept, &wanted, at);
        let before = self.shared.catalog.borrow().clone();
        let (providers, routes) = share(raw, assigned, &before);
        if before.version() > 0 && same(&providers, before.providers()) && same(&routes, before.routes()) {
            return Ok(before);
        }
        revisions::save(&mut transaction.session(), &changed, at).await?;
        let version = revisions::next_version(&mut transaction.session()).await?;
        let catalog =
            Catalog::new(version, providers, routes).map_err(|pair| collision(&raw.routes, pair))?;
        transaction.commit().await?;
        let catalog = Arc::new(catalog);
        self.shared.catalog.send_replace(Arc::clone(&catalog));
        Ok(catalog)
    }

    /// The catalog in force, and every one after it.
    #[must_use]
    pub fn catalogs(&self) -> watch::Receiver<Arc<Catalog>> {
        self.shared.catalog.subscribe()
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

fn collision(routes: &[Arc<Route>], (one, other): (usize, usize)) -> RegistryError {
    let name = |index: usize| routes.get(index).map_or_else(String::new, |route| route.name.to_string());
    RegistryError::Collision(name(other), name(one))
}

fn is_suspended(providers: &[Arc<Provider>], route: &Route) -> bool {
    providers.get(route.provider.0 as usize).is_some_and(|provider| provider.suspended)
}

/// The raw catalog with its numbers; each part that is as before is the one from before.
fn share(
    raw: &RawCatalog,
    assigned: Vec<Assigned>,
    before: &Catalog,
) -> (Vec<Arc<Provider>>, Vec<Arc<Route>>) {
    let known: std::collections::HashMap<&str, &Arc<Provider>> =
        before.providers().iter().map(|provider| (&*provider.name, provider)).collect();
    let providers = raw.providers.iter().map(|provider| match known.get(&*provider.name) {
        Some(known) if *known == provider => Arc::clone(known),
        _ => Arc::clone(provider),
    });
    let known: std::collections::HashMap<&str, &Arc<Route>> =
        before.routes().iter().map(|route| (&*route.name, route)).collect();
    let routes = raw.routes.iter().zip(assigned).map(|(route, assigned)| {
        let Assigned { revision, superseded } = assigned;
        let next = Route { revision, superseded, ..(**route).clone() };
        match known.get(&*route.name) {
            Some(known) if ***known == next => Arc::clone(known),
            _ => Arc::new(next),
        }
    });
    (providers.collect(), routes.collect())
}

fn same<T>(one: &[Arc<T>], other: &[Arc<T>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

#[cfg(test)]
pub(crate) mod tests;
