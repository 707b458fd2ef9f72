//! [`Deliveries`]: captured payments whose response did not demonstrably leave yet.
//!
//! Only payments that can be recognised when they come again are here. The list is written with every batch, so
//! that after a crash exactly these may be forwarded once more, free.

use std::collections::{BTreeSet, HashSet};

use domain::{PaymentId, UnixMillis};

use crate::batch::KEPT_MS;

/// Unconfirmed payments that are kept, each for a day. Of the others those that were paid first are given back, and the rest counts as
/// delivered ([`crate::Ledger::give_back_undelivered`]).
const UNCONFIRMED_MAX: usize = 4096;

/// The same until somebody has looked at them; above it the oldest count as delivered at once.
const UNLOOKED_AT_MAX: usize = 2 * UNCONFIRMED_MAX;

#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// A receipt or a redelivery is out. Bounded by the queue's permits.
    running: HashSet<PaymentId>,
    /// Nobody is delivering: the same request may. By age, as payment identifiers sort by time.
    unconfirmed: BTreeSet<PaymentId>,
    /// So many count as delivered because there were too many, since somebody asked.
    dropped: u64,
    /// Something changed since the list was written.
    changed: bool,
}

/// Where the delivery of a captured payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Running,
    /// Given to the one who asked.
    Taken,
    Over,
}

/// What is known of the delivery of a captured payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Its response is on its way.
    Running,
    /// Its response may not have arrived: the same request may come once more, free.
    Unconfirmed,
    /// Confirmed; or too old, or not followed, because the same request could not be told from another.
    Over,
}

// === impl DeliveryState ===

impl DeliveryState {
    /// The word in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unconfirmed => "unconfirmed",
            Self::Over => "over",
        }
    }
}

// === impl Deliveries ===

impl Deliveries {
    /// What a marker listed: whoever delivered it then is gone.
    pub(crate) fn restored(open: impl IntoIterator<Item = PaymentId>) -> Self {
        Self { unconfirmed: open.into_iter().collect(), ..Self::default() }
    }

    /// What a process left that is gone.
    pub(crate) fn inherit(&mut self, open: impl IntoIterator<Item = PaymentId>) {
        self.unconfirmed.extend(open);
        self.changed = true;
    }

    pub(crate) fn begin(&mut self, payment: PaymentId) {
        self.running.insert(payment);
        self.changed = true;
    }

    /// The delivery is over, whatever came of it before.
    pub(crate) fn confirm(&mut self, payment: PaymentId) {
        self.changed |= self.running.remove(&payment) | self.unconfirmed.remove(&payment);
    }

    /// Nobody delivers it any more, and nobody knows whether it arrived.
    pub(crate) fn give_up(&mut self, payment: PaymentId) {
        if self.running.remove(&payment) {
            self.unconfirmed.insert(payment);
            if self.unconfirmed.len() > UNLOOKED_AT_MAX
                && let Some(oldest) = self.unconfirmed.first().copied()
            {
                self.drop_one(oldest);
            }
            self.changed = true;
        }
    }

    /// The oldest, beyond those that are kept.
    pub(crate) fn too_many(&self) -> Vec<PaymentId> {
        let beyond = self.unconfirmed.len().saturating_sub(UNCONFIRMED_MAX);
        self.unconfirmed.iter().take(beyond).copied().collect()
    }

    /// Those that are older than a stored response would be.
    pub(crate) fn old(&self, at: UnixMillis) -> Vec<PaymentId> {
        let oldest = PaymentId::generate(at.plus(-KEPT_MS), [0; 10]);
        self.unconfirmed.iter().take_while(|payment| **payment < oldest).copied().collect()
    }

    /// Counts one as delivered, as nobody comes for it any more. Never one that was paid first: that is given back.
    pub(crate) fn forget(&mut self, payment: PaymentId) {
        self.changed |= self.unconfirmed.remove(&payment);
    }

    /// Counts one as delivered, whatever came of it: there are too many.
    pub(crate) fn drop_one(&mut self, payment: PaymentId) {
        if self.unconfirmed.remove(&payment) {
            tracing::error!(%payment, "charged, and not known to be delivered: too many are, it counts as delivered now");
            self.dropped = self.dropped.saturating_add(1);
            self.changed = true;
        }
    }

    /// How many were dropped since this was asked.
    pub(crate) const fn dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }

    /// Asks to deliver once more.
    pub(crate) fn take(&mut self, payment: PaymentId) -> Delivery {
        if self.running.contains(&payment) {
            Delivery::Running
        } else if self.unconfirmed.remove(&payment) {
            self.running.insert(payment);
            Delivery::Taken
        } else {
            Delivery::Over
        }
    }

    /// Those that nobody delivers now.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = &PaymentId> {
        self.unconfirmed.iter()
    }

    pub(crate) fn state(&self, payment: &PaymentId) -> DeliveryState {
        if self.running.contains(payment) {
            DeliveryState::Running
        } else if self.unconfirmed.contains(payment) {
            DeliveryState::Unconfirmed
        } else {
            DeliveryState::Over
        }
    }

    /// The list to write; counts as written.
    pub(crate) fn list(&mut self) -> Vec<PaymentId> {
        self.changed = false;
        self.running.iter().chain(&self.unconfirmed).copied().collect()
    }

    /// The list that was given out did not reach the disk.
    pub(crate) const fn unwritten(&mut self) {
        self.changed = true;
    }

    /// Whether the list on disk is out of date.
    pub(crate) const fn is_changed(&self) -> bool {
        self.changed
    }
}
