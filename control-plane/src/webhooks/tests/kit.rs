//! A registry, a clock that the test moves, and dispatchers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Clock, Secret, UnixMillis};
use registry::journal::{Actor, ActorKind, Filter, NewEvent, Tenant};
use registry::sequence::Reached;
use registry::webhook::{Delivery, DeliveryState};
use registry::{Database, NewWebhook, Registry, Webhook, WebhookChange};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::{CapturedBatch, Dispatcher, Members, MembersError, Parts, WebhookMetrics};
use crate::egress::{Egress, Rules};
use crate::tests::receiver::Receiver;

pub(super) const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct TestClock(AtomicI64);

/// Payments that are read out of their numbers.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) unreadable: AtomicBool,
}

pub(super) struct House {
    _files: Option<TempDir>,
    database: Database,
    pub(super) registry: Registry,
    pub(super) clock: Arc<TestClock>,
    pub(super) members: Arc<Numbers>,
    pub(super) metrics: WebhookMetrics,
    batch: AtomicU64,
    last: AtomicU64,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<()>>,
}

/// A dispatcher in a process of its own, as far as that goes: a runtime.
pub(super) struct Own(tokio::runtime::Runtime);

// === impl TestClock ===

impl TestClock {
    pub(super) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.now_ms())
    }
}

#[async_trait]
impl Members for Numbers {
    async fn captured(&self, batch: &CapturedBatch) -> Result<Vec<Value>, MembersError> {
        if self.unreadable.load(Ordering::Relaxed) {
            return Err(MembersError("the test says so".to_owned()));
        }
        Ok((batch.first_seq..=batch.last_seq).map(|seq| json!({ "seq": seq })).collect())
    }
}

// === impl House ===

impl House {
    pub(super) async fn new() -> Self {
        let mut house = Self::idle().await;
        let dispatcher = house.dispatcher(house.registry.clone());
        house.running = Some(tokio::spawn(dispatcher.run(house.stop.subscribe())));
        house
    }

