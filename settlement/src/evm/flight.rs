//! [`Flight`]: a transaction that was recorded, until the chain has one of its nonce in a block that counts.

use std::time::Duration;

use alloy_primitives::Address;
use tokio::time::Instant;

use super::PATIENCE;
use super::member::Member;
use super::outbox::{Recorded, Unclosed};
use super::transaction::Version;
use crate::chain::{Chain, Receipt, RpcError};

/// Most versions of one transaction: each is looked for.
const VERSIONS_MAX: usize = 24;

/// How long a transaction may be in no block at least, before nobody is served on credit of it: half of the minute that payments are
/// commonly good for, so that what was served until then has time left.
pub(super) const UNSEEN_MIN: Duration = Duration::from_secs(30);

/// And at most, as long as anybody waits for a payment. In between it is waited for what is offered more for it: blocks of a slow network
/// take 12 s each.
pub(super) const UNSEEN_MAX: Duration = PATIENCE;

/// Blocks in which a dearer version may be found.
const DEARER_BLOCKS: u64 = 2;

/// Where a transaction is.
pub(super) enum Look {
    /// In no block.
    Waiting,
    /// In a block that does not count yet.
    Included,
    /// In a block that counts.
    Landed(Receipt),
    /// Another of its nonce is in a block that counts: none of its versions will ever be.
    Passed,
}

/// A transaction on its way.
pub(super) struct Flight {
    pub(super) recorded: Recorded,
    /// Whether it is no batch: it stands in nobody's way.
    pub(super) is_alone: bool,
    /// What it did, where it was in a block when it was last looked for.
    pub(super) seen: Option<Receipt>,
    /// The last block at that time; none where it is to be looked for whatever block is the last.
    looked_at: Option<u64>,
    /// How often it was to be closed.
    pub(super) closings: u32,
    /// For how long it had been written down when this process began with it; zero once it was seen in a block.
    age: Duration,
    /// When it was last seen in a block, or begun with.
    seen_at: Instant,
    /// The last block at that time.
    pub(super) begun_at: u64,
    /// Whether it was looked for since this process began with it.
    was_looked_for: bool,
    /// The last block when it was last sent.
    pub(super) sent_at: u64,
    /// The last block when its newest version was made.
    pub(super) offered_at: u64,
}

// === impl Flight ===

impl Flight {
    /// Sent just now, in its first version.
    pub(super) fn sent(recorded: Recorded, is_alone: bool, head: u64) -> Self {
        Self {
            recorded,
            is_alone,
            seen: None,
            looked_at: Some(head),
            closings: 0,
            age: Duration::ZERO,
            seen_at: Instant::now(),
            begun_at: head,
            was_looked_for: true,
            sent_at: head,
            offered_at: head,
        }
    }

    /// Recorded by somebody who has ended since: to be sent, whether it was or not.
    pub(super) fn resumed(Unclosed { recorded, age }: Unclosed, head: u64) -> Self {
        let is_alone = recorded.members.iter().any(Member::goes_alone);
        Self { age, was_looked_for: false, sent_at: 0, ..Self::sent(recorded, is_alone, head) }
    }

    /// Whether it is a batch that is in no block yet.
    pub(super) const fn is_waiting_batch(&self) -> bool {
        self.seen.is_none() && !self.is_alone
    }

    /// Whether it has been in no block for so long that it may be stuck. None of a later nonce can be in one before it.
    pub(super) fn is_late(&self) -> bool {
        self.was_looked_for && self.seen.is_none() && self.unseen_for() >= UNSEEN_MIN
    }

    /// Whether one that is late is stuck: more was offered for it after so many blocks, and a dearer one would be in a block by now; or
    /// there were no blocks at all; or nobody can wait any longer.
    pub(super) fn is_stuck(&self, head: u64, bump_after: u64) -> bool {
        let dearer_by = self.begun_at.saturating_add(bump_after).saturating_add(DEARER_BLOCKS);
        let stands_still = head <= self.begun_at && self.seen_at.elapsed() >= UNSEEN_MIN;
        self.is_late() && (stands_still || head >= dearer_by || self.unseen_for() >= UNSEEN_MAX)
    }

    fn unseen_for(&self) -> Duration {
        self.age.saturating_add(self.seen_at.elapsed())
    }

    pub(super) fn newest(&self) -> Option<&Version> {
        self.recorded.versions.last()
    }

    pub(super) fn may_have_more(&self) -> bool {
        self.recorded.versions.len() < VERSIONS_MAX
    }

    /// Looks where it is. What is in a block is looked for again only once there is another: a reorganisation may have taken it out.
    pub(super) async fn look(&mut self, chain: &Chain, sender: Address, head: u64) -> Result<Look, RpcError> {
        if self.seen.is_some() && self.looked_at == Some(head) {
            return Ok(Look::Included);
        }
        // Of one that cannot be looked for it is not known that it is in a block still.
        let found = self.receipt(chain).await.inspect_err(|_| self.seen = None)?;
        (self.looked_at, self.was_looked_for) = (Some(head), true);
        self.seen.clone_from(&found);
        let Some(receipt) = found else { return self.passed(chain, sender, head).await };
        (self.seen_at, self.age, self.begun_at) = (Instant::now(), Duration::ZERO, head);
        // A receipt shows that its block is there, whatever was said of the last one.
        let counts =
            chain.settled_below(head.max(receipt.block())).is_some_and(|block| receipt.block() <= block);
        Ok(if counts { Look::Landed(receipt) } else { Look::Included })
    }

    /// Has it looked for also where there is no other block.
    pub(super) const fn look_again(&mut self) {
        self.looked_at = None;
    }

    async fn receipt(&self, chain: &Chain) -> Result<Option<Receipt>, RpcError> {
        for version in self.recorded.versions.iter().rev() {
            if let Some(receipt) = chain.receipt(version.hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// The nonce first and the receipts after it: one of ours that took the nonce has a receipt by then.
    async fn passed(&mut self, chain: &Chain, sender: Address, head: u64) -> Result<Look, RpcError> {
        if self.sent_at == head {
            return Ok(Look::Waiting);
        }
        let Some(block) = chain.settled_below(head) else { return Ok(Look::Waiting) };
        if chain.transactions_of(sender, Some(block)).await? <= self.recorded.nonce {
            return Ok(Look::Waiting);
        }
        match self.receipt(chain).await? {
            None => Ok(Look::Passed),
            Some(found) => {
                self.seen = Some(found);
                self.look_again();
                Ok(Look::Included)
            }
        }
    }
}
