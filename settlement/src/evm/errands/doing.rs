//! [`Doing`]: does what everybody has left, while the turn is this process's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::warn;

use super::super::{EvmSettler, OutboxError};
use super::{Errands, LOOK_EVERY, heard};
use crate::chain::Depth;
use crate::rail::Settling;

/// What became of a member that was read in this turn; none where the turn was lost meanwhile: it is open still.
type Done = (i64, Arc<str>, Option<Settling>);

/// What is done here.
pub(super) struct Doing<E> {
    errands: Arc<E>,
    settler: EvmSettler,
    running: JoinSet<Done>,
    /// By their names: what runs.
    under_way: HashSet<Arc<str>>,
    /// What is to be said, by the turns in which it was read.
    done: HashMap<i64, Vec<(Arc<str>, Settling)>>,
    say_at: Instant,
}

// === impl Doing ===

impl<E: Errands> Doing<E> {
    pub(super) fn new(errands: Arc<E>, settler: EvmSettler) -> Self {
        let (under_way, done, say_at) = (HashSet::new(), HashMap::new(), Instant::now());
        Self { errands, settler, running: JoinSet::new(), under_way, done, say_at }
    }

    pub(super) async fn work(&mut self) {
        let mut hearing = self.errands.heard();
        loop {
            tokio::select! {
                Some(done) = self.running.join_next() => {
                    self.end(done.ok());
                    while let Some(done) = self.running.try_join_next() {
                        self.end(done.ok());
                    }
                }
                () = heard(&mut hearing) => {}
            }
            if let Err(failure) = self.step().await {
                warn!(%failure, "what others ask for is looked at again");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// What became of one that the turn was lost over, nobody here knows: whoever has the turn now says it.
    fn end(&mut self, done: Option<Done>) {
        let Some((turn, id, settling)) = done else { return };
        self.under_way.remove(&id);
        if let Some(settling) = settling {
            self.done.entry(turn).or_default().push((id, settling));
        }
    }

    async fn step(&mut self) -> Result<(), OutboxError> {
        for (turn, answers) in &self.done {
            self.errands.answer(*turn, answers).await?;
        }
        self.done.clear();
        if !self.settler.has_turn() {
            return Ok(());
        }
        if Instant::now() >= self.say_at {
            self.say_at = Instant::now() + LOOK_EVERY;
            self.errands.say_able(self.settler.is_available()).await?;
        }
        let (turn, open) = self.errands.open().await?;
        for member in open {
            if self.under_way.insert(Arc::clone(&member.id)) {
                let (settler, id) = (self.settler.clone(), Arc::clone(&member.id));
                self.running.spawn(async move { (turn, id, settler.try_settle(member, Depth::Last).await) });
            }
        }
        Ok(())
    }
}
