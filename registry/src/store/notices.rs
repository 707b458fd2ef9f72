//! Notices between the processes on one PostgreSQL: one channel, sent with the commit. They are only a hint to look: whoever
//! waits for them looks from time to time all the same.

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};

use super::pool::answer;
use super::{Pool, Session, StoreError};

/// Where processes hear each other.
const CHANNEL: &str = "faregate_registry";

/// Hears notices, on a connection of its own.
pub(crate) struct Notices(PgListener);

/// Sends a notice when the transaction is committed. SQLite has one process, which needs none.
pub(crate) async fn send(session: &mut Session<'_>, notice: &str) -> Result<(), StoreError> {
    let Session::Postgres(connection) = session else { return Ok(()) };
    let sending =
        sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(notice).execute(&mut **connection);
    answer(sending).await.map(drop)
}

// === impl Notices ===

impl Notices {
    /// Begins to listen; none on SQLite.
    pub(crate) async fn listen(pool: &Pool) -> Result<Option<Self>, StoreError> {
        let Pool::Postgres(pool) = pool else { return Ok(None) };
        let options = PgPool::connect_options(pool).as_ref().clone();
        let single = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let listening = async {
            let mut listener = PgListener::connect_with(&single).await?;
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        Ok(Some(Self(answer(listening).await?)))
    }

    /// The next notice. None where the connection was lost, and with it perhaps some: it is made again by the next call.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_recv().await?.map(|notice| notice.payload().to_owned()))
    }
}
