//! What the sender asks of the registry: whose turn it is, what comes next, and one transaction for what became of it.
//!
//! A process sends for a receiver only while the receiver's row names it ([`Registry::take_turn`]). What it did counts only
//! where nobody moved the position, changed its types or took the turn meanwhile ([`Registry::record_deliveries`]): else it begins again from the rows.

use domain::{UnixMillis, WebhookId};

use super::{Delivery, Disabled, Webhook, edit};
use crate::journal::{Actor, ActorKind, Event, PAGE_MAX};
use crate::registry::{Registry, RegistryError};
use crate::store::{deliveries, journal, webhooks as store};

/// Nothing but failures for so long, in milliseconds, ends it: 5 days (case W8).
pub const FAILING_MS_MAX: i64 = 5 * 24 * 60 * 60 * 1000;

/// How long delivered events are listed, in milliseconds, and how many of one receiver at most.
const DELIVERED_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
const DELIVERED_MAX: u32 = 10_000;

/// The same for dead ones, which can be sent again as long as they are listed.
const DEAD_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;
const DEAD_MAX: u32 = 100_000;

/// Rows that are forgotten in one transaction. One that takes longer than a statement may is rolled back whole, and meanwhile nobody
/// else writes.
const TRIMMED_AT_ONCE: u32 = 5_000;

/// Positions of the log that one look for a receiver goes through: what it wants to hear of may never come.
pub(super) const STRETCH_MAX: u64 = 20_000;

/// A process that sends.
pub type Sender = [u8; 16];

/// A stretch of the log, as a receiver sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// What it wants to hear of and has not been told, in order.
    pub events: Vec<Event>,
    /// Nothing else that it wants to hear of lies at or before this position.
    pub end: u64,
    /// The log goes on behind it.
    pub more: bool,
}

/// A delivery that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The row.
    pub delivery: Delivery,
    /// The event; none where it is too old for the log.
    pub event: Option<Event>,
}

/// What became of deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryOutcomes<'a> {
    /// Where the receiver stood when they were read.
    pub from: u64,
    /// Where it stands now.
    pub to: u64,
    /// What it wanted to hear of when they were read: of what it wants to hear of now, others may lie before that.
    pub types: Option<&'a [String]>,
    /// Rows as they are now.
    pub deliveries: &'a [Delivery],
    /// One of them arrived.
    pub delivered: bool,
    /// One of them failed.
    pub failed: bool,
    /// It answered 410.
    pub gone: bool,
    /// How much longer the turn lasts, in milliseconds.
    pub turn_ms: i64,
}

/// Whether what was sent counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does, and the turn goes on with the receiver as it is now.
    Kept(Box<Webhook>),
    /// It does, and nothing more is to be sent.
    Disabled(Disabled),
    /// Somebody else moved the receiver, changed what it hears of, or took its turn: nothing of it was written.
    Lost,
}

/// How much is waiting in rows, over all receivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows to be sent again.
    pub pending: u64,
    /// Rows that were given up.
    pub dead: u64,
    /// When the first of those to be sent again was, or is, due.
    pub due: Option<UnixMillis>,
}

// === impl Registry ===

