//! What is only asked what would come of it: decided as any operation is, answered, and not written.
//!
//! It has a round of its own behind the batch, so that each is judged by what stands and by nothing else that was asked with it. Nothing of it
//! is kept: no row, no memory, no list; and what it cannot read keeps no payment out. Next: [`super::run`].

use super::run::Run;
use super::settle::answer;
use crate::batch::Outcome;
use crate::command::{Failure, Work};
use crate::commit::{CommitStore, StoreError};
use crate::decide::decide;
use crate::writer::round::Round;

// === impl Run ===

impl<S: CommitStore> Run<S> {
    pub(super) async fn dry_runs(&mut self, works: Vec<Work>) {
        if works.is_empty() {
            return;
        }
        let mut round = Round { works, ..Round::default() };
        let decided = self.decide_each(&mut round).await;
        // What others wrote, and answers this, is on disk first.
        let ended = self.store.end().await;
        match decided.and_then(|outcomes| ended.map(|()| outcomes)) {
            Ok(outcomes) => {
                for (work, outcome) in round.works.into_iter().zip(outcomes) {
                    let left = answer(&self.shared, work, outcome);
                    debug_assert!(left.is_none(), "only holds leave something, and none is made dry");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what a dry run asks for could not be read");
                self.fail(round.works, Failure::Failed);
            }
        }
    }

    async fn decide_each(&mut self, round: &mut Round) -> Result<Vec<Outcome>, StoreError> {
        if let Some(cause) = self.shared.gate.cause() {
            return Err(StoreError::Busy(format!("nothing is written now: {cause:?}")));
        }
        let given = self.read_facts(round).await?;
        let (memory, at) = (self.shared.memory.lock(), self.shared.time());
        let each =
            round.works.iter().flat_map(|work| decide(&memory.facts, &given, &[work.operation()], at).0);
        Ok(each.collect())
    }
}
