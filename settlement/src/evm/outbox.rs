//! [`Outbox`]: where a transaction is written down before it is sent, for one network and one key.
//!
//! What stands there survives a crash: it is sent again under its own nonce until the chain has one of that nonce.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::member::Member;
use super::transaction::Version;
use crate::rail::Settling;

/// The steps of a transaction's life that must not be forgotten.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// What was recorded and not closed, by nonce, and the first nonce above all that were ever recorded.
    async fn resume(&self) -> Result<Resumed, OutboxError>;

    /// How many transactions stand there from a nonce on, closed or not; without those whose place another one took: that one is not known.
    async fn recorded(&self, first: u64) -> Result<u64, OutboxError>;

    /// Writes a transaction down, durably, where nothing stands under its nonce, or a version more of the one that stands there. It is
    /// sent only after this. Whatever else stands there refuses it: another sender of our key wrote it, whose place was taken or who took
    /// ours, or we did and heard an error.
    async fn record(&self, transaction: &Recorded) -> Result<(), OutboxError>;

    /// The chain has one of its nonce in a block that counts: ours, where `landed` says so. Members without an outcome are free again.
    /// Closing it again in the same way, after an answer was lost, changes nothing. Where something else stands under its nonce, or stood
    /// when it was closed, another sender knows more of it, and this is refused.
    async fn close(
        &self,
        transaction: &Recorded,
        landed: Option<Landed>,
        outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError>;

    /// Where a transfer of our own stands, by its member's name; none where it is in no transaction of any key of ours, and never was.
    /// [`Outbox::record`] refuses a transaction with one that is in another one, or was.
    async fn transfer(&self, member: &str) -> Result<Option<Sent>, OutboxError>;

    /// Writes down, durably, that a transfer which is in no transaction will never be sent under its member's name. False where something
    /// else stands of it. Refused where another process has the turn: it may be sending it.
    async fn give_up(&self, member: &str, why: &str) -> Result<bool, OutboxError>;

    /// Which of these ever stood in a transaction: everybody may have read their signatures.
    async fn known(&self, members: &[Arc<str>]) -> Result<HashSet<Arc<str>>, OutboxError>;
}

/// A transaction as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its number among those of our key.
    pub nonce: u64,
    /// What it moves.
    pub members: Vec<Member>,
    /// All that was or will be sent under this nonce, the last one last. Never empty.
    pub versions: Vec<Version>,
}

/// Where a transfer of our own stands. It has no nonce of its own that keeps it from being made twice: the outbox does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// In a transaction of this key that is not closed.
    Here,
    /// In one of another key, or on another network.
    Elsewhere,
    /// It is over.
    Over(Over),
}

/// What became of a transfer of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// It moved, in this transaction.
    Moved(B256),
    /// It did not, and never will by what was sent.
    Failed(String),
}

/// A transaction in a block that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Which version of it.
    pub transaction: B256,
    /// In which block.
    pub block: u64,
    /// What it took.
    pub gas: u64,
}

/// A transaction that was written down, and not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclosed {
    /// As it stands.
    pub recorded: Recorded,
    /// How long ago its first version was written down.
    pub age: Duration,
}

/// What stood in the outbox at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// By nonce.
    pub open: Vec<Unclosed>,
    /// 0 where nothing was ever recorded.
    pub next_nonce: u64,
}

/// It could not be written or read; whether it was written, nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the database of what is sent: {0}")]
pub struct OutboxError(pub String);

// === impl Recorded ===

impl Recorded {
    /// Those of its members that are transfers of our own.
    pub fn transfers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.iter().filter(|member| member.is_transfer()).map(|member| &member.id)
    }
}

// === impl Over ===

impl Over {
    /// From what a member is answered; none where that says nothing for good.
    #[must_use]
    pub fn of(settling: &Settling) -> Option<Self> {
        match settling {
            Settling::Moved(transaction) => Some(Self::Moved(*transaction)),
            Settling::Refused(why) => Some(Self::Failed(why.clone())),
            Settling::Shown(_) | Settling::Told(_) | Settling::Unknown(_) | Settling::Unavailable(_) => None,
        }
    }
}

impl From<Over> for Settling {
    fn from(over: Over) -> Self {
        match over {
            Over::Moved(transaction) => Self::Moved(transaction),
            Over::Failed(why) => Self::Refused(why),
        }
    }
}
