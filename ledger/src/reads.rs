//! [`Reads`]: the seam between the ledger and the committed rows that memory does not keep. [`SqlReads`] is a small pool
//! of connections that cannot write.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::{AgentId, Fingerprint, IdempotencyKey, PaymentId, RateLimit, ReplayKey, UnixMillis, WalletId};
use sqlx::FromRow;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use crate::account::PaymentRecord;
use crate::batch::{FoundHold, WindowKey};
use crate::books::away::is_away;
use crate::books::holds::{HoldColumns, holds};
use crate::books::rows::{Damaged, PAYMENT, PaymentColumns, ResponseColumns, fixed, hex_list};
use crate::books::session::{Connection, answer, on_either};
use crate::books::windows::{period, scope};
use crate::calls::{CallCount, Calls, CallsOf};
use crate::commit::postgres::connect::{self, READER, REPORTER};
use crate::commit::sqlite::reader_options;
use crate::error::LedgerError;
use crate::receipt::StoredResponse;

/// Connections of each pool at most.
const CONNECTIONS: u32 = 4;

/// How long a read waits for one of them, and closing them for the reads.
const PATIENCE: Duration = Duration::from_secs(5);

const WALLET: &str =
    "select b.credits - b.debits from account a join balance b on b.account = a.id where a.wallet = $1";

const WINDOW: &str =
    "select spent from spend_window where agent = $1 and period = $2 and start = $3 and scope = $4";

const HELD: &str = "
select a.wallet, cast(sum(h.maximum) as bigint) from hold h join account a on a.id = h.wallet
where a.wallet in (select unhex(value) from json_each($1)) group by a.wallet";

const AGENT_HOLDS: &str = concat!(holds!(), "where h.agent = $1");

const HOLDS_OF: &str =
    concat!(holds!(), "where h.agent = $1 or h.wallet = (select id from account where wallet = $2)");

const HELD_UNDER: &str =
    "select replay_key, fingerprint from hold where substr(replay_key, 9) = $1 or idempotency = $2";

const DELIVERING: &str = "select exists (select 1 from instance where position($1 in open) > 0)";

const RESPONSE: &str = "select status, headers, body from response where payment = $1 and expires_at > $2";

const REPLAY: &str = "select id as payment, fingerprint from payment where replay_key = $1";

const IDENTIFIER: &str = "select payment, fingerprint from idempotency where key = $1 and expires_at > $2";

/// Reads beside the writer. What they see is committed.
#[async_trait]
pub(crate) trait Reads: Send + Sync + 'static {
    /// A wallet's balance; `None` where there is no such wallet.
    async fn wallet(&self, wallet: WalletId) -> Result<Option<i64>, LedgerError>;

    /// Spent in a window.
    async fn spent(&self, key: &WindowKey) -> Result<i64, LedgerError>;

    /// Where several processes hold: what they hold of these wallets; a wallet without holds is left out.
    async fn held(&self, _: &[WalletId]) -> Result<HashMap<WalletId, i64>, LedgerError> {
        Ok(HashMap::new())
    }

    /// The same of an agent's window.
    async fn window_held(&self, _: &WindowKey) -> Result<i64, LedgerError> {
        Ok(0)
    }

    /// The same: each hold of this agent, or on this wallet.
    async fn holds_of(&self, _: AgentId, _: WalletId) -> Result<Vec<FoundHold>, LedgerError> {
        Ok(Vec::new())
    }

    /// The same: what is held under the nonce of this key, or this identifier. Its own key and what it was asked for.
    async fn held_under(
        &self,
        _: Option<&ReplayKey>,
        _: Option<&IdempotencyKey>,
    ) -> Result<Option<(Option<ReplayKey>, Fingerprint)>, LedgerError> {
        Ok(None)
    }

    /// The same of a captured payment: whether one of them has its delivery.
    async fn is_delivering(&self, _: PaymentId) -> Result<bool, LedgerError> {
        Ok(false)
    }

    /// Where several processes count: one more call under a limit. The one thing that is written here; no book knows of it.
    async fn count_call(&self, _: CallsOf, _: &str, _: RateLimit) -> Result<CallCount, LedgerError> {
        Err(LedgerError::Unavailable)
    }

    async fn payment(&self, payment: PaymentId) -> Result<Option<PaymentRecord>, LedgerError>;

    /// The response kept for a payment, unless it has expired `at` this time.
    async fn response(
        &self,
        payment: PaymentId,
        at: UnixMillis,
    ) -> Result<Option<StoredResponse>, LedgerError>;

    /// What a signed payment was captured for.
    async fn replay(&self, key: &ReplayKey) -> Result<Option<Used>, LedgerError>;

    /// What an identifier was used for, unless it has expired `at` this time.
    async fn identifier(&self, key: &IdempotencyKey, at: UnixMillis) -> Result<Option<Used>, LedgerError>;

    /// A connection for reads that a request waits for.
    async fn connection(&self) -> Result<Connection, LedgerError>;

    /// A connection for lists, reports and the audit: they take a while, and no request waits for theirs.
    async fn report(&self) -> Result<Connection, LedgerError> {
        self.connection().await
    }

    /// Refuses what comes later and lets the connections go, so that a database in a file is left with nothing beside it.
    async fn close(&self) {}
}

