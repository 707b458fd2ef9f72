//! Rows of `alert`, with the fundings and owners of their wallets.

use domain::{AlertId, Amount, UnixMillis, WalletId};
use sqlx::FromRow;

use super::journal::signed;
use super::pool::{execute, on_either};
use super::rows::{array, hex_list};
use super::{Session, StoreError};
use crate::alert::{Alert, Threshold, Watched};

/// Columns of a [`Row`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "alert.id, alert.wallet, alert.amount, alert.percent, alert.armed, alert.created_at"
    };
}

#[derive(Debug, FromRow)]
struct Row {
    id: Vec<u8>,
    wallet: Vec<u8>,
    amount: Option<i64>,
    percent: Option<i64>,
    armed: bool,
    created_at: i64,
}

#[derive(Debug, FromRow)]
struct WatchedRow {
    #[sqlx(flatten)]
    alert: Row,
    funding: Option<i64>,
    owner: Option<String>,
}

pub(crate) async fn put(session: &mut Session<'_>, alert: &Alert) -> Result<(), StoreError> {
    const SQL: &str = "insert into alert (id, wallet, amount, percent, armed, looked, created_at)
         values ($1, $2, $3, $4, $5, 0, $6)";
    let (amount, percent) = match alert.threshold {
        Threshold::Amount(amount) => (Some(amount.atomic()), None),
        Threshold::Percent(percent) => (None, Some(i64::from(percent))),
    };
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&alert.id.as_bytes()[..])
            .bind(&alert.wallet.as_bytes()[..])
            .bind(amount)
            .bind(percent)
            .bind(alert.armed)
            .bind(alert.created_at.0)
    )?;
    Ok(())
}

pub(crate) async fn remove(session: &mut Session<'_>, id: AlertId) -> Result<(), StoreError> {
    const SQL: &str = "delete from alert where id = $1";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]))?;
    Ok(())
}

/// Alerts of a wallet, oldest first.
pub(crate) async fn list(session: &mut Session<'_>, wallet: WalletId) -> Result<Vec<Alert>, StoreError> {
    const SQL: &str = concat!("select ", columns!(), " from alert where wallet = $1 order by id");
    let rows: Vec<Row> =
        on_either!(session, c => sqlx::query_as(SQL).bind(&wallet.as_bytes()[..]).fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Alerts of all wallets, or of one owner's, behind one.
pub(crate) async fn all(
    session: &mut Session<'_>,
    owner: Option<&str>,
    after: Option<AlertId>,
    limit: u32,
) -> Result<Vec<Alert>, StoreError> {
    const ALL: &str = concat!("select ", columns!(), " from alert where id > $1 order by id limit $2");
    const OWNED: &str = concat!(
        "select ",
        columns!(),
        " from alert join wallet w on w.id = alert.wallet
         where w.owner = $3 and alert.id > $1 order by alert.id limit $2"
    );
    let after = after.map_or_else(Vec::new, |alert| alert.as_bytes().to_vec());
    let limit = i64::from(limit);
    let rows: Vec<Row> = match owner {
        None => on_either!(session, c => sqlx::query_as(ALL).bind(&after).bind(limit).fetch_all(c))?,
        Some(owner) => {
            on_either!(session, c => sqlx::query_as(OWNED).bind(&after).bind(limit).bind(owner).fetch_all(c))?
        }
    };
    rows.into_iter().map(Row::read).collect()
}

/// Wallets with alerts behind one.
pub(crate) async fn wallets(
    session: &mut Session<'_>,
    after: Option<WalletId>,
    limit: u32,
) -> Result<Vec<WalletId>, StoreError> {
    const SQL: &str = "select distinct wallet from alert where wallet > $1 order by wallet limit $2";
    let after = after.map_or_else(Vec::new, |wallet| wallet.as_bytes().to_vec());
    let rows: Vec<Vec<u8>> = on_either!(session, c =>
        sqlx::query_scalar(SQL).bind(&after).bind(i64::from(limit)).fetch_all(c))?;
    rows.iter().map(|wallet| array(wallet).map(WalletId::from_bytes)).collect()
}

/// Those of some wallets that have alerts.
pub(crate) async fn with_alerts(
    session: &mut Session<'_>,
    wallets: &[WalletId],
) -> Result<Vec<WalletId>, StoreError> {
    const SQL: &str =
        "select distinct wallet from alert where wallet in (select unhex(value) from json_each($1))";
    let wallets = hex_list(wallets.iter().map(|wallet| &wallet.as_bytes()[..]));
    let rows: Vec<Vec<u8>> = on_either!(session, c => sqlx::query_scalar(SQL).bind(&wallets).fetch_all(c))?;
    rows.iter().map(|wallet| array(wallet).map(WalletId::from_bytes)).collect()
}

/// Alerts of some wallets, with what they are judged by.
pub(crate) async fn watched(
    session: &mut Session<'_>,
    wallets: &[WalletId],
) -> Result<Vec<Watched>, StoreError> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        ", f.amount as funding, w.owner as owner from alert
         left join wallet_funding f on f.wallet = alert.wallet left join wallet w on w.id = alert.wallet
         where alert.wallet in (select unhex(value) from json_each($1)) order by alert.id"
    );
    let wallets = hex_list(wallets.iter().map(|wallet| &wallet.as_bytes()[..]));
    let rows: Vec<WatchedRow> = on_either!(session, c => sqlx::query_as(SQL).bind(&wallets).fetch_all(c))?;
    rows.into_iter()
        .map(|row| {
            let funding = row.funding.and_then(Amount::from_atomic);
            Ok(Watched { alert: row.alert.read()?, funding, owner: row.owner })
        })
        .collect()
}

/// Arms or disarms by a look at this batch; false where it was, or where a later look decided.
pub(crate) async fn turn(
    session: &mut Session<'_>,
    id: AlertId,
    armed: bool,
    batch: u64,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "update alert set armed = $2, looked = $3 where id = $1 and armed <> $2 and looked <= $3";
    let (id, batch) = (&id.as_bytes()[..], signed(batch));
    Ok(execute!(session, sqlx::query(SQL).bind(id).bind(armed).bind(batch))? == 1)
}

// === impl Row ===

impl Row {
    fn read(self) -> Result<Alert, StoreError> {
        let corrupt = || StoreError::Corrupt("alert");
        let threshold = match (self.amount, self.percent) {
            (Some(amount), None) => Threshold::Amount(Amount::from_atomic(amount).ok_or_else(corrupt)?),
            (None, Some(percent)) => Threshold::Percent(u8::try_from(percent).map_err(|_| corrupt())?),
            _ => return Err(corrupt()),
        };
        Ok(Alert {
            id: AlertId::from_bytes(array(&self.id)?),
            wallet: WalletId::from_bytes(array(&self.wallet)?),
            threshold,
            armed: self.armed,
            created_at: UnixMillis(self.created_at),
        })
    }
}
