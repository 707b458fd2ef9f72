//! [`Networks`]: from `[[networks]]` to what the gateway asks of public networks, and the tasks that work for it: whoever follows the
//! chains, whoever sends our own transactions, whoever closes what is open in the books, and whoever sends what leaves our treasury.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use gateway::PublicNetworks;
use http::{HeaderMap, HeaderName, HeaderValue};
use ledger::Ledger;
use prometheus::register_int_gauge_with_registry;
use registry::config::network::{FacilitatorSettings, ForeignSettings, NetworkSettings, SettlerSettings};
use registry::{Config, Registry};
use settlement::chain::{Chain, Nodes};
use settlement::comparison::Chains;
use settlement::facilitator::{Configuration, Facilitator, Headers};
use settlement::foreign::{Foreign, ForeignLine, Witness, resolver};
use settlement::outgoing::{Outlet, Sender};
use settlement::rail::{Line, Member, Pool, RailObserver, Settler, Share, Unobserved};
use settlement::reconciler::{Bounds, Reconciler};
use settlement::{Deposits, Rail, comparison, deposits, returns};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::elsewhere;
use crate::service::duty::{COLLECT, COMPARE, duty};
use crate::service::outgoing_metrics::OutgoingMetrics;
use crate::service::outlets;
use crate::service::own_settler;
use crate::service::rail_metrics::RailMetrics;

/// How long one node may take.
const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the chains are looked at.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// How often the books are looked at for payers that other processes found not to have paid.
const HEAR_EVERY: Duration = Duration::from_secs(2);

/// How often the books are looked at for what is open.
const RECONCILE_EVERY: Duration = Duration::from_millis(500);

/// How often nodes are looked at for payments of which nobody knows, where those nodes say nothing else.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// How often the books are looked at for what is to leave our treasury.
const SEND_EVERY: Duration = Duration::from_millis(500);

/// How often is looked for what moved first and was never delivered.
const RETURN_EVERY: Duration = Duration::from_secs(1);

/// How often the books are compared with the chains.
const COMPARE_EVERY: Duration = Duration::from_secs(3600);

/// How long a settlement that the chain does not show yet is looked for, and how often.
const LOOKED_FOR: (Duration, Duration) = (Duration::from_secs(20), Duration::from_millis(250));

/// Settlements of one payer at once, and how long more of them wait.
const PAYER: Share = Share { running_max: 64, wait_max: Duration::from_secs(10) };

/// How long a settlement waits for a place at a facilitator.
const FACILITATOR_WAIT_MAX: Duration = Duration::from_secs(10);

/// Open payments that are looked after at once.
const BOUNDS: Bounds = Bounds { running_max: 2_048, due_max: 2_048 };

/// Public networks, as they are used.
pub(super) struct Networks {
    pub(super) public: PublicNetworks,
    /// None where no network has a treasury.
    pub(super) deposits: Option<Deposits>,
    pub(super) chains: Chains,
}

// === impl Networks ===

