//! [`Gateway`]: puts the data plane together and runs it on threads of its own until the end.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::Clock;
use ledger::Ledger;
use pingora::apps::HttpServerOptions;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use registry::Registry;
use settlement::Deposits;
use thiserror::Error;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

use crate::connection::customers::Customers;
use crate::connection::header_clock::HeaderLimit;
use crate::connection::listener::{Acceptance, Listener, OpenListener};
use crate::connection::worker::{Threads, Worker};
use crate::last_uses;
use crate::limits::{BESIDE_FIELDS_BYTES_MAX, Settings};
use crate::metrics::Metrics;
use crate::offer::currency::Currencies;
use crate::proxy::Proxy;
use crate::rail::{Public, PublicNetworks};
use crate::rate::{self, Strangers};
use crate::shutdown::Shutdown;
use crate::shutdown::drain::Drain;
use crate::snapshot::{self, Snapshot};
use crate::traffic::{Bookkeeper, Traffic};
use crate::upstream::health;

/// What the binary brings.
pub struct Parts {
    /// Where the money is.
    pub ledger: Ledger,
    /// Where catalogs and agents come from.
    pub registry: Registry,
    /// What the operator set.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// How the public networks of the settings are reached; without it none of them is offered.
    pub public: Option<PublicNetworks>,
    /// Who takes deposits; none where no public network has a treasury.
    pub deposits: Option<Deposits>,
}

/// The data plane, ready to run.
pub struct Gateway {
    parts: Parts,
}

