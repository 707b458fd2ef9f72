//! Connections to the schema `ledger`, each with what it may do.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor};

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Said first on a connection that writes, whatever the database is set to. Not parameters of the connection: poolers
/// refuse those. The server gives a statement up before the writer does, and a transaction of a writer that fell silent
/// within a lease: it would keep the next owner out. No connection compiles what it executes: that takes a tenth of a second, in
/// which others wait behind the marker, and it is estimates that ask for it. All its statements find their rows by index and are planned once: a plan
/// made while a table was small would read the whole of it for every batch, long after it has grown.
pub(super) const WRITER: &str =
    "set search_path to ledger; set jit to off; set synchronous_commit to on; set statement_timeout to '8s';
    set lock_timeout to 0; set idle_in_transaction_session_timeout to '5s';
    set plan_cache_mode to force_generic_plan; set enable_seqscan to off; set enable_bitmapscan to off;
    set enable_hashjoin to off; set enable_mergejoin to off;
    set session characteristics as transaction isolation level read committed";

/// Said first on a connection that reads.
pub(crate) const READER: &str =
    "set search_path to ledger; set jit to off; set default_transaction_read_only to on";

/// What a URL says.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?.application_name("faregate ledger").disable_statement_logging())
}

/// Said first on a connection that reads for long, or again and again: what was planned while a table was small would read the whole of it
/// when it has grown.
pub(crate) const REPORTER: &str =
    "set search_path to ledger; set jit to off; set default_transaction_read_only to on;
    set plan_cache_mode to force_custom_plan";

pub(crate) async fn writer(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    connect(options, WRITER).await
}

pub(crate) async fn reader(url: &str) -> Result<PgConnection, sqlx::Error> {
    connect(&options(url)?, READER).await
}

async fn connect(options: &PgConnectOptions, first: &'static str) -> Result<PgConnection, sqlx::Error> {
    let connecting = async {
        let mut connection = options.connect().await?;
        connection.execute(first).await?;
        Ok(connection)
    };
    tokio::time::timeout(PATIENCE, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Connections that are made when first used, each with `first` said on it; one is waited for no longer than `patience`.
pub(crate) fn pool(
    options: PgConnectOptions,
    first: &'static str,
    connections: u32,
    patience: Duration,
) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(patience);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(first).await.map(drop) })
    });
    pool.connect_lazy_with(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_connection_compiles_what_it_executes() {
        let url = test_postgres::compiling_database();
        let options = options(&url).unwrap();
        let mut alone = [writer(&options).await.unwrap(), reader(&url).await.unwrap()];
        for connection in &mut alone {
            let jit: String = sqlx::query_scalar("show jit").fetch_one(connection).await.unwrap();
            assert_eq!(jit, "off");
        }
        for first in [READER, REPORTER, crate::calls::COUNTER] {
            let pool = pool(options.clone(), first, 1, PATIENCE);
            let jit: String = sqlx::query_scalar("show jit").fetch_one(&pool).await.unwrap();
            assert_eq!(jit, "off", "{first}");
        }
    }
}
