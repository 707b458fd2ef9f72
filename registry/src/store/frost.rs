//! The columns of `agent` and `wallet` that say whether they are frozen.

use super::pool::{execute, on_either};
use super::{Session, StoreError};
use crate::frost::Frost;

/// Whose columns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    Agent,
    Wallet,
}

/// None where there is no such row.
pub(crate) async fn get(
    session: &mut Session<'_>,
    table: Table,
    id: &[u8; 16],
) -> Result<Option<Frost>, StoreError> {
    let sql = match table {
        Table::Agent => "select frozen, frozen_by_operator from agent where id = $1",
        Table::Wallet => "select frozen, frozen_by_operator from wallet where id = $1",
    };
    on_either!(session, c => sqlx::query_as(sql).bind(&id[..]).fetch_optional(c))
}

pub(crate) async fn set(
    session: &mut Session<'_>,
    table: Table,
    id: &[u8; 16],
    frost: Frost,
) -> Result<(), StoreError> {
    let sql = match table {
        Table::Agent => "update agent set frozen = $2, frozen_by_operator = $3 where id = $1",
        Table::Wallet => "update wallet set frozen = $2, frozen_by_operator = $3 where id = $1",
    };
    execute!(session, sqlx::query(sql).bind(&id[..]).bind(frost.frozen).bind(frost.by_operator))?;
    Ok(())
}
