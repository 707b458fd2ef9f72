//! [`Asking`]: leaves what this process has, and tells those who wait what became of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::warn;

use super::super::{Ask, Member, OutboxError, PATIENCE};
use super::{Errands, LOOK_EVERY, heard};
use crate::rail::Settling;

/// Asked for at once; whoever asks for one more waits.
const LEFT_MAX: usize = 4096;

const UNANSWERED: &str = "whoever has the key's turn has not answered";

/// What this process asks for.
pub(super) struct Asking<E> {
    errands: Arc<E>,
    asks: mpsc::Receiver<Ask>,
    able: Arc<AtomicBool>,
    /// To be left, or left without an answer that it was. What is answered under their names is of before.
    unleft: HashMap<Arc<str>, Member>,
    waiting: HashMap<Arc<str>, Waiting>,
    look_at: Instant,
}

/// Who waits for a member.
struct Waiting {
    until: Instant,
    answers: Vec<oneshot::Sender<Settling>>,
}

// === impl Asking ===

impl<E: Errands> Asking<E> {
    pub(super) fn new(errands: Arc<E>, asks: mpsc::Receiver<Ask>, able: Arc<AtomicBool>) -> Self {
        let (unleft, waiting, look_at) = (HashMap::new(), HashMap::new(), Instant::now());
        Self { errands, asks, able, unleft, waiting, look_at }
    }

    /// For as long as anybody can ask.
    pub(super) async fn work(&mut self) {
        let mut hearing = self.errands.heard();
        let mut asked = Vec::new();
        loop {
            if let Err(failure) = self.step().await {
                // What nobody can tell is not so.
                self.able.store(false, Ordering::Relaxed);
                warn!(%failure, "what is asked of whoever settles is asked again");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.give_up();
            let free = LEFT_MAX.saturating_sub(self.waiting.len());
            tokio::select! {
                count = self.asks.recv_many(&mut asked, free), if free > 0 => {
                    if count == 0 {
                        return;
                    }
                    asked.drain(..).for_each(|ask| self.take_in(ask));
                }
                () = heard(&mut hearing) => {}
            }
        }
    }

    fn take_in(&mut self, Ask { member, waiter }: Ask) {
        if let Some(waiting) = self.waiting.get_mut(&member.id) {
            waiting.answers.push(waiter.answer);
            return;
        }
        let waiting = Waiting { until: Instant::now() + PATIENCE, answers: vec![waiter.answer] };
        self.waiting.insert(Arc::clone(&member.id), waiting);
        self.unleft.insert(Arc::clone(&member.id), member);
    }

    async fn step(&mut self) -> Result<(), OutboxError> {
        if !self.unleft.is_empty() {
            let members: Vec<Member> = self.unleft.values().cloned().collect();
            self.errands.leave(&members).await?;
            self.unleft.clear();
        }
        if !self.waiting.is_empty() {
            let ids: Vec<Arc<str>> = self.waiting.keys().map(Arc::clone).collect();
            for (id, settling) in self.errands.answers(&ids).await? {
                self.answer(&id, &settling);
            }
        }
        if Instant::now() >= self.look_at {
            self.look_at = Instant::now() + LOOK_EVERY;
            self.able.store(self.errands.is_able().await?, Ordering::Relaxed);
        }
        Ok(())
    }

    fn answer(&mut self, id: &Arc<str>, settling: &Settling) {
        for answer in self.waiting.remove(id).into_iter().flat_map(|waiting| waiting.answers) {
            // Whoever stopped waiting changes nothing.
            let _ = answer.send(settling.clone());
        }
    }

    /// Those who waited for too long know nothing: it may be done yet.
    fn give_up(&mut self) {
        let now = Instant::now();
        let late = self.waiting.iter().filter(|(_, waiting)| waiting.until <= now);
        let late: Vec<Arc<str>> = late.map(|(id, _)| Arc::clone(id)).collect();
        for id in late {
            self.unleft.remove(&id);
            self.answer(&id, &Settling::Unknown(UNANSWERED.to_owned()));
        }
    }
}
