//! [`Bulk`]: rows by the million, written into the databases of a Faregate that is stopped.
//!
//! A million agents through the management API would take an hour. What stands here knows the tables of SQLite; the
//! audit of the ledger at the end of a scenario says whether it knows them well.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use domain::KeyId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::runtime::{Builder, Runtime};

/// Agents without signers of their own, each with one key; they share the wallets and one secret of those that the
/// management API made.
const AGENTS: &str = "
insert into agent (id, name, wallet, created_at)
with recursive
  made as (select row_number() over () - 1 as place, wallet from (select distinct wallet from agent)),
  n(i) as (select 0 union all select i + 1 from n where i + 1 < ?1)
select randomblob(16), 'bulk-' || i, made.wallet, ?2
from n join made on made.place = n.i % (select count(*) from made)";

const SIGNERS: &str = "
insert into signer (address, agent, source, created_at)
select randomblob(20), id, 'api', ?1 from agent where name like 'bulk-%'";

const KEYS: &str = "
insert into agent_key (id, agent, secret_hash, per_request, source, created_at)
select randomblob(16), agent.id, known.secret_hash, known.per_request, 'api', ?1
from agent, (select secret_hash, per_request from agent_key where id = ?2) known where name like 'bulk-%'";

const SOME_KEYS: &str = "
select agent_key.id from agent_key join agent on agent.id = agent_key.agent where name like 'bulk-%'
order by random() limit ?1";

/// Signed payments of $0.001 by all agents in turn, spread over the thirty days before the last hour.
const PAYMENTS: &str = "
insert into payment (seq, id, agent, wallet, provider, fee_account, route, gross, fee, revision, call, replay_key, digest,
  fingerprint, held_at, captured_at, batch)
with recursive
  payer as (select row_number() over () - 1 as place, a.id as agent, w.id as wallet
            from registry.agent a join account w on w.wallet = a.wallet),
  n(i) as (select 0 union all select i + 1 from n where i + 1 < ?1),
  each as (select i, ?2 - 3600000 - 2592000000 + 2592000000 * i / ?1 as at from n)
select i + 1, unhex(printf('%012x', at) || hex(randomblob(10))), payer.agent, payer.wallet, p.id, f.id, 'paid', 1000, 0, 1,
  i / (select count(*) from payer) + 1, unhex(printf('%016x', at / 1000 + 60) || hex(randomblob(16))), randomblob(32),
  randomblob(16), at, at, 1
from each join payer on payer.place = i % (select count(*) from payer),
  (select id, provider from account where kind = 'provider' limit 1) p
  join account f on f.provider = p.provider and f.kind = 'fee'";

/// The sums beside the payments, as commits would have left them.
const SUMS: [&str; 10] = [
    "update balance set debits = debits + moved from (select wallet, sum(gross) as moved from payment group by wallet) s
     where account = s.wallet",
    "update balance set credits = credits + moved from (select provider, sum(gross) as moved from payment group by provider) s
     where account = s.provider",
    "insert into spend_window (agent, period, start, scope, spent, lim)
     select agent, 0, held_at - held_at % 86400000, '', sum(gross), 9223372036854775807 from payment group by 1, 2, 3",
    "insert into spend_window (agent, period, start, scope, spent, lim)
     select agent, 1, unixepoch(held_at / 1000, 'unixepoch', 'start of month') * 1000, '', sum(gross), 9223372036854775807
     from payment group by 1, 2, 3",
    "insert into call_count (agent, provider, month, calls, spent)
     select agent, provider, unixepoch(held_at / 1000, 'unixepoch', 'start of month') * 1000, count(*), sum(gross)
     from payment group by 1, 2, 3",
    "insert into usage_minute (minute, provider, route, payments, gross, fee, refunds, refunded, refunded_fee)
     select captured_at / 60000, provider, route, count(*), sum(gross), 0, 0, 0, 0 from payment group by 1, 2, 3",
    "insert into usage_day (provider, day, route, payments, gross, fee, refunds, refunded, refunded_fee)
     select provider, minute / 1440, route, sum(payments), sum(gross), sum(fee), 0, 0, 0 from usage_minute group by 1, 2, 3",
    "insert into agent_payment (agent, payment) select agent, seq from payment order by agent, seq",
    "update marker set batch = batch + 1, seq = p.seq, gross = p.gross, entered = p.seq
     from (select max(seq) as seq, sum(gross) as gross from payment) p",
    "pragma wal_checkpoint(truncate)",
];

