//! What a person says became of a payment, once the batch that makes it so is decided.

use domain::{Amount, TransactionId, UnixMillis};

use crate::batch::{MoverRow, Outcome};
use crate::command::Work;
use crate::hold::Holding;
use crate::verdict::Verdict;

/// The row of one work; none where nobody said it, and where the books refuse it.
pub(super) fn of(work: &Work, outcome: &Outcome, at: UnixMillis) -> Option<Verdict> {
    match (work, outcome) {
        (Work::Capture { holding, .. }, Outcome::Captured(receipt)) => {
            let transaction = holding.moved.and_then(|end| end.transaction());
            verdict(holding, receipt.amount, transaction, at)
        }
        (Work::Void { holding, .. }, Outcome::Done) => verdict(holding, holding.cost.maximum, None, at),
        _ => None,
    }
}

/// Who said it: a verdict has the name of its payment.
pub(super) fn mover(holding: &Holding, outcome: &Outcome) -> Option<MoverRow> {
    let is_made = matches!(outcome, Outcome::Captured(_) | Outcome::Done);
    let who = holding.said_by.clone().filter(|_| is_made)?;
    Some(MoverRow { moved: *holding.request.payment.as_bytes(), who })
}

fn verdict(
    holding: &Holding,
    amount: Amount,
    transaction: Option<TransactionId>,
    at: UnixMillis,
) -> Option<Verdict> {
    let intent = holding.said_by.as_ref().and(holding.request.intent.as_ref())?;
    let (payment, network, token) = (holding.request.payment, intent.network.clone(), intent.token);
    Some(Verdict { payment, network, token, amount, transaction, at })
}
