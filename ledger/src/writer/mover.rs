//! Who asked for what a work moved.

use super::verdict;
use crate::batch::{MoverRow, Outcome, StepRow};
use crate::command::Work;
use crate::outgoing::Step;

/// The row of one work, once it is decided, among the steps that were made; none where nobody asked, where nothing moved, and where it had
/// moved before.
pub(super) fn of(work: &Work, outcome: &Outcome, steps: &[StepRow]) -> Option<MoverRow> {
    let (who, asked) = match work {
        Work::Capture { holding, .. } | Work::Void { holding, .. } => {
            return verdict::mover(holding, outcome);
        }
        Work::Refund { who, id, .. }
        | Work::Fund { who, id, .. }
        | Work::Withdraw { who, id, .. }
        | Work::Resolve { who, id, .. }
        | Work::Pay { who, id, .. } => (who, *id.as_bytes()),
        Work::Settle { who, names, .. } => (who, *names.settlement.as_bytes()),
        Work::Step { who, step, transfer, outgoing, .. } => {
            // One in a batch; none where it was made before.
            let made = steps.iter().find(|row| row.outgoing == outgoing.id)?;
            let name = match (step, outgoing.payout()) {
                (Step::Left(_), Some(_)) => *transfer.as_bytes(),
                _ => outgoing.id.step(u64::try_from(made.number).ok()?),
            };
            (who, name)
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
