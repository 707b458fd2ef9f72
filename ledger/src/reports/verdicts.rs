//! What persons said became of payments of which nobody knew.

use std::sync::Arc;

use domain::{PaymentId, UnixMillis};
use sqlx::FromRow;

use crate::books::intents::{party, transaction};
use crate::books::rows::{Damaged, amount, fixed};
use crate::books::session::{Session, on_either};
use crate::verdict::Verdict;

#[derive(Debug, FromRow)]
struct VerdictColumns {
    payment: Vec<u8>,
    network: String,
    token: Vec<u8>,
    amount: i64,
    hash: Option<Vec<u8>>,
    at: i64,
    batch: i64,
}

/// In batches above the first and up to the second, each with its batch.
pub(crate) async fn between(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Verdict)>, sqlx::Error> {
    const TEXT: &str = "
select payment, network, token, amount, hash, at, batch from verdict
where batch > $1 and batch <= $2 order by batch, payment";
    let rows: Vec<VerdictColumns> =
        on_either!(session, c => sqlx::query_as(TEXT).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.batch, row.read()?))).collect()
}

// === impl VerdictColumns ===

impl VerdictColumns {
    fn read(self) -> Result<Verdict, Damaged> {
        Ok(Verdict {
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            token: party(&self.network, &self.token)?,
            amount: amount(self.amount)?,
            transaction: self.hash.as_deref().map(|hash| transaction(&self.network, hash)).transpose()?,
            at: UnixMillis(self.at),
            network: Arc::from(self.network),
        })
    }
}
