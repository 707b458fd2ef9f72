//! What nobody waits for and must stand: refunds, and the ends of holds on disk. Tried again until it does.
//!
//! A hold on disk that a process left which is gone is captured, before anything else is done: its row was committed right
//! before the request was forwarded, and nobody can tell any more whether the upstream did the work. Whoever asks the
//! same again gets it delivered free. Where its route captures after the upstream's answer it is voided: no byte of the
//! response went out before a capture, unless the row says what it costs since then. Nothing is decided here. Next: [`super::run`].

use std::sync::Arc;

use domain::Capture;

use super::run::Run;
use crate::batch::{Delta, FoundHold};
use crate::command::Work;
use crate::commit::{CommitStore, StoreError};
use crate::hold::Holding;
use crate::shared::Shared;
use crate::writer::round::Round;

/// What the rows of an earlier process ask for. They hold their funds and keys from now on.
pub(super) fn found(shared: &Arc<Shared>, mut rows: Vec<FoundHold>) -> Vec<Work> {
    // In the order in which they were held: tiers and windows follow it.
    rows.sort_by_key(|row| (row.held.at, row.request.payment));
    let mut memory = shared.memory.lock();
    let (unknown, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.request.may_have_moved(row.owed));
    for row in unknown {
        // Whether it was settled, only the chain knows, and where it is not read whoever was asked to.
        shared.parked.put(Box::new(Holding::found(shared, row, &mut memory)));
    }
    let end = |row: FoundHold| {
        // What is deferred is captured before anybody is asked to settle it.
        let is_before = row.request.capture == Capture::Before && row.request.intent.is_none();
        let is_charged = is_before || row.owed.is_some();
        let holding = Box::new(Holding::found(shared, row, &mut memory));
        if is_charged { Work::Capture { holding, reply: None } } else { Work::Void { holding, reply: None } }
    };
    rows.into_iter().map(end).collect()
}

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// Captures what an earlier process left held. What cannot be written now stays held, and is tried again.
    pub(crate) async fn close_found(&mut self) -> Result<(), StoreError> {
        let found = self.backlog.len();
        if found == 0 {
            return Ok(());
        }
        // All facts at once: the holds pin them, however long it takes to write.
        let mut round = Round { works: std::mem::take(&mut self.backlog), ..Round::default() };
        let read = self.read_facts(&mut round).await;
        self.backlog = round.works;
        read?;
        self.retry_backlog().await;
        let left = self.backlog.len();
        tracing::warn!(found, left, "holds that a crash left on disk were captured; `left` are still tried");
        Ok(())
    }

    /// Tries again, a batch at a time, until one fails.
    pub(super) async fn retry_backlog(&mut self) {
        let mut works = std::mem::take(&mut self.backlog);
        while !works.is_empty() && self.backlog.is_empty() {
            let later = works.split_off(works.len().min(self.shared.settings.batch_max));
            let mut round = Round { works, ..Round::default() };
            match self.read_facts(&mut round).await {
                Ok(given) => self.commit(round.works, &given).await,
                Err(_) => self.backlog = round.works,
            }
            self.end_batch().await;
            works = later;
        }
        self.backlog.extend(works);
    }

    /// The last try. Holds that are still out can only be dropped from here on: their rows go first.
    pub(super) async fn end_backlog(&mut self) {
        self.retry_backlog().await;
        let mut kept = Vec::new();
        for work in &self.backlog {
            match work {
                Work::Refund { payment, .. } => {
                    tracing::error!(%payment, "the ledger closed before a refund stood; refund by hand");
                }
                Work::Capture { holding, .. } => kept.push(holding.request.payment),
                _ => {}
            }
        }
        // Where others write, the last batch is one after theirs.
        let _ = self.read_facts(&mut Round::default()).await;
        let at = self.shared.time();
        let delta = {
            let mut memory = self.shared.memory.lock();
            let rows = memory.holds.voidable();
            let ended = rows.filter(|payment| !kept.contains(payment)).collect();
            let open = memory.deliveries.list();
            Delta { ended, open, ..Delta::after(memory.facts.marker, at) }
        };
        if delta.has_holds() && self.persist(&delta, 0).await.is_ok() {
            self.shared.memory.lock().apply(&delta);
            self.shared.committed(delta.marker.at);
        }
        self.end_batch().await;
        let left = self.shared.memory.lock().holds.voidable().count();
        // They hold what the ledger is made of.
        self.shared.parked.clear();
        if left > 0 {
            tracing::error!(
                left,
                "the ledger closed before the ends of holds stood; the next start captures them"
            );
        }
    }
}
