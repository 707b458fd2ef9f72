//! [`Reads`]: the seam between the ledger and the committed rows that memory does not keep. [`SqliteReads`] is a small
//! pool of connections that cannot write.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::{AgentId, Fingerprint, IdempotencyKey, PaymentId, ReplayKey, UnixMillis, WalletId, Window};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use crate::account::PaymentRecord;
use crate::batch::{HeldAt, WindowKey};
use crate::commit::sqlite::reader_options;
use crate::commit::sqlite::rows::{PAYMENT, PaymentColumns, ResponseColumns, fixed, hex_list};
use crate::error::LedgerError;
use crate::receipt::StoredResponse;

/// Connections at most.
const CONNECTIONS: u32 = 4;

/// How long a read waits for one of them.
const PATIENCE: Duration = Duration::from_secs(5);

const WALLET: &str =
    "select b.credits - b.debits from account a join balance b on b.account = a.id where a.wallet = $1";

const WINDOW: &str = "select spent from spend_window where agent = $1 and period = $2 and start = $3";

const RESPONSE: &str = "select status, headers, body from response where payment = $1 and expires_at > $2";

const REPLAY: &str = "select id, fingerprint from payment where replay_key = $1";

const IDENTIFIER: &str = "select payment, fingerprint from idempotency where key = $1 and expires_at > $2";

/// Reads beside the writer. What they see is committed.
#[async_trait]
pub(crate) trait Reads: Send + Sync + 'static {
    /// A wallet's balance; `None` where there is no such wallet.
    async fn wallet(&self, wallet: WalletId) -> Result<Option<i64>, LedgerError>;

    /// Spent in the window of `held`.
    async fn spent(&self, agent: AgentId, window: Window, held: &HeldAt) -> Result<i64, LedgerError>;

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

    /// A connection for the audit, which asks in SQL.
    async fn connection(&self) -> Result<PoolConnection<sqlx::Sqlite>, LedgerError>;
}

#[derive(Debug)]
pub(crate) struct SqliteReads {
    pool: SqlitePool,
}

/// Which payment a key was used for, and for which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) payment: PaymentId,
    pub(crate) fingerprint: Fingerprint,
}

// === impl SqliteReads ===

impl SqliteReads {
    /// Connects when first used. Called on the writer's runtime.
    pub(crate) fn new(path: &Path) -> Self {
        let options = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        Self { pool: options.connect_lazy_with(reader_options(path)) }
    }
}

#[async_trait]
impl Reads for SqliteReads {
    async fn wallet(&self, wallet: WalletId) -> Result<Option<i64>, LedgerError> {
        let query = sqlx::query_scalar(WALLET).bind(wallet.as_bytes().to_vec());
        query.fetch_optional(&self.pool).await.map_err(read_error)
    }

    async fn spent(&self, agent: AgentId, window: Window, held: &HeldAt) -> Result<i64, LedgerError> {
        let WindowKey { start, .. } = held.key(agent, window);
        let period = if window == Window::Day { 0 } else { 1 };
        let query = sqlx::query_scalar(WINDOW).bind(agent.as_bytes().to_vec()).bind(period).bind(start.0);
        let spent: Option<i64> = query.fetch_optional(&self.pool).await.map_err(read_error)?;
        Ok(spent.unwrap_or(0))
    }

    async fn payment(&self, payment: PaymentId) -> Result<Option<PaymentRecord>, LedgerError> {
        let key = hex_list([payment.as_bytes().as_slice()].into_iter());
        let columns: Option<PaymentColumns> =
            sqlx::query_as(PAYMENT).bind(key).fetch_optional(&self.pool).await.map_err(read_error)?;
        columns.map(PaymentColumns::record).transpose().map_err(|damaged| read_error(damaged.into()))
    }

    async fn response(
        &self,
        payment: PaymentId,
        at: UnixMillis,
    ) -> Result<Option<StoredResponse>, LedgerError> {
        let query = sqlx::query_as(RESPONSE).bind(payment.as_bytes().to_vec()).bind(at.0);
        let columns: Option<ResponseColumns> = query.fetch_optional(&self.pool).await.map_err(read_error)?;
        columns.map(ResponseColumns::read).transpose().map_err(|damaged| read_error(damaged.into()))
    }

    async fn replay(&self, key: &ReplayKey) -> Result<Option<Used>, LedgerError> {
        let query = sqlx::query_as(REPLAY).bind(key.as_bytes().to_vec());
        used(query.fetch_optional(&self.pool).await)
    }

    async fn identifier(&self, key: &IdempotencyKey, at: UnixMillis) -> Result<Option<Used>, LedgerError> {
        let query = sqlx::query_as(IDENTIFIER).bind(key.as_bytes().to_vec()).bind(at.0);
        used(query.fetch_optional(&self.pool).await)
    }

    async fn connection(&self) -> Result<PoolConnection<sqlx::Sqlite>, LedgerError> {
        self.pool.acquire().await.map_err(read_error)
    }
}

/// A payment's id and its fingerprint, as stored.
type UsedColumns = (Vec<u8>, Vec<u8>);

fn used(row: Result<Option<UsedColumns>, sqlx::Error>) -> Result<Option<Used>, LedgerError> {
    let Some((payment, fingerprint)) = row.map_err(read_error)? else { return Ok(None) };
    let damaged = |damaged: crate::commit::sqlite::rows::Damaged| read_error(damaged.into());
    let payment = PaymentId::from_bytes(fixed(&payment).map_err(damaged)?);
    let fingerprint = Fingerprint::from_bytes(fixed(&fingerprint).map_err(damaged)?);
    Ok(Some(Used { payment, fingerprint }))
}

pub(crate) fn read_error(error: sqlx::Error) -> LedgerError {
    LedgerError::Read(error.to_string())
}
