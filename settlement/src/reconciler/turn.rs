//! [`Turn`]: how far what is due on a network was looked at. Each look goes on behind the one before it and begins again at the end, so
//! that each payment has its turn, however many stand still. Pure.

use std::collections::HashSet;

use domain::PaymentId;
use ledger::{Due, DuePlace};

#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The last one that was looked at; none where it is the first one's turn.
    after: Option<DuePlace>,
    /// Those that were read since the first one's turn, and in the round before.
    read: HashSet<PaymentId>,
    before: HashSet<PaymentId>,
}

// === impl Turn ===

impl Turn {
    /// Where the next look begins, no earlier than there.
    pub(super) fn begin(&self, first: DuePlace) -> DuePlace {
        self.after.map_or(first, |after| after.max(first))
    }

    /// These were read, of which the first `passed` ones have had their turn. `most` are read at once.
    pub(super) fn end(&mut self, due: &[Due], passed: usize, most: usize) {
        self.read.extend(due.iter().map(|due| due.payment));
        if passed == due.len() && due.len() < most {
            self.after = None;
            self.before = std::mem::take(&mut self.read);
        } else if let Some(last) = due.get(..passed).and_then(<[_]>::last) {
            self.after = Some(last.place);
        }
    }

    /// Those that are due, as far as they were read.
    pub(super) fn listed(&self) -> impl Iterator<Item = PaymentId> {
        self.read.iter().chain(&self.before).copied()
    }

    /// How many there are of them: those of the last whole round, or more that were read since.
    pub(super) fn count(&self) -> usize {
        self.read.len().max(self.before.len())
    }
}
