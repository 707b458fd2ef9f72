//! [`Writing`]: one change of the registry under way: the one lock, the transaction, and what the journal is told.

use tokio::sync::MutexGuard;

use crate::journal::{self, Actor, Entry, NewEvent};
use crate::registry::{Registry, RegistryError};
use crate::store::{Session, Transaction, notices};

/// Rolled back when dropped.
pub(crate) struct Writing<'a> {
    registry: &'a Registry,
    transaction: Transaction,
    /// The last event of it.
    position: Option<u64>,
    _lock: MutexGuard<'a, ()>,
}

// === impl Registry ===

impl Registry {
    /// Begins to write. One at a time, here and on the database.
    pub(crate) async fn write(&self) -> Result<Writing<'_>, RegistryError> {
        let lock = self.shared.writing.lock().await;
        let transaction = self.begin().await?;
        Ok(Writing { registry: self, transaction, position: None, _lock: lock })
    }
}

// === impl Writing ===

impl Writing<'_> {
    pub(crate) fn session(&mut self) -> Session<'_> {
        self.transaction.session()
    }

    /// Records the change in the audit log and the event log.
    pub(crate) async fn record(&mut self, entry: &Entry<'_>) -> Result<(), RegistryError> {
        self.position = Some(journal::record(&mut self.transaction.session(), entry).await?);
        Ok(())
    }

    /// Appends an event that no person's change made; gives its position.
    pub(crate) async fn append(&mut self, event: &NewEvent) -> Result<u64, RegistryError> {
        let position = journal::append(&mut self.transaction.session(), event).await?;
        self.position = Some(position);
        Ok(position)
    }

    /// Notes in the audit log who asked for what an event tells of.
    pub(crate) async fn note(&mut self, actor: &Actor, event: &NewEvent) -> Result<(), RegistryError> {
        journal::note_event(&mut self.transaction.session(), actor, event).await
    }

    /// Tells the other processes on this database, once it is committed.
    pub(crate) async fn notify(&mut self, notice: &str) -> Result<(), RegistryError> {
        Ok(notices::send(&mut self.transaction.session(), notice).await?)
    }

    /// Commits, then tells those who wait for events. A dry run is undone here.
    pub(crate) async fn commit(self) -> Result<(), RegistryError> {
        if self.registry.is_dry_run() {
            return Ok(());
        }
        self.transaction.commit().await?;
        if let Some(position) = self.position {
            self.registry.passed(position);
        }
        Ok(())
    }
}
