//! A batch on its way to disk: written until it is known whether it stands, and what is known where that failed.

use super::run::Run;
use crate::batch::Delta;
use crate::command::Failure;
use crate::commit::{CommitStore, StoreError};
use crate::health::Cause;
use crate::observer::CommitFailure;
use crate::shared::Phase;

/// How often a batch is begun anew when somebody holds the database. Each time waits for the lock by itself.
const BUSY_TRIES: u32 = 4;

/// Questions whether an ambiguous commit stands, one a tick, while closing; then the books must tell at the next start.
const RESOLVE_TRIES_CLOSING: u32 = 8;

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// Writes a delta until it is known whether it stands.
    pub(super) async fn persist(&mut self, delta: &Delta, operations: usize) -> Result<(), Failure> {
        if self.shared.gate.cause() == Some(Cause::Disk) {
            return Err(Failure::Failed);
        }
        self.shared.gate.commit_begins();
        let written = self.write(delta).await;
        let standing = match written {
            Ok(()) => Ok(()),
            Err(error) => self.examine(delta, operations, error).await,
        };
        self.shared.gate.commit_ended();
        if standing.is_ok() {
            self.wrote = true;
        }
        standing
    }

    async fn write(&mut self, delta: &Delta) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.store.commit(delta).await {
                Ok(()) => {
                    self.shared.gate.reopen();
                    return Ok(());
                }
                // Nothing was begun: the same batch again.
                Err(StoreError::Busy(_)) if tries < BUSY_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// After a failed write: closes the gate, and asks the marker before anyone is answered.
    async fn examine(&mut self, delta: &Delta, operations: usize, error: StoreError) -> Result<(), Failure> {
        let words = error.to_string();
        let standing = match error {
            StoreError::Refused(_) => {
                tracing::error!(operations, error = %words, "the last wall refused a batch of the ledger");
                Err(Failure::Refused)
            }
            StoreError::Busy(_) => {
                self.shared.gate.close(Cause::Commit, words.clone());
                Err(Failure::Failed)
            }
            StoreError::Broken(_) => {
                self.shared.gate.close(Cause::Commit, words.clone());
                self.resolve(delta.marker.batch).await
            }
            // What a disk says after a failed sync proves nothing.
            StoreError::Fatal(_) => {
                self.shared.gate.close(Cause::Disk, words.clone());
                Err(Failure::Unknown)
            }
        };
        let fatal = self.shared.gate.cause() == Some(Cause::Disk);
        if standing.is_err() && (operations > 0 || fatal) {
            self.shared.observer.commit_failed(&CommitFailure { operations, error: &words, fatal });
        }
        standing
    }

    async fn resolve(&mut self, batch: i64) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            match self.store.resolve(batch).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Failure::Failed),
                Err(StoreError::Fatal(words)) => {
                    self.shared.gate.close(Cause::Disk, words);
                    return Err(Failure::Unknown);
                }
                Err(error) => tracing::warn!(batch, %error, "cannot tell yet whether a batch was committed"),
            }
            tries += 1;
            let phase = self.shared.phase();
            let over = phase == Phase::Aborted || (phase == Phase::Closing && tries >= RESOLVE_TRIES_CLOSING);
            if over || self.ticks.recv().await.is_none() {
                // Memory may lack what stands: another batch of this number would be written over it.
                self.shared.gate.close(Cause::Disk, format!("nobody knows whether batch {batch} stands"));
                return Err(Failure::Unknown);
            }
        }
    }
}