/// The provider of the file.
const PROVIDER: &str = "bench";

/// Of so many routes each day's and hour's requests, by three outcomes, for so many days before now.
const REQUESTS: &str = "
insert into traffic_request (provider, span, start, route, outcome, reason, requests)
with recursive
  route(r) as (select 0 union all select r + 1 from route where r + 1 < ?2),
  hour(h) as (select 0 union all select h + 1 from hour where h + 1 < ?3 * 24),
  spans(span, width) as (values ('hour', 3600000), ('day', 86400000)),
  ended(outcome, reason) as (values ('paid', ''), ('voided', 'upstream_status'), ('refused', 'insufficient_funds')),
  each as (select span, (?4 - h * 3600000) / width * width as start, r, outcome, reason from route, hour, spans, ended)
select ?1, span, start, 'route-' || r, outcome, reason, count(*) * 100 from each group by 2, 3, 4, 5, 6";

/// The same routes' latencies, twenty steps each.
const LATENCIES: &str = "
insert into traffic_latency (provider, span, start, route, steps)
with
  series(step) as (values (100), (125), (160), (200), (250), (315), (400), (500), (630), (800)),
  decade(times) as (values (10), (100))
select provider, span, start, route, json_group_array(json_array(step * times, requests)) from traffic_request, series, decade
where outcome = 'paid' and provider = ?1 group by 1, 2, 3, 4";

/// Fundings that nobody was told of.
const EVENTS: &str = "
insert into event (position, id, type, at, owner, subject, data)
with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1)
select (select position from journal) + i, unhex(printf('%012x', ?2) || hex(randomblob(10))), 'wallet.funded', ?2, null, 'bulk',
  '{\"wallet\":\"bulk\",\"amount\":{\"amount\":\"1000000\",\"display\":\"$1.00\"}}'
from n";

/// The databases of a data directory whose Faregate is stopped.
pub(crate) struct Bulk {
    runtime: Runtime,
    folder: PathBuf,
}

// === impl Bulk ===