impl Registry {
    /// Receivers that are sent to.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn enabled_webhooks(&self) -> Result<Vec<Webhook>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::enabled(&mut connection.session()).await?)
    }

    /// What a receiver is to be told after a position. A look ends after a stretch of the log, whatever it found.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn stretch(&self, webhook: &Webhook, after: u64, limit: u32) -> Result<Stretch, RegistryError> {
        self.stretch_of(webhook, after, limit, STRETCH_MAX).await
    }

    /// Goes through at most `stretch_max` positions.
    pub(super) async fn stretch_of(
        &self,
        webhook: &Webhook,
        after: u64,
        limit: u32,
        stretch_max: u64,
    ) -> Result<Stretch, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let session = &mut connection.session();
        // First: what is committed later lies behind it, what lies before it is committed.
        let last = journal::last_position(session).await?;
        // The log loses its beginning, and nobody is told of what is gone.
        let first = journal::position_after(session, after).await?.unwrap_or(last);
        let end = first.saturating_add(stretch_max).min(last);
        let limit = limit.min(PAGE_MAX);
        let events = deliveries::untold(session, webhook, (after, end), limit).await?;
        let full = u32::try_from(events.len()).is_ok_and(|count| count == limit);
        let end = events.last().filter(|_| full).map_or(end, |event| event.position).max(after);
        Ok(Stretch { events, end, more: end < last })
    }

    /// Deliveries whose time has come, the one that waited longest first.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn due(&self, id: WebhookId, at: UnixMillis, limit: u32) -> Result<Vec<Due>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(deliveries::due(&mut connection.session(), id, at, limit.min(PAGE_MAX)).await?)
    }

    /// When the next delivery is due, and how many are waiting, counted up to `count_max`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn pending(
        &self,
        id: WebhookId,
        count_max: u32,
    ) -> Result<(Option<UnixMillis>, u32), RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let session = &mut connection.session();
        let next = deliveries::next_due(session, id).await?;
        Ok((next, deliveries::count_pending(session, id, count_max).await?))
    }

    /// Makes `sender` the one that sends, for `turn_ms`. None where another one is, where nothing is sent, or where there
    /// is no such receiver.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn take_turn(
        &self,
        id: WebhookId,
        sender: &Sender,
        turn_ms: i64,
    ) -> Result<Option<Webhook>, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let webhook = store::take_turn(&mut writing.session(), id, sender, at, at.plus(turn_ms)).await?;
        writing.commit().await?;
        Ok(webhook)
    }

    /// Lets another one send.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn end_turn(&self, id: WebhookId, sender: &Sender) -> Result<(), RegistryError> {
        let mut writing = self.write().await?;
        store::end_turn(&mut writing.session(), id, sender).await?;
        writing.commit().await
    }

    /// Writes what became of deliveries and moves the receiver on, all or nothing. Ends it where it is gone, or failed for
    /// too long, with an event.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn record_deliveries(
        &self,
        id: WebhookId,
        sender: &Sender,
        outcomes: &DeliveryOutcomes<'_>,
    ) -> Result<Standing, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let Some(webhook) = store::record(session, id, sender, outcomes, at).await? else {
            return Ok(Standing::Lost);
        };
        deliveries::put(session, id, outcomes.deliveries).await?;
        let failing = webhook.failing_since.is_some_and(|since| since.plus(FAILING_MS_MAX) <= at);
        let reason = match (outcomes.gone, failing) {
            (true, _) => Some(Disabled::Gone),
            (false, true) => Some(Disabled::Failing),
            (false, false) => None,
        };
        let Some(reason) = reason.filter(|_| webhook.disabled.is_none()) else {
            writing.commit().await?;
            let kept = |reason| Standing::Disabled(reason);
            return Ok(webhook.disabled.map_or_else(|| Standing::Kept(Box::new(webhook)), kept));
        };
        let after = Webhook { disabled: Some(reason), ..webhook.clone() };
        store::update(session, &after).await?;
        let actor = Actor::new(ActorKind::System);
        let entry = edit::entry(&actor, "webhook.disabled", (Some(&webhook), Some(&after)), at);
        writing.record(&entry).await?;
        writing.commit().await?;
        Ok(Standing::Disabled(reason))
    }

    /// Forgets what was delivered or given up long ago, and what is too much.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn trim_deliveries(&self, id: WebhookId) -> Result<(), RegistryError> {
        use super::DeliveryState::{Dead, Delivered};
        let at = self.now();
        let (delivered, dead) = (at.plus(-DELIVERED_MS_MAX), at.plus(-DEAD_MS_MAX));
        loop {
            let mut writing = self.write().await?;
            let session = &mut writing.session();
            let most = TRIMMED_AT_ONCE;
            let more = deliveries::trim(session, id, Delivered, delivered, DELIVERED_MAX, most).await?
                | deliveries::trim(session, id, Dead, dead, DEAD_MAX, most).await?;
            writing.commit().await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// How much is waiting.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn webhook_backlog(&self) -> Result<Backlog, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(deliveries::backlog(&mut connection.session()).await?)
    }
}
