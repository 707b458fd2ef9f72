//! [`copy_file`]: a copy of the books as they stand between two batches, taken beside a running ledger.
//!
//! It reads on a connection of its own: commits go on and never wait for it. While it reads, the write-ahead log grows.

use std::path::Path;

use domain::UnixMillis;
use sqlx::{ConnectOptions, Connection};

use crate::commit::sqlite::reader_options;
use crate::error::LedgerError;
use crate::reads::read_error;

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Captured payments.
    pub payments: u64,
    /// Number of the last batch.
    pub batch: u64,
    /// Ledger time of the last batch: what was captured later is not in the copy.
    pub at: UnixMillis,
}

/// Copies the `ledger.db` of a running or stopped ledger to a file that must not exist. The caller brings it to disk.
///
/// # Errors
/// [`LedgerError::Away`] where the source does not answer, [`LedgerError::Read`] where the source is no ledger, or the copy cannot be written.
pub async fn copy_file(source: &Path, target: &Path) -> Result<Copied, LedgerError> {
    let mut connection = reader_options(source).connect().await.map_err(read_error)?;
    let name = target.to_str().ok_or_else(|| LedgerError::Read("the copy's path is not UTF-8".to_owned()))?;
    let copied = sqlx::query("vacuum into $1").bind(name).execute(&mut connection).await;
    // Only a reader is closed.
    let _ = connection.close().await;
    copied.map_err(read_error)?;
    contents(target).await.map_err(read_error)
}

/// Read from the copy, not from the original: it says what it holds, and that it can be read.
async fn contents(copy: &Path) -> Result<Copied, sqlx::Error> {
    let mut connection = reader_options(copy).connect().await?;
    let marker = "select seq, batch, at from marker where id = 1";
    let found: Result<(i64, i64, i64), _> = sqlx::query_as(marker).fetch_one(&mut connection).await;
    let _ = connection.close().await;
    let (payments, batch, at) = found?;
    let count = |number| u64::try_from(number).unwrap_or(0);
    Ok(Copied { payments: count(payments), batch: count(batch), at: UnixMillis(at) })
}
