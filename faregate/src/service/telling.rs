//! [`Telling`]: what happened is told: the ledger's movements become events, webhooks are sent, what grows old is forgotten, and
//! wallets whose making broke off are opened.
//!
//! No request waits for any of it, and nothing of it is lost by a crash: each part goes on from the place that the registry keeps.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use control_plane::egress::Egress;
use control_plane::history::History;
use control_plane::metrics::ControlMetrics;
use control_plane::sequencer::Sequencer;
use control_plane::upkeep;
use control_plane::webhooks::{Dispatcher, Parts};
use futures_util::future;
use registry::{Config, Registry};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::service::Base;

/// How often old events are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often wallets are looked for whose making broke off.
const OPEN_EVERY: Duration = Duration::from_secs(5);

/// Tasks that run until they are told to stop.
pub(super) struct Telling {
    tasks: Vec<JoinHandle<()>>,
}

// === impl Telling ===

impl Telling {
    /// Before anything is served: what moves from then on is told. Ends when `stop` is true.
    pub(super) async fn start(
        config: &Config,
        base: &Base,
        registry: &Registry,
        egress: Egress,
        stop: &watch::Sender<bool>,
    ) -> anyhow::Result<Self> {
        let history = Arc::new(History::new(base.ledger.clone()));
        let asset = base.ledger.asset().clone();
        let sequencer = Sequencer::new(registry.clone(), Arc::<History>::clone(&history), asset);
        sequencer.prepare().await.context("cannot tell where events begin")?;
        let dispatcher = Dispatcher::new(Parts {
            registry: registry.clone(),
            egress,
            members: history,
            clock: Arc::new(SystemClock),
            metrics: base.control_metrics.webhooks().clone(),
        });
        let dispatcher =
            dispatcher.map_err(|error| anyhow!("cannot make the sender of webhooks: {error}"))?;
        let lag = follow_lag(sequencer.lag(), Arc::clone(&base.control_metrics));
        let tasks = vec![
            tokio::spawn(lag),
            tokio::spawn(sequencer.run(base.commits.moved(), stop.subscribe())),
            tokio::spawn(dispatcher.run(stop.subscribe())),
            tokio::spawn(upkeep::forget_events(
                registry.clone(),
                config.care.events_kept,
                FORGET_EVERY,
                stop.subscribe(),
            )),
            tokio::spawn(upkeep::open_wallets(
                base.ledger.clone(),
                registry.clone(),
                OPEN_EVERY,
                stop.subscribe(),
            )),
        ];
        Ok(Self { tasks })
    }

    /// Returns when all of it has stopped, before the registry and the ledger are closed.
    pub(super) async fn end(self) {
        future::join_all(self.tasks).await;
    }
}

/// Until the sequencer ends.
async fn follow_lag(mut lag: watch::Receiver<Duration>, metrics: Arc<ControlMetrics>) {
    while lag.changed().await.is_ok() {
        metrics.set_event_lag(*lag.borrow_and_update());
    }
}