impl Networks {
    /// Starts what works for them; none where the file names none. Whatever it starts ends with `stop`.
    ///
    /// # Errors
    /// A key or an address that cannot be used, a system without TLS, or books that cannot be read.
    pub(super) async fn start(
        config: &Config,
        ledger: &Ledger,
        registry: &Registry,
        prometheus: &prometheus::Registry,
        stop: &watch::Sender<bool>,
        tasks: &mut Vec<JoinHandle<()>>,
    ) -> anyhow::Result<Option<Self>> {
        warn_of_others(config, ledger, prometheus).await.context("what is open on public networks")?;
        if config.networks.is_empty() && config.foreign.is_empty() {
            // What was paid on networks that the file does not name any more is not forgotten either.
            let returning =
                returns::run(ledger.clone(), Arc::new(Unobserved), RETURN_EVERY, stop.subscribe());
            tasks.push(tokio::spawn(returning));
            return Ok(None);
        }
        for warning in outlets::warnings(config) {
            tracing::warn!("{warning}");
        }
        let (mut lines, mut outlets) = (Vec::new(), Vec::new());
        for settings in config.networks.iter() {
            let settled = line(settings, config.limits.clients_per_address, ledger, registry, stop, tasks);
            let (line, settler) = settled.with_context(|| settings.network.id.to_string())?;
            lines.push(line);
            let is_open = ledger.outlet(&settings.network.id).is_some();
            outlets.extend(settler.filter(|_| is_open));
        }
        let leaving = outlets.iter().map(|outlet: &Outlet| &*outlet.network);
        let leaving = Arc::new(OutgoingMetrics::new(prometheus, leaving)?);
        let sender = Sender::new(ledger.clone(), outlets, leaving);
        tasks.push(tokio::spawn(sender.run(SEND_EVERY, stop.subscribe())));
        let observer = Arc::new(RailMetrics::new(prometheus, &config.networks, &config.foreign)?);
        let foreign = foreign(config, ledger, &observer, stop, tasks)?;
        let returning = returns::run(ledger.clone(), observer.clone(), RETURN_EVERY, stop.subscribe());
        let rail = Rail::new(lines, PAYER, Arc::new(SystemClock), observer);
        rail.remember(ledger).await.context("who did not pay before")?;
        if ledger.is_one_of_several() {
            let hearing = rail.clone().hear_of_debtors(ledger.clone(), HEAR_EVERY, stop.subscribe());
            tasks.push(tokio::spawn(hearing));
        }
        tasks.push(tokio::spawn(rail.clone().follow(FOLLOW_EVERY, stop.subscribe())));
        let (collecting, comparing) = (duty(COLLECT, ledger, registry)?, duty(COMPARE, ledger, registry)?);
        let reconciler = Reconciler::new(ledger.clone(), rail.clone(), BOUNDS, collecting);
        tasks.push(tokio::spawn(reconciler.run(RECONCILE_EVERY, stop.subscribe())));
        let (books, chains) = (ledger.clone(), rail.clone());
        let comparing = comparison::run(books, chains, comparing, COMPARE_EVERY, stop.subscribe());
        tasks.push(tokio::spawn(comparing));
        tasks.push(tokio::spawn(returning));
        let most =
            |settings: &NetworkSettings| (Arc::clone(&settings.network.id), settings.payer_unsettled_max);
        let others =
            config.foreign.iter().map(|other| (Arc::clone(&other.network.id), other.payer_unsettled_max));
        let payer_unsettled_max = config.networks.iter().map(most).chain(others).collect();
        let bounds = deposits::Bounds { least: config.deposits.amount_min, most: config.deposits.amount_max };
        let deposits = Deposits::new(ledger.clone(), rail.clone(), bounds);
        let chains = rail.chains();
        let public = PublicNetworks { rail: Arc::new(rail), payer_unsettled_max, foreign };
        Ok(Some(Self { public, deposits, chains }))
    }
}

/// Says where payments are open that nobody looks after: on networks that the file does not name, or not any more.
async fn warn_of_others(
    config: &Config,
    ledger: &Ledger,
    prometheus: &prometheus::Registry,
) -> anyhow::Result<()> {
    let open = ledger.open_on().await?;
    for warning in elsewhere::warnings(config, &open) {
        tracing::warn!("{warning}");
    }
    let counted = register_int_gauge_with_registry!(
        "faregate_chain_payments_elsewhere",
        "Payments that were open at the start on public networks which the file does not name: nobody settles them.",
        prometheus
    )?;
    counted.set(elsewhere::payments(config, &open));
    Ok(())
}

