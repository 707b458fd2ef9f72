//! What a batch reads beside what it was told: facts that memory lacks, what the identifiers of its new holds were used for, and what
//! their payers on public networks have open.

use std::collections::HashMap;

use domain::{IdempotencyKey, UnixMillis};
use sqlx::postgres::PgConnection;

use crate::books::intents::party;
use crate::books::load::load as load_facts;
use crate::books::rows::fixed;
use crate::books::session::Session;
use crate::commit::{Loaded, Wanted};
use crate::intent::Signer;
use crate::reads::{Used, UsedColumns};

/// `$1` identifiers, `$2` now.
const NAMED: &str = "
select key, payment, fingerprint from idempotency where key = any($1) and expires_at > $2";

/// `$1` payers, `$2` payments that end with the batch: what its payer has open is kept as a sum, of which these are taken off.
const UNSETTLED: &str = "
select u.network, u.payer, u.units - coalesce((select cast(sum(i.amount) as bigint) from intent i
  where i.payment = any($2) and i.payer = u.payer and i.network = u.network
    and i.closed is null and i.hash is null and i.deposit is null), 0)
from unsettled u where u.payer = any($1)";

pub(super) async fn load(
    connection: &mut PgConnection,
    wanted: &Wanted,
    at: UnixMillis,
) -> Result<Loaded, sqlx::Error> {
    let mut loaded = load_facts(&mut Session::Postgres(connection), wanted, at).await?;
    if !wanted.identifiers.is_empty() {
        loaded.named = named(connection, wanted, at).await?;
    }
    if !wanted.signers.is_empty() {
        loaded.unsettled = unsettled(connection, wanted).await?;
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

async fn unsettled(
    connection: &mut PgConnection,
    wanted: &Wanted,
) -> Result<HashMap<Signer, i64>, sqlx::Error> {
    let payers: Vec<&[u8]> = wanted.signers.iter().map(|signer| signer.payer.as_bytes()).collect();
    let ending: Vec<&[u8]> = wanted.ending.iter().map(|payment| payment.as_bytes().as_slice()).collect();
    let rows: Vec<(String, Vec<u8>, i64)> =
        sqlx::query_as(UNSETTLED).bind(payers).bind(ending).fetch_all(connection).await?;
    let row = |(network, payer, units): (String, Vec<u8>, i64)| {
        let payer = party(&network, &payer)?;
        Ok((Signer { network: network.into(), payer }, units))
    };
    rows.into_iter().map(row).collect()
}

#[derive(sqlx::FromRow)]
struct NamedColumns {
    key: Vec<u8>,
    #[sqlx(flatten)]
    used: UsedColumns,
}
