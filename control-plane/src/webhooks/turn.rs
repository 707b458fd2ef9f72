//! [`Turn`]: a receiver's deliveries, one after the other and some at once, as long as there are any.
//!
//! Events are read behind the position, sent, and their outcomes written many at a time. The position never passes an event that has
//! neither arrived nor a row: a crash between sending and writing sends again, under the same id (case W3). One that takes
//! long gets a row meanwhile, so that it holds up nobody.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::UnixMillis;
use registry::journal::Event;
use registry::webhook::queue::{DeliveryOutcomes, Due, Standing};
use registry::webhook::{Delivery, DeliveryState};
use registry::{RegistryError, Webhook};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pace::Pace;
use super::send::{Address, End, Sending};
use super::worker::Handle;

/// How long nobody else sends for the receiver, in milliseconds. It is lengthened each time outcomes are written.
pub(super) const TURN_MS: i64 = 60_000;

/// Events and rows that are read at once: what one receiver may cost in memory.
const READ_MAX: u32 = 128;

/// Outcomes that are written together at most, and after how long at the latest.
const RECORD_MAX: usize = 128;
const RECORD_AFTER: Duration = Duration::from_millis(100);

/// How long an attempt may hold up the position; it then gets a row, due after the turn would be over.
const HOLD_UP: Duration = Duration::from_secs(1);
const CLAIM_MS: i64 = TURN_MS;

/// The turn is lengthened at least this often while attempts are under way.
const RENEW_AFTER: Duration = Duration::from_secs(5);

/// When it is looked again whether there is room for a body, in milliseconds.
const CROWDED_MS: i64 = 2_000;

/// Rows to be tried again, above which no new event is begun: they wait in the log, where they cost nothing.
pub(super) const PENDING_MAX: u32 = 100_000;

/// How far the log goes on without anything for a receiver before its position follows.
pub(super) const LAG_MAX: u64 = 1_000;

/// One attempt to be made.
struct Item {
    event: Arc<Event>,
    attempts: u32,
    /// Read behind the position: it has no row.
    fresh: bool,
}

/// One that is under way.
struct Flying {
    item: Item,
    since: Instant,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is to be sent now.
    Done,
    /// The receiver is left alone until then.
    Paused(UnixMillis),
    /// Nothing is sent to it any more.
    Disabled,
    /// Somebody moved its position, changed what it hears of, or took the turn.
    Lost,
    /// This process ends.
    Stopped,
}

pub(super) struct Turn<'a> {
    sending: &'a Arc<Sending>,
    handle: &'a Handle,
    pace: &'a mut Pace,
    webhook: Webhook,
    address: Arc<Address>,
    /// To be sent, in order.
    queue: VecDeque<Item>,
    attempts: JoinSet<(Delivery, End)>,
    flying: HashMap<u64, Flying>,
    /// Rows that are taken: due until their outcomes are written.
    taken: HashSet<u64>,
    /// Ended, and not written yet.
    ended: Vec<(Delivery, End)>,
    /// How far the log was read.
    read_to: u64,
    /// Nothing was found behind it.
    is_read: bool,
    /// Rows to be tried again, as far as is known here.
    pending: u32,
    recorded_at: Instant,
}

// === impl Turn ===

impl<'a> Turn<'a> {
    pub(super) fn new(
        sending: &'a Arc<Sending>,
        handle: &'a Handle,
        pace: &'a mut Pace,
        webhook: Webhook,
        pending: u32,
    ) -> Self {
        let (address, read_to) = (Arc::new(Address::new(&webhook, sending)), webhook.position);
        Self {
            sending,
            handle,
            pace,
            webhook,
            address,
            queue: VecDeque::new(),
            attempts: JoinSet::new(),
            flying: HashMap::new(),
            taken: HashSet::new(),
            ended: Vec::new(),
            read_to,
            is_read: false,
            pending,
            recorded_at: Instant::now(),
        }
    }

    /// Sends until nothing is left. What is under way when it returns early is cut off, and sent again by the next turn.
    pub(super) async fn run(mut self) -> Result<Ended, RegistryError> {
        loop {
            let now = self.sending.clock.now();
            let stopping = self.handle.stop.load(Ordering::Relaxed);
            if !stopping && self.pace.room(now) > self.attempts.len() {
                self.read().await?;
                self.tell();
                self.launch(now);
            }
            if self.must_record() {
                match self.record().await? {
                    Standing::Kept(webhook) => self.go_on(*webhook),
                    Standing::Disabled(_) => return Ok(Ended::Disabled),
                    Standing::Lost => return Ok(Ended::Lost),
                }
                continue;
            }
            if self.attempts.is_empty() {
                return Ok(match self.pace.paused_until(now) {
                    _ if stopping => Ended::Stopped,
                    Some(until) => Ended::Paused(until),
                    // Other receivers of its keeper have all the room.
                    None if !self.queue.is_empty() => Ended::Paused(now.plus(CROWDED_MS)),
                    None => Ended::Done,
                });
            }
            tokio::select! {
                Some(ended) = self.attempts.join_next() => self.end(ended),
                () = tokio::time::sleep(RECORD_AFTER) => (),
                () = self.handle.wake.notified() => self.is_read = false,
            }
        }
    }

