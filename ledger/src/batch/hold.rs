//! Rows of holds on disk.

use domain::{Amount, Capture, Metered, UnixMillis};

use super::{AccountId, Cost, HeldAt, WindowKey};
use crate::hold::HoldRequest;

/// A row of `hold`: all that is needed to capture it without a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HoldRow {
    pub(crate) request: HoldRequest,
    pub(crate) wallet_account: AccountId,
    pub(crate) provider_account: AccountId,
    pub(crate) cost: Cost,
    pub(crate) held_at: UnixMillis,
    /// What it costs in any case.
    pub(crate) owed: Option<Amount>,
}

/// A hold that an earlier process left on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundHold {
    pub(crate) request: HoldRequest,
    pub(crate) held: HeldAt,
    pub(crate) free: bool,
    /// What it costs in any case.
    pub(crate) owed: Option<Amount>,
}

// === impl HoldRow ===

impl HoldRow {
    /// What the next start takes of it, where this process dies: what was said when its answer began, and before that what a metered
    /// call costs of which nobody can tell what it used. None: as its route says.
    pub(crate) fn owed_after_a_crash(&self) -> Option<Amount> {
        let is_charged = self.request.capture == Capture::Before && self.request.intent.is_none();
        let unread = self.request.price.metered().filter(|_| is_charged).map(Metered::unread);
        self.owed.or_else(|| unread.map(|unread| unread.min(self.cost.maximum)))
    }
}

// === impl FoundHold ===

impl FoundHold {
    pub(crate) fn cost(&self) -> Cost {
        Cost::new(&self.request, self.free)
    }

    /// How much of a window it holds.
    pub(crate) fn counts_for(&self, key: &WindowKey) -> i64 {
        let counts = self.held.limits(&self.request).any(|(counted, _)| counted == *key);
        if counts { self.cost().maximum.atomic() } else { 0 }
    }
}
