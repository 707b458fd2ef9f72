//! Who asked for what a work moved.

use crate::batch::{MoverRow, Outcome};
use crate::command::Work;
use crate::outgoing::{OutgoingState, Step};

/// The row of one work, once it is decided; none where nobody asked, where nothing moved, and where it had moved before.
pub(super) fn of(work: &Work, outcome: &Outcome) -> Option<MoverRow> {
    let (who, asked) = match work {
        Work::Refund { who, id, .. }
        | Work::Fund { who, id, .. }
        | Work::Withdraw { who, id, .. }
        | Work::Resolve { who, id, .. }
        | Work::Pay { who, id, .. } => (who, *id.as_bytes()),
        Work::Settle { who, names, .. } => (who, *names.settlement.as_bytes()),
        Work::Step { who, step: Step::Left(_), transfer, outgoing, .. } => {
            let is_paid_by_it = outgoing.payout().is_some() && outgoing.state != OutgoingState::Paid;
            (is_paid_by_it.then_some(who)?, *transfer.as_bytes())
        }
        _ => return None,
    };
    let moved = match outcome {
        Outcome::Refunded(refunded) => *refunded.id.as_bytes(),
        Outcome::Moved(transfer) => *transfer.id.as_bytes(),
        Outcome::PaidOut(payout) => *payout.paid.as_ref()?.transfer.as_bytes(),
        Outcome::Settled(settlement) => *settlement.id.as_bytes(),
        Outcome::Stepped(_) => asked,
        Outcome::Resolved(resolution) => *resolution.id.as_bytes(),
        Outcome::Captured(_) | Outcome::Differed(_) | Outcome::Done | Outcome::Refused(_) => return None,
    };
    // The same word again has the first one's name.
    let who = who.clone().filter(|_| moved == asked)?;
    Some(MoverRow { moved, who })
}
