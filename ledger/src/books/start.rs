//! What a writer begins with: who this ledger is, made at first start, and the tail of what it wrote.

use std::sync::Arc;

use domain::{Address, Asset, Fingerprint, PaymentId, ReplayKey, UnixMillis};

use super::holds;
use super::rows::{Damaged, fixed};
use super::session::{Session, on_either};
use crate::batch::{AccountId, Marker};
use crate::commit::Start;
use crate::error::OpenError;
use crate::facts::{Captured, ProviderFacts, REPLAY_KEEP_SECONDS};
use crate::ledger::Settings;

const META: &str = "select chain_id, asset_name, asset_version, asset_address, secret from meta where id = 1";

const FIRST: &str = "insert into meta (id, chain_id, asset_name, asset_version, asset_address, secret)
    values (1, $1, $2, $3, $4, $5) on conflict (id) do nothing";

/// Each with its fee account.
pub(crate) const PROVIDERS: &str = "
select p.provider, p.id, f.id from account p join account f on f.provider = p.provider and f.kind = 'fee'
where p.kind = 'provider'";

/// The same of those that are paid at their own address.
pub(crate) const DIRECT: &str = "
select p.provider, p.id, f.id from account p join account f on f.provider = p.provider and f.kind = 'receivable'
where p.kind = 'direct'";

pub(crate) type ProviderColumns = (String, i64, i64);

type MetaColumns = (i64, String, String, Vec<u8>, Vec<u8>);

/// Reads it all; at first start, makes the identity. `now` is the wall clock's time; `failed` sorts what the database says.
pub(crate) async fn start(
    session: &mut Session<'_>,
    settings: &Settings,
    now: UnixMillis,
    failed: impl Fn(sqlx::Error) -> OpenError,
) -> Result<Start, OpenError> {
    let (asset, secret) = identity(session, settings, &failed).await?;
    tail(session, now, asset, secret).await.map_err(failed)
}

/// Reads who this ledger is; at first start, makes it.
async fn identity(
    session: &mut Session<'_>,
    settings: &Settings,
    failed: impl Fn(sqlx::Error) -> OpenError,
) -> Result<(Asset, [u8; 32]), OpenError> {
    let chain_id = i64::try_from(settings.chain_id)
        .map_err(|_| OpenError::Database("the chain id is too large".to_owned()))?;
    let random = |bytes: &mut [u8]| {
        getrandom::fill(bytes).map_err(|error| OpenError::System(format!("no randomness: {error}")))
    };
    let (mut address, mut secret) = ([0; 20], [0; 32]);
    random(&mut address)?;
    random(&mut secret)?;
    on_either!(session, c => async {
        let query = sqlx::query(FIRST).bind(chain_id).bind(&settings.asset_name).bind(&settings.asset_version);
        query.bind(&address[..]).bind(&secret[..]).execute(c).await.map(drop)
    })
    .map_err(&failed)?;

    let kept: MetaColumns = on_either!(session, c => sqlx::query_as(META).fetch_one(c)).map_err(&failed)?;
    let (kept_chain, name, version, address, secret) = kept;
    let words =
        |chain: i64, name: &str, version: &str| format!("eip155:{chain} \"{name}\" version {version}");
    if (kept_chain, &name, &version) != (chain_id, &settings.asset_name, &settings.asset_version) {
        let asked = words(chain_id, &settings.asset_name, &settings.asset_version);
        return Err(OpenError::Network { kept: words(kept_chain, &name, &version), asked });
    }
    let damaged = |error: Damaged| failed(error.into());
    let asset = Asset {
        network: Arc::from(format!("eip155:{}", settings.chain_id)),
        chain_id: settings.chain_id,
        address: Address::new(fixed(&address).map_err(damaged)?),
        name: Arc::from(name),
        version: Arc::from(version),
    };
    Ok((asset, fixed(&secret).map_err(damaged)?))
}

async fn tail(
    session: &mut Session<'_>,
    now: UnixMillis,
    asset: Asset,
    secret: [u8; 32],
) -> Result<Start, sqlx::Error> {
    let marker = "select batch, at, seq, gross, open from marker where id = 1";
    let (batch, at, seq, gross, open): (i64, i64, i64, i64, Vec<u8>) =
        on_either!(session, c => sqlx::query_as(marker).fetch_one(c))?;
    let marker = Marker { batch, at: UnixMillis(at), seq, gross };
    let seconds = u64::try_from(now.max(marker.at).seconds()).unwrap_or(0);
    let horizon = seconds.saturating_sub(REPLAY_KEEP_SECONDS);

    let next_account: i64 =
        on_either!(session, c => sqlx::query_scalar("select max(id) + 1 from account").fetch_one(c))?;
    let providers: Vec<ProviderColumns> = on_either!(session, c => sqlx::query_as(PROVIDERS).fetch_all(c))?;
    let direct: Vec<ProviderColumns> = on_either!(session, c => sqlx::query_as(DIRECT).fetch_all(c))?;
    let open = open.chunks(16).map(|id| Ok(PaymentId::from_bytes(fixed(id)?)));
    Ok(Start {
        asset,
        secret,
        marker,
        next_account,
        providers: providers.into_iter().map(provider).collect(),
        direct: direct.into_iter().map(provider).collect(),
        replays: replays(session, horizon).await?,
        horizon,
        open: open.collect::<Result<_, sqlx::Error>>()?,
        holds: holds::found(session).await?,
        lease: None,
    })
}

/// A provider as memory has it.
pub(crate) fn provider((name, account, fee): ProviderColumns) -> (String, ProviderFacts) {
    (name, ProviderFacts { account: AccountId(account), fee: AccountId(fee) })
}

/// The tail of the index: every key that expires at `horizon` or later.
pub(crate) async fn replays(session: &mut Session<'_>, horizon: u64) -> Result<Vec<Captured>, sqlx::Error> {
    let tail = "select replay_key, id, fingerprint from payment where replay_key >= $1";
    let from = horizon.to_be_bytes().to_vec();
    let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> =
        on_either!(session, c => sqlx::query_as(tail).bind(from).fetch_all(c))?;
    let captured = |(key, payment, fingerprint): (Vec<u8>, Vec<u8>, Vec<u8>)| {
        Ok(Captured {
            key: ReplayKey::from_bytes(fixed(&key)?),
            payment: PaymentId::from_bytes(fixed(&payment)?),
            fingerprint: Fingerprint::from_bytes(fixed(&fingerprint)?),
        })
    };
    rows.into_iter().map(captured).collect()
}
