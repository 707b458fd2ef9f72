//! Who asked for what moved.

use std::sync::Arc;

use super::Outcome;
use crate::command::Work;

/// A row of `mover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MoverRow {
    /// The name of the refund, the transfer or the settlement.
    pub(crate) moved: [u8; 16],
    pub(crate) who: Arc<str>,
}

// === impl MoverRow ===

impl MoverRow {
    /// Of one work, once it is decided; none where nobody asked, where nothing moved, and where it had moved before.
    pub(crate) fn of(work: &Work, outcome: &Outcome) -> Option<Self> {
        let (who, asked) = match work {
            Work::Refund { who, id, .. }
            | Work::Fund { who, id, .. }
            | Work::Withdraw { who, id, .. }
            | Work::Pay { who, id, .. } => (who, *id.as_bytes()),
            Work::Settle { who, names, .. } => (who, *names.settlement.as_bytes()),
            _ => return None,
        };
        let moved = match outcome {
            Outcome::Refunded(refunded) => *refunded.id.as_bytes(),
            Outcome::Moved(transfer) => *transfer.id.as_bytes(),
            Outcome::PaidOut(payout) => *payout.paid.as_ref()?.transfer.as_bytes(),
            Outcome::Settled(settlement) => *settlement.id.as_bytes(),
            Outcome::Captured(_) | Outcome::Done | Outcome::Refused(_) => return None,
        };
        // The same word again has the first one's name.
        let who = who.clone().filter(|_| moved == asked)?;
        Some(Self { moved, who })
    }
}
