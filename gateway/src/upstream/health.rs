//! The one long-lived task that looks after all upstreams: resolves their names, asks how they are.
//!
//! It walks the pools of the snapshot in force, so that an upstream added by a reload is looked after without
//! a service of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use domain::catalog::HealthCheck;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::snapshot::Snapshot;
use crate::upstream::pool::Pool;

/// How often the task looks whether something is due.
const TICK: Duration = Duration::from_millis(250);

/// How often names are asked for again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(10);

/// The same where one of an upstream's names leads nowhere: one that comes back is found soon (case D14).
const RESOLVE_MISSING_INTERVAL: Duration = Duration::from_secs(4);

/// Until a question counts as unanswered.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks after the pools until the runtime ends.
pub(crate) async fn watch(snapshot: Arc<ArcSwap<Snapshot>>) {
    let mut due: HashMap<usize, Due> = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let current = snapshot.load_full();
        let now = Instant::now();
        let mut seen = HashMap::with_capacity(due.len());
        for pool in current.pools() {
            let identity = Arc::as_ptr(pool) as usize;
            let mut times = due.remove(&identity).unwrap_or_else(|| Due::new(pool, now));
            // Each question takes a thread until it is answered: a name server that is silent must not take them all.
            if times.resolve <= now && times.resolving.as_ref().is_none_or(JoinHandle::is_finished) {
                times.resolve = now + resolve_interval(pool);
                times.resolving = Some(tokio::spawn(resolve(Arc::clone(pool))));
            }
            if let Some(check) = pool.upstream().health.clone().filter(|_| times.question <= now) {
                times.question = now + check.interval;
                tokio::spawn(question(Arc::clone(pool), check));
            }
            seen.insert(identity, times);
        }
        due = seen;
    }
}

/// When a pool is looked at next.
struct Due {
    resolve: Instant,
    /// The last time that its names were asked for.
    resolving: Option<JoinHandle<()>>,
    question: Instant,
    /// Keeps the pool, and with it its address in memory, which is its name here.
    _pool: Arc<Pool>,
}

// === impl Due ===

impl Due {
    fn new(pool: &Arc<Pool>, now: Instant) -> Self {
        let resolve = now + resolve_interval(pool);
        Self { resolve, resolving: None, question: now, _pool: Arc::clone(pool) }
    }
}

/// Until the names of a pool are asked for again.
pub(crate) fn resolve_interval(pool: &Pool) -> Duration {
    let is_found = pool.members().iter().all(|member| member.first().is_some());
    if is_found { RESOLVE_INTERVAL } else { RESOLVE_MISSING_INTERVAL }
}

/// Resolves all names of a pool.
pub(crate) async fn resolve(pool: Arc<Pool>) {
    for member in pool.members() {
        member.resolve().await;
    }
}

async fn question(pool: Arc<Pool>, check: HealthCheck) {
    for member in pool.members() {
        let Some(address) = member.first() else { continue };
        let answer = tokio::time::timeout(QUESTION_TIMEOUT, is_well(&pool, &check, address)).await;
        member.set_healthy(answer.unwrap_or(false));
    }
}

/// A TCP connection where no path is set; else a GET that answers 2xx, over the same TLS as requests use.
async fn is_well(pool: &Pool, check: &HealthCheck, address: SocketAddr) -> bool {
    let Some(path) = &check.path else {
        return TcpStream::connect(address).await.is_ok();
    };
    match ask(pool, path, address).await {
        Ok(status) => (200..300).contains(&status),
        Err(error) => {
            tracing::debug!(%error, %address, "health check failed");
            false
        }
    }
}

async fn ask(pool: &Pool, path: &str, address: SocketAddr) -> pingora::Result<u16> {
    let upstream = pool.upstream();
    let peer = pool.peer(address);
    let connector: pingora::connectors::http::Connector = pingora::connectors::http::Connector::new(None);
    let (mut session, _) = connector.get_http_session(&peer).await?;
    let mut request = pingora::http::RequestHeader::build("GET", path.as_bytes(), None)?;
    let host = upstream.host.clone().or_else(|| upstream.addresses.first().map(|first| first.host.clone()));
    request.insert_header("host", host.unwrap_or_default())?;
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    Ok(session.response_header().map_or(0, |header| header.status.as_u16()))
}
