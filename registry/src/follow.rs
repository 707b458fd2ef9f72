//! Follows what other processes write on the same database: at once by their notices, and by a look every second, since a
//! notice may be lost.
//!
//! A notice is a word for its kind and what it is about, such as `catalog 42` or `agent agt_...`. A new kind is one more arm in
//! [`Registry::follow`]'s `hear`. What notices would have said of agents and wallets a look finds in the audit log, which every
//! change of them is in.

use std::sync::Arc;
use std::time::Duration;

use domain::{AgentId, Catalog, WalletId};
use tokio::time::Instant;

use crate::catalog::Terms;
use crate::catalog::force::State;
use crate::errands;
use crate::registry::{Registry, RegistryError};
use crate::store::notices::Notices;
use crate::store::{journal, revisions};

/// Between two looks, whatever was heard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Changes read one by one in a look; where there were more, everyone is forgotten.
const CHANGES_MAX: u32 = 256;

// === impl Registry ===

impl Registry {
    /// Puts the catalog in force that the database has, for a process that follows the files of others.
    ///
    /// # Errors
    /// The database does not work, or what it holds makes no catalog.
    pub async fn load(&self, terms: Terms) -> Result<Arc<Catalog>, RegistryError> {
        self.shared.terms.get_or_init(|| terms);
        self.refresh().await?;
        Ok(Arc::clone(&self.catalogs().borrow()))
    }

    /// Puts the newest catalog in force where another process made one. The version that the database has.
    ///
    /// # Errors
    /// The database does not work, or what it holds makes no catalog; the catalog in force stays.
    pub async fn refresh(&self) -> Result<u64, RegistryError> {
        let version = {
            let mut connection = self.shared.pool.acquire().await?;
            revisions::version(&mut connection.session()).await?
        };
        if version <= self.shared.state.load().setup.version {
            return Ok(version);
        }
        // Not beside a change of our own, which does the same and more.
        let _writing = self.shared.writing.lock().await;
        let state = self.shared.state.load_full();
        let mut snapshot = self.shared.pool.snapshot().await?;
        let Some(setup) = self.newer(&mut snapshot.session(), &state.setup).await? else {
            return Ok(version);
        };
        setup.readable(false)?;
        let version = setup.version;
        let catalog = setup.catalog(&state.catalog).map_err(|_| RegistryError::Stored)?;
        self.shared.state.store(Arc::new(State { setup, catalog: Arc::new(catalog) }));
        self.swap();
        Ok(version)
    }

    /// Follows until it is dropped.
    pub async fn follow(self) {
        let mut notices = None;
        let mut seen = None;
        let mut works = true;
        let mut look_at = Instant::now();
        loop {
            if notices.is_none() {
                // Without them a look every second is all there is, as on SQLite.
                notices = Notices::listen(&self.shared.pool).await.unwrap_or_default();
            }
            // However many notices there are, the time to look comes.
            let heard = match &mut notices {
                Some(listening) => tokio::time::timeout_at(look_at, listening.next()).await,
                None => {
                    tokio::time::sleep_until(look_at).await;
                    Ok(Ok(None))
                }
            };
            let followed = match heard {
                Ok(Ok(Some(notice))) => self.hear(&notice).await,
                Ok(Ok(None)) | Err(_) => {
                    look_at = Instant::now() + LOOK_EVERY;
                    self.look(&mut seen).await
                }
                Ok(Err(error)) => {
                    notices = None;
                    tokio::time::sleep(LOOK_EVERY).await;
                    Err(error.into())
                }
            };
            if let (Err(error), true) = (&followed, works) {
                tracing::error!(%error, "what other processes write cannot be followed, the last known stays");
            }
            works = followed.is_ok();
        }
    }

    async fn hear(&self, notice: &str) -> Result<(), RegistryError> {
        match notice.split_once(' ') {
            Some(("catalog", _)) => self.refresh().await.map(drop),
            Some(("agent", id)) => {
                self.forget_agent(id);
                Ok(())
            }
            Some(("wallet", id)) => {
                self.forget_wallet(id);
                Ok(())
            }
            None if notice == errands::NOTICE => {
                self.shared.errands.send_modify(|heard| *heard += 1);
                Ok(())
            }
            // Of a newer version of this program.
            _ => Ok(()),
        }
    }

    /// Takes in what was written since the change `seen`; everything where nothing was seen before.
    async fn look(&self, seen: &mut Option<u64>) -> Result<(), RegistryError> {
        // Each whatever became of the others: where no catalog can be read, those who were frozen pay nothing all the same.
        let forgotten = self.forget_changed(seen).await;
        let refreshed = self.refresh().await;
        self.last_position().await?;
        forgotten.and(refreshed.map(drop))
    }

    async fn forget_changed(&self, seen: &mut Option<u64>) -> Result<(), RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let session = &mut connection.session();
        let last = journal::last_change(session).await?;
        match *seen {
            Some(after) if last.saturating_sub(after) <= u64::from(CHANGES_MAX) => {
                for change in journal::changes_between(session, after, last).await? {
                    match &*change.subject_kind {
                        "agent" => self.forget_agent(&change.subject),
                        "agent_key" => self.forget_agent(change.agent().unwrap_or_default()),
                        "wallet" => self.forget_wallet(&change.subject),
                        _ => {}
                    }
                }
            }
            _ => self.shared.directory.forget_all(),
        }
        *seen = Some(last);
        Ok(())
    }

    /// Everyone where the text names no one.
    fn forget_agent(&self, id: &str) {
        let directory = &self.shared.directory;
        id.parse::<AgentId>().map_or_else(|_| directory.forget_all(), |id| directory.forget(id));
    }

    /// Everyone where the text names none.
    fn forget_wallet(&self, id: &str) {
        let directory = &self.shared.directory;
        id.parse::<WalletId>().map_or_else(|_| directory.forget_all(), |id| directory.forget_wallet(id));
    }
}

#[cfg(test)]
mod tests;
