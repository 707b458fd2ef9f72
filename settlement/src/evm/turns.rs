//! Whose turn it is to send, where several processes have the key: whoever loses it forgets what it knew, and whoever takes it begins
//! with what is written down.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use super::outbox::Outbox;
use super::task::Task;
use crate::duty::Duty;

/// How often is asked whose turn it is: a turn lasts five seconds.
const ASK_EVERY: Duration = Duration::from_secs(1);

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
        while self.turn_comes(&*duty).await {
            info!(%key, chain, "it is this process's turn to send");
            self.readiness.has_turn.store(true, Ordering::Relaxed);
            tokio::select! {
                () = self.work() => return,
                () = turn_goes(&*duty) => warn!(%key, chain, "it is another process's turn to send"),
            }
            self.step_down();
        }
    }

    /// Waits for the turn; whether anybody can still ask. Who asks meanwhile asks the wrong one.
    async fn turn_comes(&mut self, duty: &dyn Duty) -> bool {
        while !duty.is_ours().await {
            let pause = tokio::time::sleep(ASK_EVERY);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    asked = self.asks.recv() => match asked {
                        Some(ask) => drop(ask),
                        None => return false,
                    }
                }
            }
        }
        true
    }

    /// Whoever waits here is told nothing: another process goes on with it.
    fn step_down(&mut self) {
        self.readiness.has_turn.store(false, Ordering::Relaxed);
        self.readiness.able.store(false, Ordering::Relaxed);
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
