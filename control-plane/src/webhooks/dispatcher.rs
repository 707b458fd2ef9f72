//! [`Dispatcher`]: one task for each receiver that is sent to, woken when the log has something for it.
//!
//! It follows the log and the list of receivers, and sends nothing itself: a receiver that hangs holds up its own task.
//! Several processes on one database may run one each; the receiver's row says whose turn it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Clock, UnixMillis, WebhookId};
use registry::journal::{Event, Filter, PAGE_MAX};
use registry::{Registry, RegistryError, Webhook};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::message::Members;
use super::metrics::WebhookMetrics;
use super::send::Sending;
use super::worker::{Handle, Worker};
use crate::egress::Egress;

/// How often the log is asked for what other processes wrote.
const POLL: Duration = Duration::from_millis(250);

/// How often the list of receivers is read again, whatever the log says, and gauges are set.
const REFRESH: Duration = Duration::from_secs(5);

/// How long attempts may take to end when the process does.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What it works with.
pub struct Parts {
    /// Where receivers and events are.
    pub registry: Registry,
    /// The way out.
    pub egress: Egress,
    /// What reads the payments of an event.
    pub members: Arc<dyn Members>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: WebhookMetrics,
}

/// Sends what there is to send, as long as it runs.
pub struct Dispatcher {
    sending: Arc<Sending>,
    workers: HashMap<WebhookId, Running>,
    /// The log was followed up to here; none before the first look.
    seen: Option<u64>,
    /// The list of receivers may have changed.
    is_stale: bool,
    refreshed_at: Instant,
}

struct Running {
    webhook: Webhook,
    handle: Arc<Handle>,
    task: Task,
}

/// Cut off when dropped: nobody sends whom nobody could stop.
struct Task(JoinHandle<()>);

// === impl Dispatcher ===

impl Dispatcher {
    /// One for this process.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(parts: Parts) -> Result<Self, getrandom::Error> {
        let Parts { registry, egress, members, clock, metrics } = parts;
        let mut sender = [0; 16];
        getrandom::fill(&mut sender)?;
        let bodies = Sending::bodies();
        let sending = Sending { registry, egress, members, clock, metrics, sender, bodies };
        Ok(Self {
            sending: Arc::new(sending),
            workers: HashMap::new(),
            seen: None,
            is_stale: true,
            refreshed_at: Instant::now(),
        })
    }

    /// Until `stop` is true; then attempts that are under way have a moment to end.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut positions = self.sending.registry.positions();
        while !*stop.borrow_and_update() {
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "the log of events cannot be followed");
            }
            tokio::select! {
                // An error is the end of the other side: the poll goes on.
                changed = positions.changed() => if changed.is_err() { tokio::time::sleep(POLL).await },
                () = tokio::time::sleep(POLL) => (),
                ended = stop.changed() => if ended.is_err() { break },
            }
        }
        self.end().await;
    }

    /// Wakes those that the log has something for, and starts and ends tasks.
    async fn follow(&mut self) -> Result<(), RegistryError> {
        let registry = self.sending.registry.clone();
        // Before the first look nobody runs yet, and each task looks for itself when it starts.
        let mut seen = match self.seen {
            Some(seen) => seen,
            None => registry.last_position().await?,
        };
        self.seen = Some(seen);
        loop {
            let events = registry.events_after(seen, PAGE_MAX, &Filter::default()).await?;
            let Some(last) = events.last().map(|event| event.position) else { break };
            events.iter().for_each(|event| self.wake(event));
            seen = last;
            self.seen = Some(seen);
            if events.len() < PAGE_MAX as usize {
                break;
            }
        }
        if self.is_stale || self.refreshed_at.elapsed() >= REFRESH {
            self.refresh().await?;
        }
        Ok(())
    }

    fn wake(&mut self, event: &Event) {
        let about_one = event.kind.starts_with("webhook.");
        self.is_stale |= about_one;
        for (id, running) in &self.workers {
            if running.webhook.hears(&event.kind, &event.tenant)
                || (about_one && event.subject == id.to_string())
            {
                running.handle.wake.notify_one();
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), RegistryError> {
        let webhooks = self.sending.registry.enabled_webhooks().await?;
        (self.is_stale, self.refreshed_at) = (false, Instant::now());
        let mut before = std::mem::take(&mut self.workers);
        for webhook in webhooks {
            let known = before.remove(&webhook.id).filter(|running| !running.task.0.is_finished());
            let running = match known {
                Some(running) => Running { webhook, ..running },
                None => self.start(webhook),
            };
            self.workers.insert(running.webhook.id, running);
        }
        // What is left of them is disabled or gone: dropped, and cut off.
        drop(before);
        self.measure().await
    }

    fn start(&self, webhook: Webhook) -> Running {
        let handle = Arc::new(Handle::default());
        let worker = Worker::new(Arc::clone(&self.sending), webhook.id, Arc::clone(&handle));
        Running { webhook, handle, task: Task(tokio::spawn(worker.run())) }
    }

    async fn measure(&self) -> Result<(), RegistryError> {
        let rows = self.sending.registry.webhook_backlog().await?;
        let now = self.sending.clock.now();
        let handles = self.workers.values().map(|running| &running.handle);
        let (mut behind, mut oldest) = (0_i64, rows.due);
        for handle in handles {
            behind = behind.saturating_add(handle.behind.load(Ordering::Relaxed));
            let happened = Some(UnixMillis(handle.oldest.load(Ordering::Relaxed))).filter(|at| at.0 > 0);
            oldest = [oldest, happened].into_iter().flatten().min();
        }
        let metrics = &self.sending.metrics;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.backlog.set(behind.saturating_add(count(rows.pending)));
        metrics.dead.set(count(rows.dead));
        let late = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0).max(0));
        metrics.oldest_seconds.set(late / 1000);
        Ok(())
    }

    async fn end(self) {
        for running in self.workers.values() {
            running.handle.stop.store(true, Ordering::Relaxed);
            running.handle.wake.notify_one();
        }
        let deadline = Instant::now() + STOP_MAX;
        for mut running in self.workers.into_values() {
            if tokio::time::timeout_at(deadline, &mut running.task.0).await.is_ok() {
                continue;
            }
            let id = running.webhook.id;
            tracing::info!(webhook.id = %id, "deliveries were cut off");
            running.task.0.abort();
            // Cancelled, or it ended just now: in both cases it sends no more.
            let _ = (&mut running.task.0).await;
            // What was cut off is sent again by whoever comes next, who need not wait for the end of our turn.
            if let Err(error) = self.sending.registry.end_turn(id, &self.sending.sender).await {
                tracing::warn!(webhook.id = %id, %error, "the next sender waits for the end of our turn");
            }
        }
    }
}

// === impl Task ===

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}