/// One pool for what requests wait for, one for the rest.
#[derive(Debug)]
pub(crate) struct SqlReads {
    requests: Pool,
    reports: Pool,
    /// Over PostgreSQL.
    calls: Option<Calls>,
}

/// A pool of either database.
#[derive(Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Which payment a key was used for, and for which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) payment: PaymentId,
    pub(crate) fingerprint: Fingerprint,
}

/// A payment's id and its fingerprint, as stored.
#[derive(FromRow)]
pub(crate) struct UsedColumns {
    payment: Vec<u8>,
    fingerprint: Vec<u8>,
}

/// Runs one short read on a connection of the pool.
macro_rules! read {
    ($reads:expr, $connection:ident => $statement:expr) => {{
        let mut connection = $reads.connection().await?;
        let mut session = connection.session();
        answer(async { on_either!(&mut session, $connection => $statement) }).await.map_err(read_error)
    }};
}

// === impl SqlReads ===

impl SqlReads {
    /// Connects when first used. Called on the writer's runtime.
    pub(crate) fn sqlite(path: &Path) -> Self {
        let pool = || {
            let options = SqlitePoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(PATIENCE)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false);
            Pool::Sqlite(options.connect_lazy_with(reader_options(path)))
        };
        Self { requests: pool(), reports: pool(), calls: None }
    }

    /// Connects when first used. Called on the writer's runtime.
    pub(crate) fn postgres(options: PgConnectOptions) -> Self {
        let pool = |first| Pool::Postgres(connect::pool(options.clone(), first, CONNECTIONS, PATIENCE));
        let (requests, reports) = (pool(READER), pool(REPORTER));
        Self { requests, reports, calls: Some(Calls::new(options)) }
    }
}

// === impl Pool ===

impl Pool {
    async fn acquire(&self) -> Result<Connection, LedgerError> {
        match self {
            Self::Sqlite(pool) => pool.acquire().await.map(Connection::Sqlite),
            Self::Postgres(pool) => pool.acquire().await.map(Connection::Postgres),
        }
        .map_err(read_error)
    }

    async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

#[async_trait]
impl Reads for SqlReads {
    async fn wallet(&self, wallet: WalletId) -> Result<Option<i64>, LedgerError> {
        let key = wallet.as_bytes().to_vec();
        read!(self, c => sqlx::query_scalar(WALLET).bind(key).fetch_optional(c))
    }

    async fn spent(&self, key: &WindowKey) -> Result<i64, LedgerError> {
        let (agent, period) = (key.agent.as_bytes().to_vec(), period(key.window));
        let scope = scope(key.scope.as_ref());
        let spent: Option<i64> = read!(self, c => {
            sqlx::query_scalar(WINDOW).bind(agent).bind(period).bind(key.start.0).bind(scope).fetch_optional(c)
        })?;
        Ok(spent.unwrap_or(0))
    }

    async fn held(&self, wallets: &[WalletId]) -> Result<HashMap<WalletId, i64>, LedgerError> {
        let keys = hex_list(wallets.iter().map(|wallet| wallet.as_bytes().as_slice()));
        let rows: Vec<(Vec<u8>, i64)> = read!(self, c => sqlx::query_as(HELD).bind(keys).fetch_all(c))?;
        let wallet = |(id, held): (Vec<u8>, i64)| Ok((WalletId::from_bytes(fixed(&id)?), held));
        rows.into_iter().map(wallet).collect::<Result<_, Damaged>>().map_err(damaged)
    }

    async fn window_held(&self, key: &WindowKey) -> Result<i64, LedgerError> {
        let agent = key.agent.as_bytes().to_vec();
        let rows: Vec<HoldColumns> = read!(self, c => sqlx::query_as(AGENT_HOLDS).bind(agent).fetch_all(c))?;
        let counted = |row: HoldColumns| row.read().map(|hold| hold.counts_for(key)).map_err(damaged);
        rows.into_iter().map(counted).sum()
    }