    /// Without a dispatcher.
    pub(super) async fn idle() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (database, files) = match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Ok("postgres") => {
                (Database::Postgres { url: Secret::new(test_postgres::fresh_database()) }, None)
            }
            _ => {
                let files = tempfile::tempdir().unwrap();
                (Database::Sqlite { directory: files.path().to_owned() }, Some(files))
            }
        };
        let clock = Arc::new(TestClock(AtomicI64::new(jiff::Timestamp::now().as_millisecond())));
        let registry = Registry::open(&database, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        Self {
            _files: files,
            database,
            registry,
            clock,
            members: Arc::default(),
            metrics: WebhookMetrics::new(&prometheus::Registry::new()).unwrap(),
            batch: AtomicU64::new(0),
            last: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            running: None,
        }
    }

    fn dispatcher(&self, registry: Registry) -> Dispatcher {
        let rules = Rules { allow_private: true, allow_http: true };
        Dispatcher::new(Parts {
            registry,
            egress: Egress::new(rules).unwrap(),
            members: Arc::clone(&self.members) as Arc<dyn Members>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            metrics: self.metrics.clone(),
        })
        .unwrap()
    }

    /// One that can be killed: with a registry of its own, since connections die with the runtime that made them.
    pub(super) async fn dispatcher_of_its_own(&self) -> Own {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (database, clock) = (self.database.clone(), Arc::clone(&self.clock));
        let registry = runtime.spawn(async move { Registry::open(&database, clock).await.unwrap() });
        let dispatcher = self.dispatcher(registry.await.unwrap());
        runtime.spawn(dispatcher.run(self.stop.subscribe()));
        Own(runtime)
    }

    /// Money's events to this receiver, none of the house's own.
    pub(super) async fn webhook(&self, receiver: &Receiver) -> Webhook {
        let types = ["wallet.funded", "payment.captured.batch"].map(str::to_owned).to_vec();
        let new = NewWebhook {
            url: receiver.url(),
            types: Some(types),
            tenant: Tenant::default(),
            of_operator: true,
        };
        self.registry.create_webhook(&OPERATOR, new).await.unwrap()
    }

    /// Appends so many numbered events; their ids.
    pub(super) async fn events(&self, count: usize) -> Vec<String> {
        let event = |number| self.new_event("wallet.funded", Tenant::default(), json!({ "number": number }));
        let events: Vec<_> = (0..count).map(event).collect();
        let before = self.registry.last_position().await.unwrap();
        self.append(&events).await;
        let mut ids = Vec::new();
        let mut position = before;
        while ids.len() < count {
            let page = self.registry.events_after(position, 1_000, &Filter::default()).await.unwrap();
            position = page.last().unwrap().position;
            let numbered = page.iter().filter(|event| event.kind == "wallet.funded");
            ids.extend(numbered.map(|event| event.id.to_string()));
        }
        ids
    }

    pub(super) async fn event(&self, kind: &'static str, tenant: Tenant, data: Value) {
        self.append(&[self.new_event(kind, tenant, data)]).await;
    }

    /// The position of the last event that a test appended.
    pub(super) fn last_event(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    fn new_event(&self, kind: &'static str, tenant: Tenant, data: Value) -> NewEvent {
        let at = UnixMillis(1_800_000_000_000);
        NewEvent { kind, at, tenant, subject: "wal_x".to_owned(), data }
    }

    async fn append(&self, events: &[NewEvent]) {
        let batch = self.batch.fetch_add(1, Ordering::Relaxed);
        let (from, to) = (Reached { batch, seq: 0 }, Reached { batch: batch + 1, seq: 0 });
        let events: Vec<_> = events.iter().cloned().map(|event| (event, None)).collect();
        assert!(self.registry.advance((from, to), &events, &[]).await.unwrap());
        self.last.store(self.registry.last_position().await.unwrap(), Ordering::Relaxed);
    }

    /// Moves the clock and has a receiver's task look at it.
    pub(super) async fn later(&self, webhook: &Webhook, millis: i64) {
        self.clock.advance(millis);
        self.registry.update_webhook(&OPERATOR, webhook.id, WebhookChange::default()).await.unwrap();
    }

    /// Waits for so many deliveries of a state, and gives them.
    pub(super) async fn settled(
        &self,
        webhook: &Webhook,
        state: DeliveryState,
        count: usize,
    ) -> Vec<Delivery> {
        self.until(async || self.rows(webhook, state).await.len() >= count).await;
        self.rows(webhook, state).await
    }

    /// Waits until the newest delivery was tried so often.
    pub(super) async fn attempted(&self, webhook: &Webhook, attempts: usize) {
        self.until(async || {
            let rows = self.registry.deliveries(webhook.id, None, None, 1).await.unwrap();
            rows.first().is_some_and(|row| row.attempts as usize >= attempts)
        })
        .await;
    }

    /// Waits until a receiver was told everything that could be told at this time. An attempt that was under way when the
    /// clock was moved may fail only now, and then pauses by the new time: the clock goes on until the pauses are over.
    pub(super) async fn idle_until_due(&self, webhook: &Webhook) {
        self.until(async || {
            let (due, _) = self.registry.pending(webhook.id, 1).await.unwrap();
            let position = self.registry.webhook(webhook.id).await.unwrap().unwrap().position;
            let is_idle = position >= self.last_event() && due.is_none_or(|due| due.0 > self.clock.now_ms());
            if !is_idle {
                self.later(webhook, super::super::pace::PAUSE_MS_MAX).await;
            }
            is_idle
        })
        .await;
    }

    async fn rows(&self, webhook: &Webhook, state: DeliveryState) -> Vec<Delivery> {
        self.registry.deliveries(webhook.id, Some(state), None, 1_000).await.unwrap()
    }

    /// Waits until it is so; fails after a minute.
    pub(super) async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "it did not come to pass");
    }

    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        if let Some(running) = self.running {
            running.await.unwrap();
        }
        self.registry.close().await;
    }
}

// === impl Own ===

impl Own {
    /// Nothing of it runs on.
    pub(super) fn kill(self) {
        self.0.shutdown_background();
    }
}