/// A network as payments are settled on it, and how money leaves our treasury there, where we settle by ourselves.
fn line(
    settings: &NetworkSettings,
    clients_per_address: NonZeroU32,
    ledger: &Ledger,
    registry: &Registry,
    stop: &watch::Sender<bool>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<(Line, Option<Outlet>)> {
    let chain = chain(settings)?;
    let mut outlet = None;
    let settler = match &settings.settler {
        SettlerSettings::Facilitators(all) => {
            let members = all.iter().map(member).collect::<anyhow::Result<_>>()?;
            Settler::Facilitators(Pool::new(members, FACILITATOR_WAIT_MAX))
        }
        SettlerSettings::Evm(evm) => {
            let (settler, own) = own_settler::start(settings, evm, &chain, ledger, registry, stop, tasks)?;
            let (network, chain) = (Arc::clone(&settings.network.id), Arc::clone(&chain));
            outlet = Some(Outlet { network, chain, settler: own });
            Settler::Evm(settler)
        }
    };
    let line = Line::new(settings.network.clone(), chain, settler, LOOKED_FOR);
    Ok((line.behind_each_address(clients_per_address), outlet))
}

/// Non-EVM networks, and who asks again there for what nobody knows; none where there are none.
fn foreign(
    config: &Config,
    ledger: &Ledger,
    observer: &Arc<RailMetrics>,
    stop: &watch::Sender<bool>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<Option<Foreign>> {
    if config.foreign.is_empty() {
        return Ok(None);
    }
    let line = |settings: &ForeignSettings| {
        let member = member(&settings.facilitator).with_context(|| settings.network.id.to_string())?;
        let line = ForeignLine::new(settings.network.clone(), member, FACILITATOR_WAIT_MAX)
            .behind_each_address(config.limits.clients_per_address);
        Ok(match witness(settings)? {
            Some(witness) => line.seen_by(witness),
            None => line,
        })
    };
    let lines = config.foreign.iter().map(line).collect::<anyhow::Result<_>>()?;
    let observer = Arc::clone(observer) as Arc<dyn RailObserver>;
    let foreign = Foreign::new(lines, ledger.clone(), Arc::new(SystemClock), observer);
    tasks.push(tokio::spawn(foreign.clone().follow(FOLLOW_EVERY, stop.subscribe())));
    let resolving = resolver::run(foreign.clone(), RECONCILE_EVERY, stop.subscribe());
    tasks.push(tokio::spawn(resolving));
    tasks.push(tokio::spawn(resolver::watch(foreign.clone(), WATCH_EVERY, stop.subscribe())));
    Ok(Some(foreign))
}

/// The nodes of a non-EVM network; none where the file names none.
///
/// # Errors
/// A system without TLS.
pub(crate) fn witness(settings: &ForeignSettings) -> anyhow::Result<Option<Witness>> {
    if settings.nodes.is_empty() {
        return Ok(None);
    }
    let urls = settings.nodes.iter().map(|url| url.expose().to_owned()).collect();
    let (_, reference) = settings.network.id.split_once(':').context("the network has no reference")?;
    Ok(Some(Witness::new(Nodes::new(urls, NODE_TIMEOUT)?.of_genesis(reference))))
}

/// A network by its nodes.
///
/// # Errors
/// A system without TLS.
pub(crate) fn chain(settings: &NetworkSettings) -> anyhow::Result<Arc<Chain>> {
    let urls = settings.nodes.iter().map(|url| url.expose().to_owned()).collect();
    let token = settings.network.tokens.first().context("the network has no token")?;
    let nodes = Nodes::new(urls, NODE_TIMEOUT)?.of_chain(token.asset.chain_id);
    Ok(Arc::new(Chain::new(nodes, settings.confirmations)))
}

fn member(settings: &FacilitatorSettings) -> anyhow::Result<Member> {
    let facilitator = facilitator(settings)?;
    let name = Arc::from(&*settings.url);
    Ok(Member { name, facilitator, weight: settings.weight, running_max: settings.running_max })
}

/// A facilitator, with the fields that it wants.
///
/// # Errors
/// A system without TLS, or a field that cannot be sent.
pub(crate) fn facilitator(settings: &FacilitatorSettings) -> anyhow::Result<Facilitator> {
    let headers = Headers {
        verify: fields(&settings.verify_headers)?,
        settle: fields(&settings.settle_headers)?,
        supported: fields(&settings.supported_headers)?,
    };
    Ok(Facilitator::new(Configuration {
        url: settings.url.clone(),
        headers,
        verify_timeout: settings.verify_timeout,
        settle_timeout: settings.settle_timeout,
    })?)
}

fn fields(named: &[(String, domain::Secret)]) -> anyhow::Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    for (name, value) in named {
        let mut value = HeaderValue::from_str(value.expose()).context("a field of a facilitator")?;
        value.set_sensitive(true);
        fields.append(HeaderName::try_from(name)?, value);
    }
    Ok(fields)
}