    async fn holds_of(&self, agent: AgentId, wallet: WalletId) -> Result<Vec<FoundHold>, LedgerError> {
        let (agent, wallet) = (agent.as_bytes().to_vec(), wallet.as_bytes().to_vec());
        let rows: Vec<HoldColumns> =
            read!(self, c => sqlx::query_as(HOLDS_OF).bind(agent).bind(wallet).fetch_all(c))?;
        rows.into_iter().map(HoldColumns::read).collect::<Result<_, _>>().map_err(damaged)
    }

    async fn held_under(
        &self,
        replay: Option<&ReplayKey>,
        identifier: Option<&IdempotencyKey>,
    ) -> Result<Option<(Option<ReplayKey>, Fingerprint)>, LedgerError> {
        let nonce = replay.map(|key| key.nonce_digest().to_vec());
        let identifier = identifier.map(|key| key.as_bytes().to_vec());
        let row: Option<(Option<Vec<u8>>, Vec<u8>)> =
            read!(self, c => sqlx::query_as(HELD_UNDER).bind(nonce).bind(identifier).fetch_optional(c))?;
        let read = |(key, fingerprint): (Option<Vec<u8>>, Vec<u8>)| {
            let key = key.as_deref().map(fixed).transpose()?.map(ReplayKey::from_bytes);
            Ok((key, Fingerprint::from_bytes(fixed(&fingerprint)?)))
        };
        row.map(read).transpose().map_err(damaged)
    }

    async fn is_delivering(&self, payment: PaymentId) -> Result<bool, LedgerError> {
        let key = payment.as_bytes().to_vec();
        read!(self, c => sqlx::query_scalar(DELIVERING).bind(key).fetch_one(c))
    }

    async fn count_call(&self, of: CallsOf, key: &str, limit: RateLimit) -> Result<CallCount, LedgerError> {
        self.calls.as_ref().ok_or(LedgerError::Unavailable)?.count(of, key, limit).await
    }

    async fn payment(&self, payment: PaymentId) -> Result<Option<PaymentRecord>, LedgerError> {
        let key = hex_list([payment.as_bytes().as_slice()].into_iter());
        let columns: Option<PaymentColumns> =
            read!(self, c => sqlx::query_as(PAYMENT).bind(key).fetch_optional(c))?;
        columns.map(PaymentColumns::record).transpose().map_err(damaged)
    }

    async fn response(
        &self,
        payment: PaymentId,
        at: UnixMillis,
    ) -> Result<Option<StoredResponse>, LedgerError> {
        let key = payment.as_bytes().to_vec();
        let columns: Option<ResponseColumns> =
            read!(self, c => sqlx::query_as(RESPONSE).bind(key).bind(at.0).fetch_optional(c))?;
        columns.map(ResponseColumns::read).transpose().map_err(damaged)
    }

    async fn replay(&self, key: &ReplayKey) -> Result<Option<Used>, LedgerError> {
        let key = key.as_bytes().to_vec();
        let columns: Option<UsedColumns> =
            read!(self, c => sqlx::query_as(REPLAY).bind(key).fetch_optional(c))?;
        columns.map(UsedColumns::read).transpose().map_err(damaged)
    }

    async fn identifier(&self, key: &IdempotencyKey, at: UnixMillis) -> Result<Option<Used>, LedgerError> {
        let key = key.as_bytes().to_vec();
        let columns: Option<UsedColumns> =
            read!(self, c => sqlx::query_as(IDENTIFIER).bind(key).bind(at.0).fetch_optional(c))?;
        columns.map(UsedColumns::read).transpose().map_err(damaged)
    }

    async fn connection(&self) -> Result<Connection, LedgerError> {
        self.requests.acquire().await
    }

    async fn report(&self) -> Result<Connection, LedgerError> {
        self.reports.acquire().await
    }

    async fn close(&self) {
        let all = async {
            self.requests.close().await;
            self.reports.close().await;
            if let Some(calls) = &self.calls {
                calls.close().await;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("a read goes on while the ledger closes");
        }
    }
}

// === impl UsedColumns ===

impl UsedColumns {
    pub(crate) fn read(self) -> Result<Used, Damaged> {
        Ok(Used {
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            fingerprint: Fingerprint::from_bytes(fixed(&self.fingerprint)?),
        })
    }
}

fn damaged(damaged: Damaged) -> LedgerError {
    read_error(damaged.into())
}

pub(crate) fn read_error(error: sqlx::Error) -> LedgerError {
    if is_away(&error) { LedgerError::Away(error.to_string()) } else { LedgerError::Read(error.to_string()) }
}
