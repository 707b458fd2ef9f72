//! What a batch reads once it has the marker: facts of its own operations, and what the others wrote since its last one.

use std::collections::HashMap;

use domain::{Fingerprint, IdempotencyKey, PaymentId, ReplayKey, UnixMillis};
use sqlx::postgres::PgConnection;

use super::Begun;
use crate::batch::FoundHold;
use crate::books::holds::{HoldColumns, holds};
use crate::books::load::load as load_facts;
use crate::books::rows::fixed;
use crate::books::session::Session;
use crate::books::start::{PROVIDERS, ProviderColumns, provider};
use crate::commit::{Loaded, Others, Wanted};
use crate::facts::{Captured, REPLAY_KEEP_SECONDS};
use crate::reads::{Used, UsedColumns};

/// `$1` payments that are known. Nothing is asked of the key: most payments have none, and a plan that is made once would walk
/// the index of all keys for the few that are new.
const CAPTURED: &str = "
select replay_key, id, fingerprint from payment where seq > $1";

/// `$1` identifiers, `$2` now.
const NAMED: &str = "
select key, payment, fingerprint from idempotency where key = any($1) and expires_at > $2";

/// `$1` the instance, `$2` wallets, `$3` agents, `$4` identifiers, `$5` nonces: of others, what holds something of these. One
/// index after the other: holds come and go with every batch, and only such a scan marks the rows that are gone, so that the
/// next one passes over them.
const HELD: &str = concat!(
    "
with theirs as (
  select payment from hold where wallet = any($2) and instance <> $1
  union select payment from hold where agent = any($3) and instance <> $1
  union select payment from hold where idempotency = any($4) and instance <> $1
  union select payment from hold where substr(replay_key, 9) = any($5) and instance <> $1)",
    holds!(),
    "where h.payment in (select payment from theirs)"
);

/// What this process knows already.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) instance: i64,
    /// The last payment whose replay key it has.
    pub(super) seen: i64,
    /// The number of the next account when it read the providers.
    pub(super) accounts: i64,
}

pub(super) async fn load(
    connection: &mut PgConnection,
    known: Known,
    begun: Begun,
    (wanted, at): (&Wanted, UnixMillis),
) -> Result<Loaded, sqlx::Error> {
    let Begun { marker, next_account, .. } = begun;
    let mut loaded = load_facts(&mut Session::Postgres(connection), wanted, at).await?;
    let mut others = Others { marker, next_account, ..Others::default() };
    if next_account != known.accounts {
        let rows: Vec<ProviderColumns> = sqlx::query_as(PROVIDERS).fetch_all(&mut *connection).await?;
        others.providers = rows.into_iter().map(provider).collect();
    }
    if marker.seq > known.seen {
        others.replays = captured(connection, known.seen, marker.at.max(at)).await?;
    }
    if !wanted.identifiers.is_empty() {
        others.named = named(connection, wanted, at).await?;
    }
    if wanted.holds {
        others.holds = held(connection, known.instance, wanted, &loaded).await?;
    }
    loaded.others = Some(others);
    Ok(loaded)
}

/// Replay key, payment, fingerprint.
type CapturedColumns = (Option<Vec<u8>>, Vec<u8>, Vec<u8>);

async fn captured(
    connection: &mut PgConnection,
    seen: i64,
    at: UnixMillis,
) -> Result<Vec<Captured>, sqlx::Error> {
    let horizon = u64::try_from(at.seconds()).unwrap_or(0).saturating_sub(REPLAY_KEEP_SECONDS);
    // A key that was too old to come again would only be kept for nothing.
    let from = horizon.to_be_bytes();
    let rows: Vec<CapturedColumns> = sqlx::query_as(CAPTURED).bind(seen).fetch_all(connection).await?;
    let rows = rows.into_iter().filter_map(|(key, payment, fingerprint)| Some((key?, payment, fingerprint)));
    let captured = |(key, payment, fingerprint): (Vec<u8>, Vec<u8>, Vec<u8>)| {
        Ok(Captured {
            key: ReplayKey::from_bytes(fixed(&key)?),
            payment: PaymentId::from_bytes(fixed(&payment)?),
            fingerprint: Fingerprint::from_bytes(fixed(&fingerprint)?),
        })
    };
    rows.filter(|(key, ..)| key.as_slice() >= &from[..]).map(captured).collect()
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

async fn held(
    connection: &mut PgConnection,
    instance: i64,
    wanted: &Wanted,
    loaded: &Loaded,
) -> Result<Vec<FoundHold>, sqlx::Error> {
    let wallets: Vec<i64> = loaded.wallets.iter().map(|(_, wallet)| wallet.account.0).collect();
    let agents: Vec<Vec<u8>> = wanted.agents.iter().map(|agent| agent.as_bytes().to_vec()).collect();
    let identifiers: Vec<Vec<u8>> = wanted.identifiers.iter().map(|key| key.as_bytes().to_vec()).collect();
    let nonces: Vec<Vec<u8>> = wanted.nonces.iter().map(|nonce| nonce.to_vec()).collect();
    let query = sqlx::query_as(HELD).bind(instance).bind(wallets).bind(agents).bind(identifiers).bind(nonces);
    let rows: Vec<HoldColumns> = query.fetch_all(connection).await?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}
