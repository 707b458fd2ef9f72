//! What is counted beside payments: calls of a month, for tiers, and the usage of a minute, for dashboards.

use std::sync::Arc;

use domain::{AgentId, UnixMillis};

use super::AccountId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallKey {
    pub(crate) agent: AgentId,
    pub(crate) provider: AccountId,
    pub(crate) month: UnixMillis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallChange {
    pub(crate) made: u64,
    pub(crate) returned: u64,
    /// What they cost, and what of that was given back.
    pub(crate) spent: i64,
    pub(crate) refunded: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UsageKey {
    pub(crate) minute: i64,
    pub(crate) provider: AccountId,
    pub(crate) route: Arc<str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) payments: i64,
    pub(crate) gross: i64,
    pub(crate) fee: i64,
    pub(crate) refunds: i64,
    pub(crate) refunded: i64,
    pub(crate) refunded_fee: i64,
}
