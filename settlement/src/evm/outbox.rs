//! [`Outbox`]: where a transaction is written down before it is sent, for one network and one key.
//!
//! What stands there survives a crash: it is sent again under its own nonce until the chain has one of that nonce.

use std::collections::HashSet;
use std::sync::Arc;

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

    /// Writes a transaction down, durably, instead of what stands open under its nonce. It is sent only after this; a version that
    /// is added is, too.
    async fn record(&self, transaction: &Recorded) -> Result<(), OutboxError>;

    /// The chain has one of this nonce in a block that counts: ours, where `landed` says so. Members without an outcome are free again.
    /// Closing it again, after an answer was lost, changes nothing.
    async fn close(
        &self,
        nonce: u64,
        landed: Option<Landed>,
        outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError>;

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

/// What stood in the outbox at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// By nonce.
    pub open: Vec<Recorded>,
    /// 0 where nothing was ever recorded.
    pub next_nonce: u64,
}

/// It could not be written or read; whether it was written, nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the outbox: {0}")]
pub struct OutboxError(pub String);
