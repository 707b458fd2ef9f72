//! What is in suspense, by payment, and what was decided of it.

use std::sync::Arc;

use domain::PaymentId;
use sqlx::AssertSqlSafe;

use super::lists::{of_provider, ordered};
use super::{Listed, Page};
use crate::books::resolutions::{
    ResolutionColumns, SuspendedColumns, in_suspense, payer, resolutions, suspended,
};
use crate::books::session::{Session, on_either};
use crate::resolution::{Resolution, Suspended};

/// Which are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuspendedFilter {
    /// Of this provider.
    pub provider: Option<Arc<str>>,
    /// Only those of which something is in suspense.
    pub open: bool,
}

const LAST: &str = "d.number = (select max(l.number) from difference l where l.payment = d.payment)";

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &SuspendedFilter,
    page: &Page<PaymentId>,
) -> Result<Listed<Suspended, PaymentId>, sqlx::Error> {
    let Some(own) = of_provider(session, "d", filter.provider.as_deref()).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    let mut condition = format!("{own} and {LAST}");
    if filter.open {
        condition.push_str(concat!(" and ", in_suspense!(), " <> 0"));
    }
    let text = ordered(suspended!(), &condition, "d.payment", page);
    let after = page.after.map(|id| id.as_bytes().to_vec());
    let rows: Vec<SuspendedColumns> = on_either!(session, c => {
        let query = sqlx::query_as(AssertSqlSafe(text)).persistent(false).bind(page.asked());
        match after {
            Some(after) => query.bind(after).fetch_all(c),
            None => query.fetch_all(c),
        }
    })?;
    let items = rows.into_iter().map(|row| Ok(row.read()?)).collect::<Result<_, sqlx::Error>>()?;
    Ok(page.listed(items, |suspended: &Suspended| suspended.last.payment))
}

pub(crate) async fn one(
    session: &mut Session<'_>,
    payment: PaymentId,
) -> Result<Option<Suspended>, sqlx::Error> {
    let text = format!("{} where d.payment = $1 and {LAST}", suspended!());
    let key = payment.as_bytes().to_vec();
    let row: Option<SuspendedColumns> =
        on_either!(session, c => sqlx::query_as(AssertSqlSafe(text)).bind(key).fetch_optional(c))?;
    row.map(|row| Ok(row.read()?)).transpose()
}

/// What was decided of a payment, in order.
pub(crate) async fn resolutions_of(
    session: &mut Session<'_>,
    payment: PaymentId,
) -> Result<Vec<Resolution>, sqlx::Error> {
    const TEXT: &str = concat!(resolutions!(), "where r.payment = $1 order by r.number");
    let key = payment.as_bytes().to_vec();
    let rows: Vec<ResolutionColumns> = on_either!(session, c => sqlx::query_as(TEXT).bind(key).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

/// In batches above the first and up to the second, each with its batch.
pub(crate) async fn between(
    session: &mut Session<'_>,
    (after, upto): (i64, i64),
) -> Result<Vec<(i64, Resolution)>, sqlx::Error> {
    const TEXT: &str =
        concat!(resolutions!(), "where r.batch > $1 and r.batch <= $2 order by r.batch, r.payment, r.number");
    let rows: Vec<ResolutionColumns> =
        on_either!(session, c => sqlx::query_as(TEXT).bind(after).bind(upto).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.batch, row.read()?))).collect()
}
