//! The holds of other processes, as their rows say: for whoever was not told of them.

use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::batch::AccountId;
use crate::books::holds::{HoldColumns, holds, readable};
use crate::change::Theirs;

/// `$1` the instance.
const THEIRS: &str = concat!(holds!("h.provider as provider_account"), "where h.instance <> $1");

#[derive(FromRow)]
struct Columns {
    #[sqlx(flatten)]
    hold: HoldColumns,
    provider_account: i64,
}

pub(super) async fn read(connection: &mut PgConnection, instance: i64) -> Result<Vec<Theirs>, sqlx::Error> {
    let rows: Vec<Columns> = sqlx::query_as(THEIRS).bind(instance).fetch_all(connection).await?;
    let theirs = |row: Columns| {
        let hold = readable(row.hold, None)?;
        Some(Theirs { hold, provider: AccountId(row.provider_account) })
    };
    Ok(rows.into_iter().filter_map(theirs).collect())
}
