//! Whether the outbox knows all that our key sent. It does not where it was restored from an older backup, and where somebody else has
//! the key, as one more transaction or one in the place of ours shows: a transfer of our own that it does not know may have left before,
//! and nothing but the outbox keeps it from leaving twice.
//!
//! What payers signed has nonces of its own, and goes on.

use std::sync::atomic::Ordering;

use tracing::error;

use super::outbox::Outbox;
use super::task::{Failure, Task};

/// What is done about it.
const WHAT_TO_DO: &str = "the key has sent transactions that the outbox does not know: nothing that is due leaves the treasury. Hold what is due \
     beside the chain (`faregate outgoing list --state due`, and `--state sent`), mark what left (`faregate outgoing mark-paid`), then set \
     [networks.evm] first_nonce to the number of transactions that the chain has of the key";

// === impl Task ===

impl<O: Outbox> Task<O> {
    pub(super) fn knows_all(&self) -> bool {
        self.readiness.knows_all.load(Ordering::Relaxed)
    }

    /// How many transactions the chain has of our key. Asked before the outbox is read: whatever is sent meanwhile is written down first.
    pub(super) async fn sent_before(&self) -> Result<u64, Failure> {
        let included = self.chain.transactions_of(self.us, None).await?;
        // Not every node says what waits to be included.
        let waiting = self.chain.transactions_waiting_of(self.us).await.unwrap_or_default();
        Ok(included.max(waiting))
    }

    /// Whether all of those stand in the outbox, from the first one on that it is to know. `next_nonce` as it was read after them.
    pub(super) async fn look_back(&mut self, sent: u64, next_nonce: u64) -> Result<(), Failure> {
        let first = self.settings.first_nonce;
        let recorded = self.outbox.recorded(first).await?;
        let knows_all = sent <= first.max(next_nonce) && recorded == next_nonce.saturating_sub(first);
        if !knows_all {
            error!(key = %self.us, chain = self.settings.chain_id, sent, next_nonce, first, recorded, "{WHAT_TO_DO}");
        }
        self.readiness.knows_all.store(knows_all, Ordering::Relaxed);
        Ok(())
    }
}
