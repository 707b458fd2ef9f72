//! Rows of `payout_destination`.

use std::sync::Arc;

use domain::{PayoutDestination, UnixMillis, WalletId};
use sqlx::FromRow;

use super::pool::{execute, on_either};
use super::rows::array;
use super::{Session, StoreError};
use crate::payout::{DestinationEntry, PayoutDestinations};

/// Columns of a [`Row`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "provider, rail, wallet, reference, requested_at, effective_at"
    };
}

#[derive(Debug, FromRow)]
struct Row {
    provider: String,
    rail: String,
    wallet: Option<Vec<u8>>,
    reference: Option<String>,
    requested_at: i64,
    effective_at: i64,
}

/// A provider's last destination in force, and the one that waits.
pub(crate) async fn of_provider(
    session: &mut Session<'_>,
    provider: &str,
    now: UnixMillis,
) -> Result<PayoutDestinations, StoreError> {
    const IN_FORCE: &str = concat!(
        "select ",
        columns!(),
        " from payout_destination
         where provider = $1 and cancelled_at is null and effective_at <= $2 order by number desc limit 1"
    );
    const WAITING: &str = concat!(
        "select ",
        columns!(),
        " from payout_destination
         where provider = $1 and cancelled_at is null and effective_at > $2 order by number desc limit 1"
    );
    let current: Option<Row> =
        on_either!(session, c => sqlx::query_as(IN_FORCE).bind(provider).bind(now.0).fetch_optional(c))?;
    let pending: Option<Row> =
        on_either!(session, c => sqlx::query_as(WAITING).bind(provider).bind(now.0).fetch_optional(c))?;
    let read = |row: Option<Row>| row.map(Row::read).transpose();
    Ok(PayoutDestinations { current: read(current)?, pending: read(pending)? })
}

/// Every provider that has a destination in force, by name, with it.
pub(crate) async fn in_force(
    session: &mut Session<'_>,
    now: UnixMillis,
) -> Result<Vec<(Arc<str>, PayoutDestination)>, StoreError> {
    const SQL: &str = "select d.provider, d.rail, d.wallet, d.reference, d.requested_at, d.effective_at from payout_destination d join (
           select provider, max(number) as number from payout_destination
           where cancelled_at is null and effective_at <= $1 group by provider) last
         on last.provider = d.provider and last.number = d.number order by d.provider";
    let rows: Vec<Row> = on_either!(session, c => sqlx::query_as(SQL).bind(now.0).fetch_all(c))?;
    let read = |row: Row| Ok((Arc::from(row.provider.as_str()), row.read()?.destination));
    rows.into_iter().map(read).collect()
}

/// Appends one. `announced`: it is in force at once, and whoever asked for it knows.
pub(crate) async fn put(
    session: &mut Session<'_>,
    provider: &str,
    entry: &DestinationEntry,
    announced: bool,
) -> Result<(), StoreError> {
    const SQL: &str = "insert into payout_destination
           (provider, number, rail, wallet, reference, requested_at, effective_at, announced)
         select $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 from payout_destination where provider = $1";
    let (wallet, reference) = match &entry.destination {
        PayoutDestination::Wallet(wallet) => (Some(wallet.as_bytes().to_vec()), None),
        PayoutDestination::Manual(reference) => (None, Some(reference.clone())),
        PayoutDestination::Chain(account) => (None, Some(account.to_string())),
    };
    execute!(
        session,
        sqlx::query(SQL)
            .bind(provider)
            .bind(entry.destination.rail())
            .bind(wallet)
            .bind(reference)
            .bind(entry.requested_at.0)
            .bind(entry.effective_at.0)
            .bind(announced)
    )?;
    Ok(())
}

/// Takes back what waits.
pub(crate) async fn cancel(
    session: &mut Session<'_>,
    provider: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    const SQL: &str = "update payout_destination set cancelled_at = $2
         where provider = $1 and cancelled_at is null and effective_at > $2";
    execute!(session, sqlx::query(SQL).bind(provider).bind(now.0))?;
    Ok(())
}

/// Takes back all there are.
pub(crate) async fn clear(
    session: &mut Session<'_>,
    provider: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    const SQL: &str =
        "update payout_destination set cancelled_at = $2 where provider = $1 and cancelled_at is null";
    execute!(session, sqlx::query(SQL).bind(provider).bind(now.0))?;
    Ok(())
}

/// Those that came into force and were not told of, each with its provider.
pub(crate) async fn unannounced(
    session: &mut Session<'_>,
    now: UnixMillis,
) -> Result<Vec<(String, DestinationEntry)>, StoreError> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from payout_destination
         where not announced and cancelled_at is null and effective_at <= $1 order by effective_at, provider"
    );
    let rows: Vec<Row> = on_either!(session, c => sqlx::query_as(SQL).bind(now.0).fetch_all(c))?;
    rows.into_iter().map(|row| Ok((row.provider.clone(), row.read()?))).collect()
}

/// They were told of.
pub(crate) async fn announce(session: &mut Session<'_>, now: UnixMillis) -> Result<(), StoreError> {
    const SQL: &str = "update payout_destination set announced = $2
         where not announced and cancelled_at is null and effective_at <= $1";
    execute!(session, sqlx::query(SQL).bind(now.0).bind(true))?;
    Ok(())
}

// === impl Row ===

impl Row {
    fn read(self) -> Result<DestinationEntry, StoreError> {
        let corrupt = || StoreError::Corrupt("payout destination");
        let destination = match (&*self.rail, self.wallet, self.reference) {
            ("ledger", Some(wallet), None) => {
                PayoutDestination::Wallet(WalletId::from_bytes(array(&wallet).map_err(|_| corrupt())?))
            }
            ("manual", None, Some(reference)) => PayoutDestination::Manual(reference),
            ("chain", None, Some(account)) => {
                PayoutDestination::Chain(account.parse().map_err(|_| corrupt())?)
            }
            _ => return Err(corrupt()),
        };
        let (requested_at, effective_at) = (UnixMillis(self.requested_at), UnixMillis(self.effective_at));
        Ok(DestinationEntry { destination, requested_at, effective_at })
    }
}
