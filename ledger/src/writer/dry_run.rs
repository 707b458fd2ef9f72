//! What is only asked what would come of it: decided as any operation is, answered, and not written.
//!
//! It has a round of its own behind the batch, so that it is judged by what stands. Nothing of it is kept: no row, no memory, no list. Next:
//! [`super::run`].

use super::run::Run;
use super::settle::answer;
use crate::batch::Operation;
use crate::command::{Failure, Work};
use crate::commit::CommitStore;
use crate::decide::decide;
use crate::writer::round::Round;

// === impl Run ===

impl<S: CommitStore> Run<S> {
    pub(super) async fn dry_run(&mut self, work: Work) {
        let mut round = Round { works: vec![work], ..Round::default() };
        match self.read_facts(&mut round).await {
            Ok(given) => {
                let outcomes = {
                    let memory = self.shared.memory.lock();
                    let operations: Vec<Operation<'_>> = round.works.iter().map(Work::operation).collect();
                    decide(&memory.facts, &given, &operations, self.shared.time()).0
                };
                for (work, outcome) in round.works.into_iter().zip(outcomes) {
                    let left = answer(&self.shared, work, outcome);
                    debug_assert!(left.is_none(), "only holds leave something, and none is made dry");
                }
            }
            Err(error) => {
                self.unreadable(&error, round.works.len());
                self.fail(round.works, Failure::Failed);
            }
        }
        self.end_batch().await;
    }
}
