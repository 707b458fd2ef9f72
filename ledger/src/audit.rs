//! The invariants of the books, each as one question in SQL that counts the rows which break it.
//!
//! [`audit_database`] asks them of any ledger, running or stopped. A running ledger is asked the same and then
//! compared with its memory, at one point between two batches. Next: [`invariants`] and [`outgoing`] for the list.

mod foreign;
mod invariants;
mod memory;
mod outgoing;
mod suspense;

use std::path::Path;
use std::sync::Arc;

use domain::UnixMillis;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::oneshot;

use crate::books::session::{Session, answer, on_either};
use crate::command::Command;
use crate::commit::postgres::connect;
use crate::commit::sqlite::{FILE, reader_options};
use crate::database::Database;
use crate::error::LedgerError;
use crate::reads::read_error;
use crate::shared::Shared;
use foreign::FOREIGN;
use invariants::{
    FILE_SQLITE, GUARDS_POSTGRES, GUARDS_SQLITE, INVARIANTS, Invariant, SETTLED, UNSETTLED_POSTGRES,
};
use memory::Snapshot;
use outgoing::OUTGOING;
use suspense::SUSPENSE;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Ledger time of the last batch that was looked at.
    pub at: UnixMillis,
    /// Captured payments looked at.
    pub payments: u64,
    /// Holds on disk: calls on their way to an upstream, or what a crash left of them. A ledger that was closed has none.
    pub holds: u64,
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

/// Audits the books of a stopped or running ledger, reading only.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where there is no ledger that can be read.
pub async fn audit_database(database: &Database) -> Result<AuditReport, LedgerError> {
    match database {
        Database::Sqlite { directory } => audit_file(&directory.join(FILE)).await,
        Database::Postgres { url } => {
            let mut connection = connect::reader(url.expose()).await.map_err(read_error)?;
            let report = snapshot_and_ask(&mut Session::Postgres(&mut connection)).await;
            let _ = connection.close().await;
            report.map_err(read_error)
        }
    }
}

/// The same for one SQLite file, a copy for instance.
///
/// # Errors
/// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Read`] where the file cannot be read as a ledger.
pub async fn audit_file(path: &Path) -> Result<AuditReport, LedgerError> {
    let mut connection = reader_options(path).connect().await.map_err(read_error)?;
    let report = snapshot_and_ask(&mut Session::Sqlite(&mut connection)).await;
    let _ = connection.close().await;
    report.map_err(read_error)
}

async fn snapshot_and_ask(session: &mut Session<'_>) -> Result<AuditReport, sqlx::Error> {
    snapshot(session).await?;
    ask(session).await
}

/// Audits the books and the memory of a running ledger.
pub(crate) async fn running(shared: &Arc<Shared>) -> Result<AuditReport, LedgerError> {
    let _one = shared.audit.lock().await;
    let mut connection = shared.reads.report().await?;
    // Whoever waits for the audit may leave at any point of it.
    connection.close_on_drop();
    let session = &mut connection.session();
    let (pause, paused) = oneshot::channel();
    shared.send(Command::Pause(pause)).map_err(|_| LedgerError::Unavailable)?;
    let resume = paused.await.map_err(|_| LedgerError::Unavailable)?;
    // The writer waits for this: not longer than for anything else.
    answer(snapshot(session)).await.map_err(read_error)?;
    let memory = Snapshot::of(&shared.memory.lock());
    // The point is fixed: the writer goes on, the audit takes its time.
    drop(resume);
    compare(session, &memory).await.map_err(read_error)
}

async fn compare(session: &mut Session<'_>, memory: &Snapshot) -> Result<AuditReport, sqlx::Error> {
    let mut report = ask(session).await?;
    report.findings.extend(memory.compare(session).await?);
    Ok(report)
}

/// Begins a transaction and reads once: from here on the connection sees the books of this moment.
async fn snapshot(session: &mut Session<'_>) -> Result<(), sqlx::Error> {
    let begin = match session {
        Session::Sqlite(_) => "begin",
        Session::Postgres(_) => "begin isolation level repeatable read read only",
    };
    on_either!(session, c => async { sqlx::query(begin).execute(c).await.map(drop) })?;
    on_either!(session, c => async { sqlx::query("select batch from marker").fetch_one(c).await.map(drop) })
}

async fn ask(session: &mut Session<'_>) -> Result<AuditReport, sqlx::Error> {
    let point = "select at, (select count(*) from payment), (select count(*) from hold) from marker";
    let (at, payments, holds): (i64, i64, i64) =
        on_either!(session, c => sqlx::query_as(point).fetch_one(c))?;
    let own: &[Invariant] = match session {
        Session::Sqlite(_) => &[FILE_SQLITE, GUARDS_SQLITE],
        Session::Postgres(_) => &[GUARDS_POSTGRES, UNSETTLED_POSTGRES],
    };
    let mut findings = Vec::new();
    for invariant in [INVARIANTS, SETTLED, OUTGOING, SUSPENSE, FOREIGN, own].into_iter().flatten() {
        let offending: i64 = on_either!(session, c => sqlx::query_scalar(invariant.sql).fetch_one(c))?;
        findings.push(invariant.finding(count(offending)));
    }
    Ok(AuditReport { at: UnixMillis(at), payments: count(payments), holds: count(holds), findings })
}

/// A `count(*)` is never negative.
fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
