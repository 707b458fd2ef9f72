//! Whoever follows the books asks first where anything but payments moved last: nothing that moves may be missing there. Looked at where
//! a test's books end.

use super::kit::Books;
use crate::Changes;

/// Who has read all but the last movement is told of it.
pub(super) async fn expect_followed(books: &Books) {
    let all = books.ledger.changes((0, i64::MAX), u32::MAX).await.unwrap();
    let Some(last) = batches(&all).max() else { return };
    let found = books.ledger.changes((last - 1, i64::MAX), u32::MAX).await.unwrap();
    assert!(batches(&found).eq(batches(&all).filter(|batch| *batch == last)), "{found:?}");
    let none = books.ledger.changes((last, i64::MAX), u32::MAX).await.unwrap();
    assert_eq!(batches(&none).count(), 0);
    // Others may have written meanwhile.
    assert!(none.upto >= all.upto, "{} is before {}", none.upto, all.upto);
}

/// Of everything that moved.
fn batches(changes: &Changes) -> impl Iterator<Item = i64> {
    let Changes {
        refunds, transfers, settlements, payouts, paid, differences, resolutions, outgoing, ..
    } = changes;
    let refunds = refunds.iter().map(|refund| refund.batch);
    let transfers = transfers.iter().map(|(batch, _)| *batch);
    let settlements = settlements.iter().map(|(batch, _)| *batch);
    let payouts = payouts.iter().chain(paid).map(|(batch, _)| *batch);
    let differences = differences.iter().map(|(batch, _)| *batch);
    let resolutions = resolutions.iter().map(|(batch, _)| *batch);
    let outgoing = outgoing.iter().map(|step| step.batch);
    refunds
        .chain(transfers)
        .chain(settlements)
        .chain(payouts)
        .chain(differences)
        .chain(resolutions)
        .chain(outgoing)
}
