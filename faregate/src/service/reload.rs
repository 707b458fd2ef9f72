//! [`Reloader`]: SIGHUP or a changed file puts new routes, prices and agents in force, without dropping a request.
//!
//! A bad file changes nothing: catalog and agents stay as they are, the log says why, and it counts. What a running process cannot
//! change (listeners, limits, data directory, network) is named in the log and waits for a restart. A file that met a database
//! that did not work is tried again.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use gateway::Metrics;
use ledger::{Ledger, LedgerError};
use registry::agent::AgentEntry;
use registry::config::Loaded;
use registry::watch::{Event, Found, Settings, Verdict, Watch};
use registry::{Config, Environment, Registry, RegistryError};
use tokio::signal::unix::{SignalKind, signal};

use crate::owed;
use crate::service::Base;

/// Follows the configuration file.
pub(super) struct Reloader {
    ledger: Ledger,
    registry: Registry,
    metrics: Arc<Metrics>,
    /// What needs a restart is compared with it.
    started: Config,
    /// The agents last put in force, with their wallets. Where a file has the same ones they are left alone: what is
    /// remembered of them stays remembered, or all who pay at that moment would wait for the database at once.
    agents: Option<Vec<AgentEntry>>,
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(started: Config, base: &Base, registry: Registry) -> Self {
        let (ledger, metrics) = (base.ledger.clone(), Arc::clone(&base.metrics));
        Self { ledger, registry, metrics, started, agents: None }
    }

    /// Agents, providers, routes and prices of a file; none of them where any is refused. So the catalog is tried before the agents
    /// are written, and those are all or nothing themselves. `meant` is what the file takes away, where somebody said so.
    pub(super) async fn put_in_force(&mut self, loaded: &Loaded, meant: bool) -> anyhow::Result<()> {
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "configuration");
        }
        self.registry.try_apply(&loaded.config.catalog, self.ledger.time(), meant).await?;
        if self.agents.as_ref() != Some(&loaded.config.agents) {
            self.put_agents_in_force(&loaded.config.agents).await?;
        }
        let catalog = self.registry.apply(&loaded.config.catalog, self.ledger.time()).await?;
        tracing::info!(
            catalog.version = catalog.version(),
            routes = catalog.routes().len(),
            "configuration in force"
        );
        self.tell_who_is_gone().await;
        Ok(())
    }

    /// Who earned something that was not settled, and is no provider any more.
    async fn tell_who_is_gone(&self) {
        match self.ledger.owed().await {
            Ok(owed) => {
                let is_there = |name: &str| self.registry.provider(name).is_some();
                owed::warnings(&owed, is_there).for_each(|warning| tracing::warn!("{warning}"));
            }
            Err(error) => tracing::warn!(%error, "what providers earned cannot be read"),
        }
    }

    async fn put_agents_in_force(&mut self, agents: &[AgentEntry]) -> anyhow::Result<()> {
        // Until it is done: a part of it may stand.
        self.agents = None;
        for agent in self.registry.upsert_agents(agents).await? {
            self.ledger.create_wallet(agent.wallet).await.context("cannot make an agent's wallet")?;
        }
        self.agents = Some(agents.to_vec());
        Ok(())
    }

    /// Takes SIGHUP over at once; the future reloads. `loaded` is what is in force.
    pub(super) fn follow(
        mut self,
        path: PathBuf,
        loaded: &Loaded,
    ) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
        let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        let settings = Settings::new(path, Environment::from_process());
        let (watch, reload, mut events) = Watch::new(settings, loaded);
        Ok(async move {
            // Ends with this future, whose receiver it needs.
            let watching = tokio::spawn(watch.run());
            loop {
                tokio::select! {
                    Some(()) = hangup.recv() => reload.now(),
                    Some(event) = events.recv() => self.take(event).await,
                    else => break,
                }
            }
            watching.abort();
        })
    }

    async fn take(&mut self, event: Event) {
        let done = match event {
            Event::Loaded(Found { loaded, explicit }, told) => {
                self.name_what_waits(&loaded.config);
                let done = self.put_in_force(&loaded, explicit).await;
                // Nobody waits only where the process is going down.
                let _ = told.send(verdict(&done));
                done
            }
            Event::Refused(refusal) => Err(refusal.into()),
        };
        if let Err(error) = &done {
            let again = verdict(&done) == Verdict::Again;
            tracing::error!(
                error = format!("{error:#}"),
                again,
                "reload failed, the last good configuration stays"
            );
        }
        self.metrics.reloaded(done.is_ok());
    }

    fn name_what_waits(&self, config: &Config) {
        let waiting = config.needs_restart(&self.started);
        for section in &waiting {
            tracing::warn!(section, "this section changed and waits for a restart");
        }
        self.metrics.waits_for_restart(&waiting);
    }
}

/// What a database that does not work stopped is tried again; a mistake is not.
fn verdict(done: &anyhow::Result<()>) -> Verdict {
    let Err(error) = done else { return Verdict::InForce };
    let is_stored = error.downcast_ref().is_some_and(|error| {
        matches!(error, RegistryError::Store(_) | RegistryError::Interrupted | RegistryError::Random(_))
    });
    if is_stored || error.is::<LedgerError>() { Verdict::Again } else { Verdict::Refused }
}

#[cfg(test)]
mod tests;
