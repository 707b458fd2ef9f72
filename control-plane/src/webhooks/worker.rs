//! [`Worker`]: one receiver's task. It looks whether there is anything to send, takes the turn where there is, and sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::{UnixMillis, WebhookId};
use registry::{RegistryError, Webhook};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::pace::Pace;
use super::send::Sending;
use super::turn::{Ended, LAG_MAX, PENDING_MAX, TURN_MS, Turn};

/// How long a receiver without anything to send is not looked at, unless something happens.
const IDLE_MS: i64 = 60_000;

/// How long a receiver is left to the process whose turn it is.
const ELSEWHERE_MS: i64 = 5_000;

/// How long after a failure of the registry it is asked again.
const TROUBLED_MS: i64 = 1_000;

/// How often old rows are forgotten, where there was something to send.
const TRIM_AFTER: Duration = Duration::from_secs(60);

/// What others see of a worker, and move it by.
#[derive(Debug, Default)]
pub(super) struct Handle {
    /// Something may be to be sent.
    pub(super) wake: Notify,
    /// The process ends.
    pub(super) stop: AtomicBool,
    /// Events that are waiting behind the position, as far as is known.
    pub(super) behind: AtomicI64,
    /// When the oldest of them happened, in Unix milliseconds; 0 where none waits.
    pub(super) oldest: AtomicI64,
}

pub(super) struct Worker {
    sending: Arc<Sending>,
    id: WebhookId,
    handle: Arc<Handle>,
    pace: Pace,
    /// Until then nobody else sends.
    turn_until: UnixMillis,
    trimmed_at: Instant,
}

/// When the next look is due.
enum Next {
    /// Then, or when something happens.
    At(UnixMillis),
    /// Then; what happens meanwhile can wait.
    NotBefore(UnixMillis),
    /// Never: it is disabled or gone.
    Never,
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(sending: Arc<Sending>, id: WebhookId, handle: Arc<Handle>) -> Self {
        let (pace, turn_until) = (Pace::new(), UnixMillis(0));
        Self { sending, id, handle, pace, turn_until, trimmed_at: Instant::now() }
    }

    /// Until the receiver is disabled or gone, or the process ends.
    pub(super) async fn run(mut self) {
        while !self.handle.stop.load(Ordering::Relaxed) {
            let next = self.look().await.unwrap_or_else(|error| {
                tracing::warn!(webhook.id = %self.id, %error, "webhooks cannot be sent now");
                Next::NotBefore(self.sending.clock.now().plus(TROUBLED_MS))
            });
            match next {
                Next::Never => break,
                Next::At(at) => self.sleep(at).await,
                Next::NotBefore(at) => {
                    while self.sending.clock.now() < at && !self.handle.stop.load(Ordering::Relaxed) {
                        self.sleep(at).await;
                    }
                }
            }
        }
        self.handle.waiting(0, None);
    }

    /// Until a time by the clock, or until woken.
    async fn sleep(&self, at: UnixMillis) {
        let millis = at.0.saturating_sub(self.sending.clock.now().0);
        let duration = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        tokio::select! {
            () = self.handle.wake.notified() => (),
            () = tokio::time::sleep(duration) => (),
        }
    }

    async fn look(&mut self) -> Result<Next, RegistryError> {
        let registry = &self.sending.registry;
        let now = self.sending.clock.now();
        let known = registry.webhook(self.id).await?.filter(|webhook| webhook.disabled.is_none());
        let Some(webhook) = known else { return Ok(Next::Never) };
        let (due, pending) = registry.pending(self.id, PENDING_MAX).await?;
        let is_due = due.is_some_and(|due| due <= now);
        let stretch = registry.stretch(&webhook, webhook.position, 1).await?;
        let lags = stretch.end.saturating_sub(webhook.position) >= LAG_MAX;
        if stretch.events.is_empty() && !is_due && !lags {
            self.handle.waiting(0, None);
            let idle = now.plus(IDLE_MS);
            return Ok(Next::At(due.unwrap_or(idle).min(idle)));
        }
        let Some(webhook) = self.take_turn(webhook).await? else {
            self.handle.waiting(0, None);
            return Ok(Next::NotBefore(now.plus(ELSEWHERE_MS)));
        };
        let turn = Turn::new(&self.sending, &self.handle, &mut self.pace, webhook, pending);
        let ended = turn.run().await?;
        self.after(ended).await
    }

    /// The receiver, where it is this process's turn. A turn that has long to go is not taken again: that would be one more
    /// commit for every event.
    async fn take_turn(&mut self, known: Webhook) -> Result<Option<Webhook>, RegistryError> {
        let now = self.sending.clock.now();
        if now.plus(TURN_MS / 2) < self.turn_until {
            return Ok(Some(known));
        }
        let turn = self.sending.registry.take_turn(self.id, &self.sending.sender, TURN_MS).await?;
        if turn.is_some() {
            self.turn_until = now.plus(TURN_MS);
        }
        Ok(turn)
    }

    async fn after(&mut self, ended: Ended) -> Result<Next, RegistryError> {
        let registry = &self.sending.registry;
        if self.trimmed_at.elapsed() >= TRIM_AFTER {
            self.trimmed_at = Instant::now();
            registry.trim_deliveries(self.id).await?;
        }
        let now = self.sending.clock.now();
        Ok(match ended {
            Ended::Done => Next::At(now),
            Ended::Lost => {
                self.turn_until = UnixMillis(0);
                Next::At(now)
            }
            Ended::Paused(until) => Next::NotBefore(until),
            Ended::Disabled => Next::Never,
            Ended::Stopped => {
                registry.end_turn(self.id, &self.sending.sender).await?;
                Next::Never
            }
        })
    }
}

// === impl Handle ===

impl Handle {
    /// What is waiting now.
    pub(super) fn waiting(&self, behind: u64, oldest: Option<UnixMillis>) {
        let behind = i64::try_from(behind).unwrap_or(i64::MAX);
        self.behind.store(behind, Ordering::Relaxed);
        self.oldest.store(oldest.map_or(0, |oldest| oldest.0), Ordering::Relaxed);
    }
}
