//! [`Running`]: everything but the ledger's writer, which outlives it.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use control_plane::control::{self, ControlState};
use control_plane::egress::Egress;
use control_plane::events::Streams;
use control_plane::ops::{self, DataPlane, OpsState};
use control_plane::server;
use control_plane::settling;
use control_plane::watch::{DatabaseWatch, audit_every};
use futures_util::future;
use gateway::{Gateway, Listener, Metrics, Parts, Shutdown, StartError};
use ledger::Ledger;
use registry::config::Loaded;
use registry::{Config, Directory, Registry};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::{LedgerClock, SystemClock};
use crate::service::inherited::Inherited;
use crate::service::networks::Networks;
use crate::service::notify::{Stage, notify};
use crate::service::reload::Reloader;
use crate::service::role::Role;
use crate::service::sockets::{Addresses, Sockets};
use crate::service::successor::Successor;
use crate::service::telling::Telling;
use crate::service::{Base, Followed, settings, signals};

/// How long calls of the management API and scrapes may take to finish at the end.
const LISTENERS_END: Duration = Duration::from_secs(2);

/// All threads and tasks that serve.
pub(super) struct Running {
    base: Base,
    addresses: Addresses,
    registry: Registry,
    /// Ready when the gateway's thread has ended.
    gateway: oneshot::Receiver<Result<(), StartError>>,
    /// The management API and the ops listener.
    listeners: Vec<JoinHandle<io::Result<()>>>,
    /// Events and webhooks.
    /// None where another process serves the management API: its webhooks are sent from there.
    telling: Option<Telling>,
    /// Ends the listeners, and the telling.
    stop: watch::Sender<bool>,
    /// Reloads, and whatever else looks on.
    watchers: Vec<JoinHandle<()>>,
    successor: Arc<Successor>,
}

/// What the ops listener asks of the data plane.
struct Plane {
    ledger: Ledger,
    directory: Directory,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
}

// === impl Running ===

impl Running {
    /// Binds before it loads, so that a taken port is found before anything is changed.
    pub(super) async fn start(
        loaded: Loaded,
        (Followed { path, lets_go }, role): (Followed, Role),
        base: Base,
        inherited: Inherited,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let Sockets { data, control, ops, addresses, copies } =
            Sockets::bind(&config.listeners, role, inherited)?;
        let successor = Arc::new(Successor::new(path.clone(), copies)?);
        let entries_max = config.limits.directory_entries_max;
        let registry =
            Registry::open_with(&config.data, Arc::new(LedgerClock(base.ledger.clone())), entries_max)
                .await?;
        let mut reloader = Reloader::new(config.clone(), &base, registry.clone());
        reloader.put_in_force(&loaded, lets_go).await?;

        // From here on signals are ours; before, they end the process, which has nothing to finish. They are heard to the very
        // end: a stop wins over a new binary as long as that has not taken over.
        tokio::spawn(signals::follow(base.shutdown.clone(), Arc::clone(&successor))?);
        let mut watchers =
            vec![tokio::spawn(reloader.follow(path, &loaded)?), tokio::spawn(registry.clone().follow())];
        let stop = watch::Sender::new(false);
        let egress = Egress::new(settings::egress(config)).context("cannot make the way out for webhooks")?;
        let telling = match role.serves_control() {
            true => Some(Telling::start(config, &base, &registry, egress.clone(), &stop).await?),
            false => None,
        };
        // The control plane too: what a gateway left that is gone is whoever's takes it over first.
        let (ledger, prometheus) = (&base.ledger, &base.prometheus);
        let networks = Networks::start(config, ledger, &registry, prometheus, &stop, &mut watchers).await?;
        let control_state = ControlState {
            ledger: base.ledger.clone(),
            registry: registry.clone(),
            metrics: Arc::clone(&base.control_metrics),
            egress,
            streams: Streams::new(stop.subscribe()),
            deposits: networks.as_ref().and_then(|networks| networks.deposits.clone()),
            foreign: networks.as_ref().and_then(|networks| networks.public.foreign.clone()),
            chains: networks.as_ref().map(|networks| networks.chains.clone()).unwrap_or_default(),
        };
        let control_router = control::router(control_state, config.control.admin_token.as_ref());
        let database = look_after(config, role, &base, &registry, &stop, &mut watchers).await;
        let plane = Plane::new(&base, registry.directory());
        let ops_router = ops::router(OpsState {
            ledger: base.ledger.clone(),
            registry: registry.clone(),
            metrics: base.prometheus.clone(),
            role: role.to_string(),
            database,
            data_plane: Arc::new(plane),
        });
        let control = control.map(|socket| (socket, control_router));
        let listeners = control.into_iter().chain([(ops, ops_router)]);
        let listeners = listeners.map(|(socket, router)| listen(socket, router, &stop)).collect();
        let gateway = if role.serves_data() {
            run_gateway(config, &base, &registry, data, networks)?
        } else {
            without_gateway(base.shutdown.clone())
        };
        tokio::spawn(tell(base.shutdown.clone(), Arc::clone(&successor)));
        let Addresses { data, control, ops } = addresses;
        // Named is what is there: another process may serve the rest.
        let data = role.serves_data().then(|| tracing::field::display(data));
        let control = role.serves_control().then(|| tracing::field::display(control));
        tracing::info!(%role, listen.data = data, listen.control = control, listen.ops = %ops, "serving");
        Ok(Self { base, addresses, registry, gateway, listeners, telling, stop, watchers, successor })
    }