impl Bulk {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, folder: folder.to_owned() })
    }

    /// Registers so many agents more; gives keys of `shown` of them. `known` is a key that works.
    pub(crate) fn agents(&self, count: u64, shown: usize, known: &str) -> Result<Vec<String>> {
        let known = KeyText::parse(known)?;
        self.runtime.block_on(async {
            let mut registry = self.open("registry.db").await?;
            let (count, now) = (i64::try_from(count)?, now_ms()?);
            let mut transaction = registry.begin().await?;
            sqlx::query(AGENTS).bind(count).bind(now).execute(&mut *transaction).await?;
            sqlx::query(SIGNERS).bind(now).execute(&mut *transaction).await?;
            let id = &known.id.as_bytes()[..];
            let keys = sqlx::query(KEYS).bind(now).bind(id).execute(&mut *transaction).await?;
            ensure!(
                keys.rows_affected() == u64::try_from(count)?,
                "only {} keys were made",
                keys.rows_affected()
            );
            transaction.commit().await?;
            let some: Vec<Vec<u8>> =
                sqlx::query_scalar(SOME_KEYS).bind(i64::try_from(shown)?).fetch_all(&mut registry).await?;
            registry.execute("pragma wal_checkpoint(truncate)").await?;
            registry.close().await?;
            some.iter().map(|id| known.with_id(id)).collect()
        })
    }

    /// Puts so many captured payments into a ledger that has none.
    pub(crate) fn payments(&self, count: u64) -> Result<()> {
        self.runtime.block_on(async {
            let mut ledger = self.open("ledger.db").await?;
            let registry = self.folder.join("registry.db").display().to_string();
            sqlx::query("attach ?1 as registry").bind(registry).execute(&mut ledger).await?;
            let (count, now) = (i64::try_from(count)?, now_ms()?);
            let made = sqlx::query(PAYMENTS).bind(count).bind(now).execute(&mut ledger).await?;
            ensure!(
                made.rows_affected() == u64::try_from(count)?,
                "only {} payments were made",
                made.rows_affected()
            );
            for sum in SUMS {
                ledger.execute(sum).await.with_context(|| sum.to_owned())?;
            }
            ledger.close().await?;
            Ok(())
        })
    }

    /// Puts the traffic of so many routes over so many days beside the provider of the file.
    pub(crate) fn traffic(&self, routes: u64, days: u64) -> Result<()> {
        self.runtime.block_on(async {
            let mut registry = self.open("registry.db").await?;
            let (routes, days) = (i64::try_from(routes)?, i64::try_from(days)?);
            let requests = sqlx::query(REQUESTS).bind(PROVIDER).bind(routes).bind(days).bind(now_ms()?);
            requests.execute(&mut registry).await?;
            sqlx::query(LATENCIES).bind(PROVIDER).execute(&mut registry).await?;
            registry.close().await?;
            Ok(())
        })
    }

    /// Puts so many events into the log that no receiver has got.
    pub(crate) fn events(&self, count: u64) -> Result<()> {
        self.runtime.block_on(async {
            let mut registry = self.open("registry.db").await?;
            let mut transaction = registry.begin().await?;
            let (count, now) = (i64::try_from(count)?, now_ms()?);
            sqlx::query(EVENTS).bind(count).bind(now).execute(&mut *transaction).await?;
            let last = "update journal set position = position + ?1";
            sqlx::query(last).bind(count).execute(&mut *transaction).await?;
            transaction.commit().await?;
            registry.execute("pragma wal_checkpoint(truncate)").await?;
            registry.close().await?;
            Ok(())
        })
    }

    /// Without syncing: what is lost in a power cut is made again.
    async fn open(&self, name: &str) -> Result<SqliteConnection> {
        let path = self.folder.join(name);
        let options = SqliteConnectOptions::new().filename(&path).synchronous(SqliteSynchronous::Off);
        options.connect().await.with_context(|| path.display().to_string())
    }
}

/// `fg_<id>_<secret>_<checksum>`.
struct KeyText {
    id: KeyId,
    secret: String,
}

// === impl KeyText ===

impl KeyText {
    fn parse(text: &str) -> Result<Self> {
        // The secret may hold underscores; the id and the checksum cannot.
        let parts = text.strip_prefix("fg_").and_then(|rest| rest.split_once('_'));
        let Some((id, Some((secret, _)))) = parts.map(|(id, rest)| (id, rest.rsplit_once('_'))) else {
            bail!("not an agent key");
        };
        Ok(Self { id: format!("key_{id}").parse()?, secret: secret.to_owned() })
    }

    fn with_id(&self, id: &[u8]) -> Result<String> {
        let id = KeyId::from_bytes(id.try_into().context("16 bytes")?).to_string();
        let covered = format!("fg_{}_{}", id.trim_start_matches("key_"), self.secret);
        let checksum = crc32fast::hash(covered.as_bytes());
        Ok(format!("{covered}_{checksum:08x}"))
    }
}

fn now_ms() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock after 1970")?;
    Ok(i64::try_from(since.as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart_and_put_together() {
        let id = KeyId::from_bytes([7; 16]);
        let made = KeyText { id, secret: "a_b-c".to_owned() }.with_id(id.as_bytes()).unwrap();
        let parsed = KeyText::parse(&made).unwrap();
        assert_eq!((parsed.id, parsed.secret.as_str()), (id, "a_b-c"));
        assert_eq!(parsed.with_id(id.as_bytes()).unwrap(), made);
    }
}
