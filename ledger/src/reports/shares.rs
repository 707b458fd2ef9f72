//! For how many payments the books have a transaction that does not tell them apart.

use domain::PaymentId;

use super::reader::Reader;
use crate::books::session::{Session, on_either};
use crate::database::Database;
use crate::error::LedgerError;
use crate::reads::read_error;
use crate::share::Alike;

/// Of the transaction `$2` on `$1`, so much (`$6`) of a token (`$3`) from one (`$4`) to another (`$5`): those that are booked for it, and those
/// that are in suspense because of it, beside the payment `$7`.
const PAID_BY: &str = "
select (select count(*) from intent
    where network = $1 and hash = $2 and one_of is not null and token = $3 and payer = $4 and pay_to = $5 and moved = $6
      and payment <> $7)
  + (select count(distinct d.payment) from difference d
    where d.network = $1 and d.hash = $2 and d.way <> 'missing' and d.amount = $6 and d.payment <> $7
      and (exists (select 1 from intent i where i.payment = d.payment and i.one_of is null
             and i.token = $3 and i.payer = $4 and i.pay_to = $5)
        or exists (select 1 from voided v where v.payment = d.payment and v.token = $3 and v.payer = $4 and v.pay_to = $5)))";

/// See [`crate::Ledger::paid_by`].
pub(crate) async fn paid_by(
    session: &mut Session<'_>,
    alike: &Alike,
    payment: PaymentId,
) -> Result<u64, sqlx::Error> {
    let Alike { network, transaction, token, payer, pay_to, value } = alike;
    let bytes = |bytes: &[u8]| bytes.to_vec();
    let (network, transaction) = (network.to_string(), bytes(transaction.as_bytes()));
    let [token, payer, pay_to] = [token, payer, pay_to].map(|party| bytes(party.as_bytes()));
    let (value, payment) = (value.atomic(), bytes(payment.as_bytes()));
    let count: i64 = on_either!(session, c => {
        sqlx::query_scalar(PAID_BY)
            .bind(network)
            .bind(transaction)
            .bind(token)
            .bind(payer)
            .bind(pay_to)
            .bind(value)
            .bind(payment)
            .fetch_one(c)
    })?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The same as [`crate::Ledger::paid_by`] for the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn paid_by_of(database: &Database, alike: &Alike, payment: PaymentId) -> Result<u64, LedgerError> {
    let mut reader = Reader::open(database).await?;
    let paid = paid_by(&mut reader.session(), alike, payment).await;
    reader.close().await;
    paid.map_err(read_error)
}
