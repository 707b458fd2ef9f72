//! What is sent of an event: `{type, timestamp, data}`, and for a batch of payments the payments themselves.

use async_trait::async_trait;
use registry::journal::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// The one type that stands for many things that happened.
pub const CAPTURED_BATCH: &str = "payment.captured.batch";

/// Most payments of one such event.
pub const MEMBERS_MAX: u32 = 1_000;

/// Payments of a provider that were captured one after the other: what the event keeps of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedBatch {
    /// The provider's name.
    pub provider: String,
    /// Numbers of the first and the last one; those between may be other providers'.
    pub first_seq: u64,
    /// See `first_seq`.
    pub last_seq: u64,
}

/// Reads the payments behind an event. A seam: the ledger has them.
#[async_trait]
pub trait Members: Send + Sync + 'static {
    /// The payments of a batch as JSON, in order, at most [`MEMBERS_MAX`].
    ///
    /// # Errors
    /// They cannot be read now.
    async fn captured(&self, batch: &CapturedBatch) -> Result<Vec<Value>, MembersError>;
}

/// The payments of an event cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the payments of the event cannot be read: {0}")]
pub struct MembersError(pub String);

/// What a payment of a batch takes while its body is made, in bytes: as values it is several times as long as in the body.
const MEMBER_BYTES: usize = 2 * 1024;

/// About what the body of an event takes in memory until it is sent, in bytes. Nothing is read for it.
pub(super) fn size(event: &Event) -> usize {
    let members = match event.data["count"].as_u64() {
        Some(count) if event.kind == CAPTURED_BATCH => count.min(MEMBERS_MAX.into()),
        _ => 0,
    };
    let members = usize::try_from(members).unwrap_or_default();
    event.data.to_string().len() + members * MEMBER_BYTES
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// When it happened, not when it is sent: that is in the header.
    timestamp: String,
    data: &'a Value,
}

/// The body of an event's deliveries: the same bytes each time, but for transactions of payments that a public network settled since.
pub(super) async fn body(event: &Event, members: &dyn Members) -> Result<Vec<u8>, MembersError> {
    let unreadable = |error: serde_json::Error| MembersError(error.to_string());
    let expanded;
    let data = if event.kind == CAPTURED_BATCH {
        let batch = CapturedBatch::deserialize(&event.data).map_err(unreadable)?;
        let mut data = event.data.clone();
        data["payments"] = members.captured(&batch).await?.into();
        expanded = data;
        &expanded
    } else {
        &event.data
    };
    let message = Message { kind: &event.kind, timestamp: event.at.to_string(), data };
    serde_json::to_vec(&message).map_err(unreadable)
}