/// Why the data plane cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The system refused a thread or a socket.
    #[error("cannot listen: {0}")]
    Listen(#[source] std::io::Error),
    /// A certificate or key cannot be used.
    #[error("cannot use the certificate or key in {path}: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

// === impl Gateway ===

impl Gateway {
    /// Takes the parts.
    #[must_use]
    pub const fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Serves until `shutdown` says so. Blocks the calling thread, which must belong to no runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing was served then.
    pub fn run(self, listeners: Vec<Listener>, shutdown: Shutdown) -> Result<(), StartError> {
        let h2c = listeners.iter().any(Listener::speaks_http2_in_clear);
        let open = listeners.into_iter().map(Listener::open).collect::<Result<Vec<_>, _>>()?;
        // Doors, health checks and reloads have threads of their own: they hold no request up. And a reload, which takes one
        // of them for as long as it makes its offers, holds no door.
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("gateway-doors").enable_all().build();
        let runtime = runtime.map_err(StartError::Listen)?;
        let threads = Threads::start(self.parts.settings.limits.workers).map_err(StartError::Listen)?;
        runtime.block_on(self.serve(open, h2c, shutdown, &threads));
        runtime.shutdown_background();
        threads.end();
        Ok(())
    }

    async fn serve(self, listeners: Vec<OpenListener>, h2c: bool, shutdown: Shutdown, threads: &Threads) {
        let mut parts = self.parts;
        let traffic = Arc::new(Traffic::default());
        let public = public(&mut parts);
        let snapshot = sell(&parts, public.as_deref(), &traffic).await;
        let Parts { registry, settings, metrics, clock, .. } = &parts;
        let (registry, metrics) = (registry.clone(), Arc::clone(metrics));
        metrics.set_queue_max(settings.limits.holds_max);
        tokio::spawn(health::watch(Arc::clone(&snapshot)));
        let nobodies = Arc::new(Strangers::of_agents(settings.limits.clients_per_address));
        tokio::spawn(rate::sweep(Arc::clone(&snapshot), public.clone(), Arc::clone(&nobodies)));
        let books = Bookkeeper::new(traffic, registry.clone(), Arc::clone(clock), Arc::clone(&metrics));
        let (end, ends) = oneshot::channel();
        let bookkeeping = tokio::spawn(books.run(ends));
        let (keys_end, keys_ends) = oneshot::channel();
        let remembering = tokio::spawn(last_uses::keep(registry.clone(), keys_ends));

        let ending = settings.shutdown;
        let connections_max = settings.limits.connections_max;
        let connections = Arc::new(Semaphore::new(connections_max));
        let customers = Customers::new(&settings.limits);
        let handshake_timeout = settings.limits.handshake_timeout;
        let header_limit = HeaderLimit {
            time: settings.limits.client_header_timeout,
            bytes: settings.limits.header_bytes_max.saturating_add(BESIDE_FIELDS_BYTES_MAX),
        };
        let read_timeout = settings.limits.client_read_timeout;
        let idle_timeout = settings.limits.client_idle_timeout;
        let conf = Arc::new(server_conf(settings, threads.count()));
        let proxy = Proxy::new(parts, public, nobodies, snapshot, shutdown.clone());
        let mut options = HttpServerOptions::default();
        options.h2c = h2c;
        options.h2_idle_timeout = Some(idle_timeout);
        let worker = |runtime: &Handle| {
            let mut http = HttpProxy::new(proxy.clone(), Arc::clone(&conf));
            http.server_options = Some(options.clone());
            http.handle_init_modules();
            Arc::new(Worker::new(runtime.clone(), http))
        };
        let workers: Arc<[_]> = threads.handles().map(worker).collect();

        let acceptance = Acceptance {
            workers: Arc::clone(&workers),
            connections: Arc::clone(&connections),
            customers,
            handshake_timeout,
            header_limit,
            read_timeout,
            shutdown: shutdown.clone(),
            metrics,
        };
        let doors = listeners.into_iter().map(|listener| tokio::spawn(listener.accept(acceptance.clone())));
        let doors = doors.collect();
        let drain = Drain { shutdown, settings: ending, workers, doors, connections, connections_max };
        drain.finish().await;
        registry.serves_no_more();
        drop((end, keys_end));
        // They end by themselves, soon; what they could not hand in is lost, and only counts and times of use were.
        let _ = tokio::join!(bookkeeping, remembering);
    }
}

/// What is risked on public networks, counted from now on; none where no payments are taken there.
fn public(parts: &mut Parts) -> Option<Arc<Public>> {
    let networks = parts.public.take()?;
    let public = Public::new(networks, parts.settings.limits.clients_per_address);
    let networks = public.networks.payer_unsettled_max.keys().cloned().collect();
    tokio::spawn(public.exposure.clone().follow(parts.ledger.clone(), networks));
    Some(Arc::new(public))
}

/// What is sold, from now on.
async fn sell(parts: &Parts, public: Option<&Public>, traffic: &Arc<Traffic>) -> Arc<ArcSwap<Snapshot>> {
    let Parts { ledger, registry, settings, metrics, .. } = parts;
    let currencies = match public {
        Some(public) => Currencies::new(ledger.asset(), &settings.networks)
            .giving_back(ledger)
            .settled_by(Arc::clone(&public.networks.rail))
            .with_foreign(public.networks.foreign.clone()),
        None => Currencies::new(ledger.asset(), &[]),
    };
    let catalog = registry.catalogs().borrow().clone();
    let first = Snapshot::build(catalog, ledger, &currencies, traffic, None).await;
    let snapshot = Arc::new(ArcSwap::from_pointee(first));
    tokio::spawn(snapshot::follow(
        registry.clone(),
        Arc::clone(&snapshot),
        ledger.clone(),
        currencies,
        Arc::clone(traffic),
        Arc::clone(metrics),
    ));
    snapshot
}

fn server_conf(settings: &Settings, workers: usize) -> ServerConf {
    ServerConf {
        // Each worker keeps its part.
        upstream_keepalive_pool_size: settings.limits.upstream_connections_kept_max.div_ceil(workers),
        // Pingora counts tries, not retries.
        max_retries: crate::limits::CONNECT_TRIES_MAX,
        ..ServerConf::default()
    }
}