    pub(super) const fn addresses(&self) -> Addresses {
        self.addresses
    }

    pub(super) fn ask_to_end(&self) {
        self.base.shutdown.drain();
    }

    /// Returns when nothing serves any more; says who takes over, where that is wanted.
    pub(super) async fn end(self) -> anyhow::Result<Arc<Successor>> {
        let served = self.gateway.await;
        self.stop.send_replace(true);
        let listeners = future::join_all(self.listeners);
        if tokio::time::timeout(LISTENERS_END, listeners).await.is_err() {
            tracing::warn!("calls of the management API were cut off");
        }
        if let Some(telling) = self.telling {
            telling.end().await;
        }
        self.watchers.iter().for_each(JoinHandle::abort);
        self.registry.close().await;
        served.context("the gateway's thread broke down")??;
        let broken = self.base.commits.are_broken();
        anyhow::ensure!(!broken, "the disk failed under a commit; start again to read what it kept");
        Ok(self.successor)
    }
}

/// Audits the books now and then, follows what the database can lose, and settles with providers where the management API is.
async fn look_after(
    config: &Config,
    role: Role,
    base: &Base,
    registry: &Registry,
    stop: &watch::Sender<bool>,
    watchers: &mut Vec<JoinHandle<()>>,
) -> Arc<DatabaseWatch> {
    let database = Arc::new(DatabaseWatch::new(config.care.require_synchronous_standby));
    database.look(registry).await;
    let (ledger, metrics) = (base.ledger.clone(), Arc::clone(&base.control_metrics));
    watchers.push(tokio::spawn(audit_every(config.care.audit_interval, ledger, metrics)));
    watchers.push(tokio::spawn(Arc::clone(&database).follow(registry.clone())));
    if role.serves_control() {
        let (ledger, metrics) = (base.ledger.clone(), Arc::clone(&base.control_metrics));
        let (interval, stopped) = (config.settlement.interval, stop.subscribe());
        watchers.push(tokio::spawn(settling::run(ledger, registry.clone(), metrics, interval, stopped)));
    }
    database
}

/// Systemd hears that we serve, and that we end; not where another one takes over: to it we are still the same.
async fn tell(shutdown: Shutdown, successor: Arc<Successor>) {
    notify(Stage::Ready);
    shutdown.drained().await;
    if !successor.is_wanted() {
        notify(Stage::Stopping);
    }
}

/// The gateway has runtimes of its own and must not be run inside another one.
fn run_gateway(
    config: &Config,
    base: &Base,
    registry: &Registry,
    sockets: Vec<Listener>,
    networks: Option<Networks>,
) -> anyhow::Result<oneshot::Receiver<Result<(), StartError>>> {
    let (public, deposits) = networks.map(|networks| (networks.public, networks.deposits)).unzip();
    let gateway = Gateway::new(Parts {
        ledger: base.ledger.clone(),
        registry: registry.clone(),
        settings: settings::gateway(config),
        metrics: Arc::clone(&base.metrics),
        clock: Arc::new(SystemClock),
        public,
        deposits: deposits.flatten(),
    });
    let (ended, end) = oneshot::channel();
    let shutdown = base.shutdown.clone();
    let run = move || {
        // Nobody listens only where the process is going down already.
        let _ = ended.send(gateway.run(sockets, shutdown));
    };
    thread::Builder::new()
        .name("gateway-main".to_owned())
        .spawn(run)
        .context("cannot start the gateway's thread")?;
    Ok(end)
}

fn listen(socket: TcpListener, router: Router, stop: &watch::Sender<bool>) -> JoinHandle<io::Result<()>> {
    let mut stop = stop.subscribe();
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    tokio::spawn(server::serve(socket, router, stopped))
}

/// Ends when it is asked for: there is nothing to drain.
fn without_gateway(shutdown: Shutdown) -> oneshot::Receiver<Result<(), StartError>> {
    let (ended, end) = oneshot::channel();
    tokio::spawn(async move {
        shutdown.drained().await;
        // Nobody listens only where the process is going down already.
        let _ = ended.send(Ok(()));
    });
    end
}

// === impl Plane ===

impl Plane {
    fn new(base: &Base, directory: Directory) -> Self {
        let (ledger, metrics, shutdown) =
            (base.ledger.clone(), Arc::clone(&base.metrics), base.shutdown.clone());
        Self { ledger, directory, metrics, shutdown }
    }
}

impl DataPlane for Plane {
    fn is_draining(&self) -> bool {
        self.shutdown.is_draining()
    }

    fn before_scrape(&self) {
        self.metrics.refresh(&self.ledger, &self.directory, &self.shutdown);
    }
}
