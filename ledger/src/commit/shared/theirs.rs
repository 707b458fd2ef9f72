//! The holds of other processes, as their rows say: for whoever was not told of them.

use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::batch::AccountId;
use crate::books::holds::{HoldColumns, holds};
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
    let theirs =
        |row: Columns| Ok(Theirs { hold: row.hold.read()?, provider: AccountId(row.provider_account) });
    rows.into_iter().map(theirs).collect()
}
