//! [`Service`]: ledger, registry, gateway and control plane, put together, and taken apart in the right order.
//!
//! The end: the gateway drains, then the axum listeners and whoever tells of events stop, then the ledger's writer commits
//! what is left. Readiness, metrics and the management API answer while the gateway drains. Next: [`running`] for what is put
//! together, [`telling`] for events and webhooks, [`reload`] for a changed file, [`signals`] for the end, [`successor`] for an
//! upgrade.

mod commits;
mod duty;
mod errands;
mod inherited;
pub(crate) mod networks;
mod notify;
mod open_metrics;
mod outbox;
mod outgoing_metrics;
pub(crate) mod outlets;
mod own_settler;
mod place;
mod rail_metrics;
mod reload;
mod role;
mod running;
pub(crate) mod settings;
mod settler_metrics;
mod signals;
mod sockets;
mod successor;
mod telling;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use control_plane::metrics::ControlMetrics;
use gateway::{Metrics, Shutdown};
use ledger::{Ledger, Writer};
use registry::config::Loaded;
use registry::{Config, Database};

use crate::clock::SystemClock;
use crate::service::commits::Commits;
use crate::service::running::Running;

pub(crate) use inherited::Inherited;
pub(crate) use place::Place;
pub(crate) use role::Role;
pub(crate) use sockets::Addresses;
pub(crate) use successor::Successor;

/// Everything, running.
pub(crate) struct Service {
    running: Running,
    writer: Writer,
}

/// The configuration file, to be followed.
pub(crate) struct Followed {
    pub(crate) path: PathBuf,
    /// At the start it may let go of providers that lose something by it.
    pub(crate) lets_go: bool,
}

/// What everything else stands on.
struct Base {
    ledger: Ledger,
    commits: Arc<Commits>,
    metrics: Arc<Metrics>,
    /// For every part of the control plane.
    control_metrics: Arc<ControlMetrics>,
    prometheus: prometheus::Registry,
    shutdown: Shutdown,
}

// === impl Service ===

impl Service {
    /// Opens the books, binds the sockets, puts catalog and agents in force, and serves. `followed` is the file that was
    /// loaded. `inherited` are sockets that are bound already.
    ///
    /// # Errors
    /// Whatever is in the way; nothing runs then.
    pub(crate) async fn start(
        loaded: Loaded,
        followed: impl Into<Followed>,
        role: Role,
        inherited: Inherited,
    ) -> anyhow::Result<Self> {
        if let Database::Sqlite { directory } = &loaded.config.data {
            make_private(directory)?;
        }
        let prometheus = prometheus::Registry::new();
        let metrics = Arc::new(Metrics::new(&prometheus)?);
        let control_metrics = Arc::new(ControlMetrics::new(&prometheus)?);
        let shutdown = Shutdown::new();
        let commits = Arc::new(Commits::new(Arc::clone(&metrics), shutdown.clone()));
        let (ledger, writer) = open(&loaded.config, role, Arc::clone(&commits)).await?;
        let base = Base { ledger, commits, metrics, control_metrics, prometheus, shutdown };
        match Running::start(loaded, (followed.into(), role), base, inherited).await {
            Ok(running) => Ok(Self { running, writer }),
            Err(error) => {
                close(writer).await?;
                Err(error)
            }
        }
    }

    /// Where it listens.
    pub(crate) const fn addresses(&self) -> Addresses {
        self.running.addresses()
    }

    /// Asks for the end, as a signal does. [`Service::end`] then returns.
    pub(crate) fn ask_to_end(&self) {
        self.running.ask_to_end();
    }

    /// Serves until a signal asks for the end, then ends everything in order. Says who is to take over, where somebody is.
    ///
    /// # Errors
    /// The gateway could not serve, or the disk can no longer be trusted.
    pub(crate) async fn end(self) -> anyhow::Result<Option<Arc<Successor>>> {
        let ended = self.running.end().await;
        close(self.writer).await?;
        tracing::info!("ended");
        let successor = ended?;
        // As late as can be: whoever asked for the end meanwhile did not ask for another process.
        Ok(successor.is_wanted().then_some(successor))
    }
}

// === impl Followed ===

impl From<PathBuf> for Followed {
    fn from(path: PathBuf) -> Self {
        Self { path, lets_go: false }
    }
}

/// Balances, and the secrets that quotes are made with, are nobody else's to read. A directory that is there stays as it is.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("cannot make {}", directory.display()))
}

/// Opening reads the books, which blocks.
async fn open(config: &Config, role: Role, commits: Arc<Commits>) -> anyhow::Result<(Ledger, Writer)> {
    let settings = settings::ledger(config, role);
    let open = move || Ledger::open(settings, Arc::new(SystemClock), commits);
    let opened = tokio::task::spawn_blocking(open).await?;
    // Of SQLite the error says which file.
    match &config.data {
        Database::Sqlite { .. } => Ok(opened?),
        data @ Database::Postgres { .. } => opened.with_context(|| format!("the books are in {data}")),
    }
}

/// Commits what is queued, which blocks.
async fn close(writer: Writer) -> anyhow::Result<()> {
    Ok(tokio::task::spawn_blocking(move || writer.close()).await?)
}

#[cfg(test)]
mod tests;