    /// Reads what comes next where little is left: rows first, they have waited.
    async fn read(&mut self) -> Result<(), RegistryError> {
        if self.is_read || !self.queue.is_empty() {
            return Ok(());
        }
        let (registry, id) = (&self.sending.registry, self.webhook.id);
        let limit = READ_MAX.saturating_add(u32::try_from(self.taken.len()).unwrap_or(u32::MAX));
        for Due { delivery, event } in registry.due(id, self.sending.clock.now(), limit).await? {
            if !self.taken.insert(delivery.position) {
                continue;
            }
            match event {
                Some(event) => self.queue.push_back(Item {
                    event: Arc::new(event),
                    attempts: delivery.attempts,
                    fresh: false,
                }),
                None => self.ended.push((too_old(delivery, self.sending.clock.now()), End::Unsent)),
            }
        }
        let mut more = false;
        if self.pending < PENDING_MAX {
            let stretch = registry.stretch(&self.webhook, self.read_to, READ_MAX).await?;
            (self.read_to, more) = (stretch.end, stretch.more);
            let fresh = stretch.events.into_iter().filter(|event| !self.flying.contains_key(&event.position));
            let fresh = fresh.map(|event| Item { event: Arc::new(event), attempts: 0, fresh: true });
            self.queue.extend(fresh);
        }
        self.is_read = self.queue.is_empty() && !more;
        Ok(())
    }

    /// How much waits, for whoever counts.
    fn tell(&self) {
        let last = *self.sending.registry.positions().borrow();
        let oldest = self.queue.front().map(|item| item.event.at);
        let behind = oldest.map_or(0, |_| last.saturating_sub(self.webhook.position).max(1));
        self.handle.waiting(behind, oldest);
    }

    fn launch(&mut self, now: UnixMillis) {
        while self.attempts.len() < self.pace.room(now) {
            let Some(item) = self.queue.front() else { return };
            let Some(room) = self.sending.room(&self.webhook, &item.event) else { return };
            let Some(item) = self.queue.pop_front() else { return };
            let (sending, address) = (Arc::clone(self.sending), Arc::clone(&self.address));
            let (event, attempts) = (Arc::clone(&item.event), item.attempts);
            self.flying.insert(item.event.position, Flying { item, since: Instant::now() });
            self.attempts.spawn(async move {
                let ended = sending.attempt(&address, &event, attempts).await;
                drop(room);
                ended
            });
        }
    }

    fn end(&mut self, ended: Result<(Delivery, End), tokio::task::JoinError>) {
        // A task that panicked left its event without an end: the turn cannot say what became of it.
        let Ok((delivery, end)) = ended else { return };
        match end {
            End::Delivered => self.pace.delivered(),
            End::Failed | End::Gone => self.pace.failed(self.sending.clock.now()),
            End::Unsent => (),
        }
        self.flying.remove(&delivery.position);
        self.ended.push((delivery, end));
    }

    fn must_record(&self) -> bool {
        let waited = self.recorded_at.elapsed();
        let idle = self.attempts.is_empty();
        // Else each look would begin where the last one did, and go through more each time.
        let lags =
            idle && self.queue.is_empty() && self.read_to.saturating_sub(self.webhook.position) >= LAG_MAX;
        self.ended.len() >= RECORD_MAX
            || (!self.ended.is_empty() && (idle || waited >= RECORD_AFTER))
            || (!idle && waited >= RENEW_AFTER)
            || lags
    }

    async fn record(&mut self) -> Result<Standing, RegistryError> {
        let mut rows: Vec<Delivery> = self.ended.iter().map(|(delivery, _)| delivery.clone()).collect();
        let claimed = self.sending.clock.now().plus(CLAIM_MS);
        for flying in self.flying.values_mut() {
            if flying.item.fresh && flying.since.elapsed() >= HOLD_UP {
                flying.item.fresh = false;
                rows.push(flying.item.claim(claimed));
                self.pending += 1;
            }
        }
        let queued = self.queue.iter().filter(|item| item.fresh).map(|item| item.event.position);
        let under_way =
            self.flying.values().filter(|flying| flying.item.fresh).map(|flying| flying.item.event.position);
        let first = queued.chain(under_way).min();
        let to = first.map_or(self.read_to, |first| first.saturating_sub(1)).max(self.webhook.position);
        let has = |wanted: &[End]| self.ended.iter().any(|(_, end)| wanted.contains(end));
        let outcomes = DeliveryOutcomes {
            from: self.webhook.position,
            to,
            types: self.webhook.types.as_deref(),
            deliveries: &rows,
            delivered: has(&[End::Delivered]),
            failed: has(&[End::Failed, End::Gone]),
            gone: has(&[End::Gone]),
            turn_ms: TURN_MS,
        };
        self.sending.registry.record_deliveries(self.webhook.id, &self.sending.sender, &outcomes).await
    }

    /// After outcomes were written: with the receiver as it is now.
    fn go_on(&mut self, webhook: Webhook) {
        for (delivery, _) in self.ended.drain(..) {
            let was_row = self.taken.remove(&delivery.position);
            match (was_row, delivery.state == DeliveryState::Pending) {
                (false, true) => self.pending += 1,
                (true, false) => self.pending = self.pending.saturating_sub(1),
                _ => (),
            }
        }
        if (&webhook.url, &webhook.secret) != (&self.webhook.url, &self.webhook.secret) {
            self.address = Arc::new(Address::new(&webhook, self.sending));
        }
        self.webhook = webhook;
        self.recorded_at = Instant::now();
    }
}

// === impl Item ===

impl Item {
    /// The row of one that is under way: to be sent again where nothing more is heard of it.
    fn claim(&self, at: UnixMillis) -> Delivery {
        Delivery {
            position: self.event.position,
            event: self.event.id,
            kind: self.event.kind.clone(),
            state: DeliveryState::Pending,
            attempts: self.attempts,
            at,
            status: None,
            error: None,
        }
    }
}

/// Nothing is left that could be sent.
fn too_old(delivery: Delivery, at: UnixMillis) -> Delivery {
    let error = Some("too old for the log of events".to_owned());
    Delivery { state: DeliveryState::Dead, at, error, ..delivery }
}
