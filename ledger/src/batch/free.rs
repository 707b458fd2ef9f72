//! What a call costs its agent: its price, or nothing where it is one of those that its route gives away every day.

use std::sync::Arc;

use domain::{AgentId, Amount, UnixMillis};

use super::{HeldAt, PaymentRow};
use crate::hold::HoldRequest;

/// What a hold is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The most that the call can cost; nothing where it is free.
    pub(crate) maximum: Amount,
    /// It is one of the day's free calls.
    pub(crate) free: bool,
}

/// The free calls of one agent on one route on one day, UTC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FreeKey {
    pub(crate) agent: AgentId,
    pub(crate) route: Arc<str>,
    pub(crate) day: UnixMillis,
}

// === impl Cost ===

impl Cost {
    pub(crate) fn new(request: &HoldRequest, free: bool) -> Self {
        let maximum = if free { None } else { request.price.maximum() };
        Self { maximum: maximum.unwrap_or_default(), free }
    }
}

// === impl FreeKey ===

impl FreeKey {
    pub(crate) fn of(request: &HoldRequest, held: &HeldAt) -> Self {
        Self { agent: request.agent, route: Arc::clone(&request.route), day: held.day }
    }

    pub(crate) fn of_row(row: &PaymentRow) -> Self {
        let day = HeldAt::new(row.held_at).day;
        Self { agent: row.agent, route: Arc::clone(&row.route), day }
    }
}
