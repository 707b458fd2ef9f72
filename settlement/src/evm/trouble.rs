//! While nothing can be sent: those who wait are told so, and nobody else begins to wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::outbox::Outbox;
use super::task::{Failure, Task};
use crate::rail::Settling;

/// Why nothing can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// Its nodes do not answer, or not as they should.
    Nodes,
    /// They show no new blocks.
    Still,
    /// Nothing can be written down before it is sent.
    Database,
    /// The network has no Multicall3.
    Multicall,
    /// The account has too few coins for gas.
    Coins,
    /// Gas costs more than may be offered.
    Price,
    /// A transaction has been in no block for too long.
    Stuck,
}

/// Steps in a row that fail until it is given up on what waits: a node that restarts is waited for.
const FAILED_MAX: u32 = 3;

// === impl Unable ===

impl Unable {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Nodes, Self::Still, Self::Database, Self::Multicall, Self::Coins, Self::Price, Self::Stuck];

    /// As a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Still => "still",
            Self::Database => "database",
            Self::Multicall => "multicall",
            Self::Coins => "coins",
            Self::Price => "price",
            Self::Stuck => "stuck",
        }
    }
}

impl From<&Failure> for Unable {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Rpc(_) => Self::Nodes,
            Failure::Still(_) => Self::Still,
            Failure::Outbox(_) => Self::Database,
            Failure::Multicall => Self::Multicall,
            Failure::Coins(_) => Self::Coins,
            Failure::Price { .. } => Self::Price,
            Failure::Stuck(_) => Self::Stuck,
        }
    }
}

// === impl Task ===

impl<O: Outbox> Task<O> {
    pub(super) fn is_able(&self) -> bool {
        self.readiness.able.load(Ordering::Relaxed)
    }

    /// After each step.
    pub(super) async fn note(&mut self, sent: Result<(), Failure>) {
        let is_ours = sent.as_ref().is_err_and(|failure| !failure.is_everybodys());
        self.readiness.failing.store(is_ours, Ordering::Relaxed);
        let Err(failure) = sent else {
            self.failed = 0;
            *self.readiness.unable.lock() = None;
            if !self.readiness.able.swap(true, Ordering::Relaxed) {
                info!(key = %self.us, chain = self.settings.chain_id, "the settler can send");
            }
            return;
        };
        self.failed = self.failed.saturating_add(1);
        // Readiness at once and then ever less often: an account without coins fails five times a second.
        if self.failed.is_power_of_two() {
            warn!(%failure, in_a_row = self.failed, "the settler cannot send");
        }
        if self.failed < FAILED_MAX {
            return;
        }
        self.readiness.able.store(false, Ordering::Relaxed);
        *self.readiness.unable.lock() = Some((&failure).into());
        if let Err(failure) = self.give_up(&failure.to_string()).await {
            warn!(%failure, "those who wait cannot be told");
        }
    }

    /// Declines all that wait to be sent.
    async fn give_up(&mut self, why: &str) -> Result<(), Failure> {
        let ids: Vec<Arc<str>> = self.queue.iter().map(|member| Arc::clone(&member.id)).collect();
        self.decline(&ids, why).await?;
        self.queue.clear();
        Ok(())
    }

    /// Answers these that they are not sent. What may stand in a transaction may still move.
    pub(super) async fn decline(&mut self, ids: &[Arc<str>], why: &str) -> Result<(), Failure> {
        let known = self.outbox.known(ids).await?;
        for id in ids {
            let is_known = known.contains(id) || self.failures.contains_key(id);
            let why = why.to_owned();
            self.answer(id, &if is_known { Settling::Unknown(why) } else { Settling::Unavailable(why) });
        }
        Ok(())
    }
}
