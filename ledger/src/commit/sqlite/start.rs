//! Opens the books: creates and migrates the file, makes or checks who this ledger is, reads what the writer
//! begins with.

use std::path::PathBuf;
use std::sync::Arc;

use domain::{Address, Asset, Fingerprint, PaymentId, ReplayKey, UnixMillis};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnection;

use super::rows::fixed;
use super::sound::{expect_whole, migrate_error, open_error};
use super::{SqliteStore, writer_options};
use crate::batch::{AccountId, Marker};
use crate::commit::Start;
use crate::error::OpenError;
use crate::facts::{Captured, ProviderFacts, REPLAY_KEEP_SECONDS};
use crate::ledger::Settings;

const META: &str = "select chain_id, asset_name, asset_version, asset_address, secret from meta where id = 1";

const PROVIDERS: &str = "
select p.provider, p.id, f.id from account p join account f on f.provider = p.provider and f.kind = 'fee'
where p.kind = 'provider'";

type MetaColumns = (i64, String, String, Vec<u8>, Vec<u8>);

// === impl SqliteStore ===

impl SqliteStore {
    /// Opens the books at `path`; `now` is the wall clock's time.
    pub(crate) async fn open(
        path: PathBuf,
        settings: &Settings,
        now: UnixMillis,
    ) -> Result<(Self, Start), OpenError> {
        let database = |error: sqlx::Error| open_error(&path, &error);
        let mut connection = writer_options(&path).connect().await.map_err(database)?;
        expect_whole(&mut connection, &path).await?;
        let migrations = sqlx::migrate!("../migrations/sqlite/ledger");
        let migrated = migrations.run(&mut connection).await;
        migrated.map_err(|error| migrate_error(&path, error))?;
        let (asset, secret) = identity(&mut connection, settings).await?;
        let start = start(&mut connection, now, asset, secret).await.map_err(database)?;
        Ok((Self::new(path, connection), start))
    }
}

/// Reads who this ledger is; at first start, makes it.
async fn identity(
    connection: &mut SqliteConnection,
    settings: &Settings,
) -> Result<(Asset, [u8; 32]), OpenError> {
    let database = |error: sqlx::Error| OpenError::Database(error.to_string());
    let chain_id = i64::try_from(settings.chain_id)
        .map_err(|_| OpenError::Database("the chain id is too large".to_owned()))?;
    let random = |bytes: &mut [u8]| {
        getrandom::fill(bytes).map_err(|error| OpenError::System(format!("no randomness: {error}")))
    };
    let (mut address, mut secret) = ([0; 20], [0; 32]);
    random(&mut address)?;
    random(&mut secret)?;
    let first = "insert into meta (id, chain_id, asset_name, asset_version, asset_address, secret)
        values (1, $1, $2, $3, $4, $5) on conflict (id) do nothing";
    let query = sqlx::query(first).bind(chain_id).bind(&settings.asset_name).bind(&settings.asset_version);
    query.bind(&address[..]).bind(&secret[..]).execute(&mut *connection).await.map_err(database)?;

    let kept: MetaColumns = sqlx::query_as(META).fetch_one(connection).await.map_err(database)?;
    let (kept_chain, name, version, address, secret) = kept;
    let words =
        |chain: i64, name: &str, version: &str| format!("eip155:{chain} \"{name}\" version {version}");
    if (kept_chain, &name, &version) != (chain_id, &settings.asset_name, &settings.asset_version) {
        let asked = words(chain_id, &settings.asset_name, &settings.asset_version);
        return Err(OpenError::Network { kept: words(kept_chain, &name, &version), asked });
    }
    let damaged = |error: super::rows::Damaged| database(error.into());
    let asset = Asset {
        network: Arc::from(format!("eip155:{}", settings.chain_id)),
        chain_id: settings.chain_id,
        address: Address::new(fixed(&address).map_err(damaged)?),
        name: Arc::from(name),
        version: Arc::from(version),
    };
    Ok((asset, fixed(&secret).map_err(damaged)?))
}

async fn start(
    connection: &mut SqliteConnection,
    now: UnixMillis,
    asset: Asset,
    secret: [u8; 32],
) -> Result<Start, sqlx::Error> {
    let marker = "select batch, at, seq, gross, open from marker where id = 1";
    let (batch, at, seq, gross, open): (i64, i64, i64, i64, Vec<u8>) =
        sqlx::query_as(marker).fetch_one(&mut *connection).await?;
    let marker = Marker { batch, at: UnixMillis(at), seq, gross };
    let seconds = u64::try_from(now.max(marker.at).seconds()).unwrap_or(0);
    let horizon = seconds.saturating_sub(REPLAY_KEEP_SECONDS);

    let next_account: i64 =
        sqlx::query_scalar("select max(id) + 1 from account").fetch_one(&mut *connection).await?;
    let providers: Vec<(String, i64, i64)> = sqlx::query_as(PROVIDERS).fetch_all(&mut *connection).await?;
    let provider = |(name, account, fee): (String, i64, i64)| {
        (name, ProviderFacts { account: AccountId(account), fee: AccountId(fee) })
    };
    let open = open.chunks(16).map(|id| Ok(PaymentId::from_bytes(fixed(id)?)));
    Ok(Start {
        asset,
        secret,
        marker,
        next_account,
        providers: providers.into_iter().map(provider).collect(),
        replays: replays(connection, horizon).await?,
        horizon,
        open: open.collect::<Result<_, sqlx::Error>>()?,
    })
}

/// The tail of the index: every key that expires at `horizon` or later.
async fn replays(connection: &mut SqliteConnection, horizon: u64) -> Result<Vec<Captured>, sqlx::Error> {
    let tail = "select replay_key, id, fingerprint from payment where replay_key >= $1";
    let query = sqlx::query_as(tail).bind(horizon.to_be_bytes().to_vec());
    let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = query.fetch_all(connection).await?;
    let captured = |(key, payment, fingerprint): (Vec<u8>, Vec<u8>, Vec<u8>)| {
        Ok(Captured {
            key: ReplayKey::from_bytes(fixed(&key)?),
            payment: PaymentId::from_bytes(fixed(&payment)?),
            fingerprint: Fingerprint::from_bytes(fixed(&fingerprint)?),
        })
    };
    rows.into_iter().map(captured).collect()
}
