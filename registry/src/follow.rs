//! Follows what other processes write on the same database: at once by their notices, and by a look every second, since a
//! notice may be lost.
//!
//! A notice is a word for its kind and what it is about, such as `catalog 42`. A new kind is one more arm in
//! [`Registry::follow`]'s `hear`.

use std::sync::Arc;
use std::time::Duration;

use domain::Catalog;

use crate::catalog::Terms;
use crate::catalog::force::State;
use crate::registry::{Registry, RegistryError};
use crate::store::notices::Notices;
use crate::store::revisions;

/// Between two looks, whatever was heard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
        let mut works = true;
        loop {
            if notices.is_none() {
                // Without them a look every second is all there is, as on SQLite.
                notices = Notices::listen(&self.shared.pool).await.unwrap_or_default();
            }
            let heard = match &mut notices {
                Some(listening) => tokio::time::timeout(LOOK_EVERY, listening.next()).await,
                None => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    Ok(Ok(None))
                }
            };
            let looked = match heard {
                Ok(Ok(Some(notice))) => self.hear(&notice).await,
                Ok(Ok(None)) | Err(_) => self.look().await,
                Ok(Err(error)) => {
                    notices = None;
                    tokio::time::sleep(LOOK_EVERY).await;
                    Err(error.into())
                }
            };
            if let (Err(error), true) = (&looked, works) {
                tracing::error!(%error, "what other processes write cannot be followed, the last known stays");
            }
            works = looked.is_ok();
        }
    }

    async fn hear(&self, notice: &str) -> Result<(), RegistryError> {
        match notice.split_once(' ') {
            Some(("catalog", _)) => self.refresh().await.map(drop),
            // Of a newer version of this program.
            _ => Ok(()),
        }
    }

    async fn look(&self) -> Result<(), RegistryError> {
        self.refresh().await?;
        self.last_position().await.map(drop)
    }
}
