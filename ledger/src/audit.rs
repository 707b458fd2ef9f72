//! The invariants of the books, each as one question in SQL that counts the rows which break it.
//!
//! [`audit_file`] asks them of any ledger file, running or stopped. A running ledger is asked the same and then
//! compared with its memory, at one point between two batches. Next: [`invariants`] for the list.

mod invariants;
mod memory;

use std::path::Path;
use std::sync::Arc;

use domain::UnixMillis;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::oneshot;

use crate::command::Command;
use crate::commit::sqlite::reader_options;
use crate::error::LedgerError;
use crate::reads::read_error;
use crate::shared::Shared;
use invariants::INVARIANTS;
use memory::Snapshot;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Ledger time of the last batch that was looked at.
    pub at: UnixMillis,
    /// Captured payments looked at.
    pub payments: u64,
    /// Every invariant that was checked, in order.
    pub findings: Vec<Finding>,
}

/// One invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Short stable name, such as `sum_is_zero`.
    pub invariant: &'static str,
    /// What must hold, in one sentence.
    pub meaning: &'static str,
    /// Rows that break it; none is right.
    pub offending: u64,
}

// === impl AuditReport ===

impl AuditReport {
    /// Whether every invariant holds.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.offending == 0)
    }
}

/// Audits the books of a stopped or running ledger by its `ledger.db`, reading only.
///
/// # Errors
/// [`LedgerError::Read`] where the file cannot be read as a ledger.
pub async fn audit_file(path: &Path) -> Result<AuditReport, LedgerError> {
    let mut connection = reader_options(path).connect().await.map_err(read_error)?;
    let report = snapshot(&mut connection).await;
    let report = match report {
        Ok(()) => ask(&mut connection).await,
        Err(error) => Err(error),
    };
    let _ = connection.close().await;
    report.map_err(read_error)
}

/// Audits the books and the memory of a running ledger.
pub(crate) async fn running(shared: &Arc<Shared>) -> Result<AuditReport, LedgerError> {
    let mut connection = shared.reads.connection().await?;
    let (pause, paused) = oneshot::channel();
    shared.send(Command::Pause(pause)).map_err(|_| LedgerError::Unavailable)?;
    let resume = paused.await.map_err(|_| LedgerError::Unavailable)?;
    let begun = snapshot(&mut connection).await;
    let memory = Snapshot::of(&shared.memory.lock().facts);
    // The point is fixed: the writer goes on, the audit takes its time.
    drop(resume);
    let report = match begun {
        Ok(()) => compare(&mut connection, &memory).await,
        Err(error) => Err(error),
    };
    // Where nothing was begun there is nothing to end.
    let _ = sqlx::query("rollback").execute(&mut *connection).await;
    report.map_err(read_error)
}

async fn compare(connection: &mut SqliteConnection, memory: &Snapshot) -> Result<AuditReport, sqlx::Error> {
    let mut report = ask(connection).await?;
    report.findings.extend(memory.compare(connection).await?);
    Ok(report)
}

/// Begins a transaction and reads once: from here on the connection sees the books of this moment.
async fn snapshot(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("begin").execute(&mut *connection).await?;
    sqlx::query("select batch from marker").fetch_one(connection).await.map(drop)
}

async fn ask(connection: &mut SqliteConnection) -> Result<AuditReport, sqlx::Error> {
    let query = sqlx::query_as("select at, (select count(*) from payment) from marker");
    let (at, payments): (i64, i64) = query.fetch_one(&mut *connection).await?;
    let mut findings = Vec::with_capacity(INVARIANTS.len());
    for invariant in INVARIANTS {
        let offending: i64 = sqlx::query_scalar(invariant.sql).fetch_one(&mut *connection).await?;
        findings.push(invariant.finding(count(offending)));
    }
    Ok(AuditReport { at: UnixMillis(at), payments: count(payments), findings })
}

/// A `count(*)` is never negative.
fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
