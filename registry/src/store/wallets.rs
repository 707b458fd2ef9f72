//! Rows of `wallet`.

use std::collections::HashMap;

use domain::{UnixMillis, WalletId};
use sqlx::FromRow;

use super::pool::{execute, on_either};
use super::rows::{array, hex_list};
use super::{Session, StoreError};
use crate::agent::Listing;
use crate::wallet::Wallet;

/// Columns of a [`Row`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "id, name, owner, frozen, frozen_by_operator, opened, created_at"
    };
}

#[derive(Debug, FromRow)]
struct Row {
    id: Vec<u8>,
    name: String,
    owner: Option<String>,
    frozen: bool,
    frozen_by_operator: bool,
    opened: bool,
    created_at: i64,
}

pub(crate) async fn put(session: &mut Session<'_>, wallet: &Wallet) -> Result<(), StoreError> {
    const SQL: &str =
        "insert into wallet (id, name, owner, frozen, opened, created_at) values ($1, $2, $3, $4, $5, $6)";
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&wallet.id.as_bytes()[..])
            .bind(&wallet.name)
            .bind(&wallet.owner)
            .bind(wallet.frozen)
            .bind(wallet.opened)
            .bind(wallet.created_at.0)
    )?;
    Ok(())
}

/// The wallet of an agent of the file, called like the agent; one that is there stays as it is. Whether it was made.
pub(crate) async fn put_unnamed(
    session: &mut Session<'_>,
    id: WalletId,
    name: &str,
    at: UnixMillis,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "insert into wallet (id, name, created_at) values ($1, $2, $3) on conflict (id) do nothing";
    Ok(execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]).bind(name).bind(at.0))? == 1)
}

/// Notes that the ledger has opened a wallet.
pub(crate) async fn set_opened(session: &mut Session<'_>, id: WalletId) -> Result<(), StoreError> {
    const SQL: &str = "update wallet set opened = $2 where id = $1";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]).bind(true))?;
    Ok(())
}

/// Wallets that the ledger may not have opened, oldest first; at most `limit`.
pub(crate) async fn unopened(session: &mut Session<'_>, limit: u32) -> Result<Vec<WalletId>, StoreError> {
    const SQL: &str = "select id from wallet where not opened order by id limit $1";
    let limit = i64::from(limit);
    let ids: Vec<Vec<u8>> = on_either!(session, c => sqlx::query_scalar(SQL).bind(limit).fetch_all(c))?;
    ids.iter().map(|id| array(id).map(WalletId::from_bytes)).collect()
}

/// How many wallets an owner has.
pub(crate) async fn count_of_owner(session: &mut Session<'_>, owner: &str) -> Result<u64, StoreError> {
    const SQL: &str = "select count(*) from wallet where owner = $1";
    let count: i64 = on_either!(session, c => sqlx::query_scalar(SQL).bind(owner).fetch_one(c))?;
    u64::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

pub(crate) async fn get(session: &mut Session<'_>, id: WalletId) -> Result<Option<Wallet>, StoreError> {
    const SQL: &str = concat!("select ", columns!(), " from wallet where id = $1");
    let row: Option<Row> =
        on_either!(session, c => sqlx::query_as(SQL).bind(&id.as_bytes()[..]).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

pub(crate) async fn page(
    session: &mut Session<'_>,
    listing: &Listing<WalletId>,
    limit: u32,
) -> Result<Vec<Wallet>, StoreError> {
    const ALL: &str = concat!("select ", columns!(), " from wallet where id < $1 order by id desc limit $2");
    const OWNED: &str =
        concat!("select ", columns!(), " from wallet where owner = $3 and id < $1 order by id desc limit $2");
    let before = listing.before.map_or([u8::MAX; 16], |id| *id.as_bytes());
    let (before, limit) = (&before[..], i64::from(limit));
    let rows: Vec<Row> = match &listing.owner {
        None => on_either!(session, c => sqlx::query_as(ALL).bind(before).bind(limit).fetch_all(c))?,
        Some(owner) => {
            on_either!(session, c => sqlx::query_as(OWNED).bind(before).bind(limit).bind(owner).fetch_all(c))?
        }
    };
    rows.into_iter().map(Row::read).collect()
}

/// Whose some wallets are; nobody's are left out.
pub(crate) async fn owners(
    session: &mut Session<'_>,
    ids: &[WalletId],
) -> Result<HashMap<WalletId, String>, StoreError> {
    const SQL: &str = "select id, owner from wallet
         where owner is not null and id in (select unhex(value) from json_each($1))";
    let ids = hex_list(ids.iter().map(|id| &id.as_bytes()[..]));
    let rows: Vec<(Vec<u8>, String)> = on_either!(session, c => sqlx::query_as(SQL).bind(&ids).fetch_all(c))?;
    rows.into_iter().map(|(id, owner)| Ok((WalletId::from_bytes(array(&id)?), owner))).collect()
}

// === impl Row ===

impl Row {
    fn read(self) -> Result<Wallet, StoreError> {
        let id = WalletId::from_bytes(array(&self.id)?);
        let Self { name, owner, frozen, frozen_by_operator, opened, .. } = self;
        let created_at = UnixMillis(self.created_at);
        Ok(Wallet { id, name, owner, frozen, frozen_by_operator, opened, created_at })
    }
}
