//! Whose turn it is to send, where several processes have the key: whoever loses it forgets what it knew, and whoever takes it begins
//! with what is written down. One that cannot send gives its turn away: another process may have nodes that answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::outbox::Outbox;
use super::task::Task;
use crate::duty::Duty;

/// How often is asked whose turn it is: a turn lasts five seconds.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long a turn is kept while nothing can be sent.
const UNABLE_MAX: Duration = Duration::from_secs(5);

/// How long nobody asks for it after that: until it has ended, and another process has asked.
const REST: Duration = Duration::from_secs(7);

// === impl Task ===

impl<O: Outbox> Task<O> {
    /// Sends only while the duty is ours. The outbox must take nothing of a process whose turn it is not.
    #[must_use]
    pub fn on_duty(mut self, duty: Arc<dyn Duty>) -> Self {
        self.duty = duty;
        self
    }

    /// Until nobody can ask any more.
    pub(super) async fn take_turns(&mut self) {
        let duty = Arc::clone(&self.duty);
        let (key, chain) = (self.us, self.settings.chain_id);
        let failing = Arc::clone(&self.readiness.failing);
        while self.turn_comes(&*duty).await {
            info!(%key, chain, "it is this process's turn to send");
            self.readiness.has_turn.store(true, Ordering::Relaxed);
            let rest = tokio::select! {
                () = self.work() => return,
                () = turn_goes(&*duty) => {
                    warn!(%key, chain, "it is another process's turn to send");
                    *self.readiness.unable.lock() = None;
                    None
                }
                () = keeps_failing(&failing), if duty.is_shared() => {
                    warn!(%key, chain, "this process cannot send, and leaves the turn to another one");
                    Some(REST)
                }
            };
            self.step_down();
            if let Some(rest) = rest
                && !self.pauses(rest).await
            {
                return;
            }
        }
    }

    /// Waits for the turn; whether anybody can still ask.
    async fn turn_comes(&mut self, duty: &dyn Duty) -> bool {
        while !duty.is_ours().await {
            if !self.pauses(ASK_EVERY).await {
                return false;
            }
        }
        true
    }

    /// Waits for so long; whether anybody can still ask. Who asks meanwhile asks the wrong one.
    async fn pauses(&mut self, length: Duration) -> bool {
        let pause = tokio::time::sleep(length);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return true,
                asked = self.asks.recv() => match asked {
                    Some(ask) => drop(ask),
                    None => return false,
                }
            }
        }
    }

    /// Whoever waits here is told nothing: another process goes on with it.
    fn step_down(&mut self) {
        self.readiness.has_turn.store(false, Ordering::Relaxed);
        self.readiness.able.store(false, Ordering::Relaxed);
        self.readiness.failing.store(false, Ordering::Relaxed);
        while self.asks.try_recv().is_ok() {}
        self.queue.clear();
        self.flights.clear();
        self.waiting.clear();
        self.failures.clear();
        (self.failed, self.is_unsure) = (0, false);
    }
}

/// Waits until it is not ours any more, or nobody can tell.
async fn turn_goes(duty: &dyn Duty) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if !duty.is_ours().await {
            return;
        }
    }
}

/// Waits until steps have failed for a while on end. A node that is slow, or much that waits for its blocks, is no reason: another process
/// would meet the same, and would have to begin anew.
pub(super) async fn keeps_failing(failing: &AtomicBool) {
    let mut since = Instant::now();
    while since.elapsed() < UNABLE_MAX {
        tokio::time::sleep(ASK_EVERY).await;
        if !failing.load(Ordering::Relaxed) {
            since = Instant::now();
        }
    }
}
