//! What a batch reads beside what it was told: facts that memory lacks, and what the identifiers of its new holds were used for.

use std::collections::HashMap;

use domain::{IdempotencyKey, UnixMillis};
use sqlx::postgres::PgConnection;

use crate::books::load::load as load_facts;
use crate::books::rows::fixed;
use crate::books::session::Session;
use crate::commit::{Loaded, Wanted};
use crate::reads::{Used, UsedColumns};

/// `$1` identifiers, `$2` now.
const NAMED: &str = "
select key, payment, fingerprint from idempotency where key = any($1) and expires_at > $2";

pub(super) async fn load(
    connection: &mut PgConnection,
    wanted: &Wanted,
    at: UnixMillis,
) -> Result<Loaded, sqlx::Error> {
    let mut loaded = load_facts(&mut Session::Postgres(connection), wanted, at).await?;
    if !wanted.identifiers.is_empty() {
        loaded.named = named(connection, wanted, at).await?;
    }
    Ok(loaded)
}

async fn named(
    connection: &mut PgConnection,
    wanted: &Wanted,
    at: UnixMillis,
) -> Result<HashMap<IdempotencyKey, Used>, sqlx::Error> {
    let keys: Vec<Vec<u8>> = wanted.identifiers.iter().map(|key| key.as_bytes().to_vec()).collect();
    let rows: Vec<NamedColumns> = sqlx::query_as(NAMED).bind(keys).bind(at.0).fetch_all(connection).await?;
    let row = |row: NamedColumns| Ok((IdempotencyKey::from_bytes(fixed(&row.key)?), row.used.read()?));
    rows.into_iter().map(row).collect()
}

#[derive(sqlx::FromRow)]
struct NamedColumns {
    key: Vec<u8>,
    #[sqlx(flatten)]
    used: UsedColumns,
}
