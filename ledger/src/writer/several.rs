//! Where several processes write: before a batch is decided, memory takes over what the others wrote, and each new hold is
//! judged against what all of them hold.
//!
//! Memory is the authority over nothing then, but the judge is the same: what the others hold stands in it for the moment
//! of judging. Nothing is written here. Next: `commit::shared` for the transaction around it.

use std::collections::HashMap;

use domain::{Fingerprint, IdempotencyKey};

use super::run::Run;
use crate::batch::FoundHold;
use crate::command::Work;
use crate::commit::{CommitStore, Others, Wanted};
use crate::error::HoldError;
use crate::facts::Facts;
use crate::hold::{HoldRequest, Holding, Stage};
use crate::memory::{Memory, Reservation};
use crate::reads::Used;
use crate::writer::backlog;

/// What other processes hold, while it stands in memory.
struct Elsewhere {
    holds: Vec<FoundHold>,
    nonces: HashMap<[u8; 16], usize>,
    identifiers: HashMap<IdempotencyKey, usize>,
    named: HashMap<IdempotencyKey, Used>,
}

// === impl Wanted ===

impl Wanted {
    /// What must be known beside facts before something is held where others hold too.
    pub(super) fn hold(&mut self, request: &HoldRequest) {
        self.holds = true;
        self.identifiers.extend(request.idempotency);
        self.nonces.extend(request.replay.map(|key| key.nonce_digest()));
    }
}

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// All that a round needs, whatever memory knows: somebody else may have changed it.
    pub(super) fn want_all(works: &[Work], nothing: &Facts, wanted: &mut Wanted) {
        for work in works {
            work.want(nothing, wanted);
            match work {
                Work::Hold { holding, .. } => wanted.hold(&holding.request),
                // What others hold is theirs.
                Work::Withdraw { .. } => wanted.holds = true,
                _ => {}
            }
        }
    }

    /// Takes over what a dead process left: its holds end here, and its deliveries are owed from here.
    pub(super) async fn take_orphans(&mut self) {
        match self.store.orphans().await {
            Ok(orphans) if orphans.holds.is_empty() && orphans.open.is_empty() => {}
            Ok(orphans) => {
                let (holds, open) = (orphans.holds.len(), orphans.open.len());
                tracing::warn!(
                    holds,
                    open,
                    "took over the holds and the open deliveries of a gateway that is gone"
                );
                self.shared.memory.lock().deliveries.inherit(orphans.open);
                self.backlog.extend(backlog::found(&self.shared, orphans.holds));
            }
            Err(error) => tracing::warn!(%error, "cannot look for what gateways left that are gone"),
        }
    }
}

/// Takes over what others wrote, and gives each new hold of the round its funds and limits. Those that are refused hear it at
/// once and leave the round; the rest of the round may use `judged` while what others hold stands in memory.
pub(super) fn catch_up(
    memory: &mut Memory,
    others: Others,
    works: &mut Vec<Work>,
    agent_holds_max: u32,
    judged: impl FnOnce(&mut Memory, &mut Vec<Work>),
) {
    let Others { marker, next_account, providers, replays, named, holds } = others;
    let facts = &mut memory.facts;
    (facts.marker, facts.next_account) = (marker, next_account);
    facts.providers.extend(providers.into_iter().map(|(name, provider)| (name.into(), provider)));
    replays.into_iter().for_each(|captured| facts.replays.insert(captured));
    let elsewhere = Elsewhere::new(holds, named);
    memory.holds.enter(&elsewhere.holds);
    let mut kept = Vec::with_capacity(works.len());
    for work in works.drain(..) {
        match work {
            // One that has its row was judged when it was written.
            Work::Hold { mut holding, reply } if holding.stage != Stage::Recorded => {
                match elsewhere.judge(memory, &mut holding, agent_holds_max) {
                    Ok(()) => kept.push(Work::Hold { holding, reply }),
                    Err(error) => {
                        holding.release(memory);
                        // Whoever asked may have left.
                        let _ = reply.send(Err(error));
                    }
                }
            }
            other => kept.push(other),
        }
    }
    *works = kept;
    judged(memory, works);
    memory.holds.leave(&elsewhere.holds);
}

// === impl Elsewhere ===

impl Elsewhere {
    fn new(holds: Vec<FoundHold>, named: HashMap<IdempotencyKey, Used>) -> Self {
        let requests = || holds.iter().map(|hold| &hold.request).enumerate();
        let nonces = requests().filter_map(|(at, request)| Some((request.replay?.nonce_digest(), at)));
        let identifiers = requests().filter_map(|(at, request)| Some((request.idempotency?, at)));
        let (nonces, identifiers) = (nonces.collect(), identifiers.collect());
        Self { holds, nonces, identifiers, named }
    }

    /// Whether a request may be held. Its keys are this process's own already.
    fn judge(
        &self,
        memory: &mut Memory,
        holding: &mut Holding,
        agent_holds_max: u32,
    ) -> Result<(), HoldError> {
        // Of a batch that was tried before: what was true then need not be true now.
        holding.unreserve(memory);
        self.keys(memory, &holding.request)?;
        let Holding { request, held, .. } = &*holding;
        match memory.reserve(request, held, agent_holds_max) {
            Reservation::Held(cost) => {
                holding.cost = cost;
                holding.stage = Stage::Reserved;
                Ok(())
            }
            Reservation::Refused(error) => Err(error),
            // Everything was read: it does not exist.
            Reservation::Missing if memory.facts.wallets.contains(&request.wallet) => {
                Err(HoldError::Unavailable)
            }
            Reservation::Missing => Err(HoldError::UnknownWallet),
        }
    }

    /// Captured before is told by the books afterwards; here it only must not be held again.
    fn keys(&self, memory: &Memory, request: &HoldRequest) -> Result<(), HoldError> {
        let same = |theirs: Fingerprint| {
            if theirs == request.fingerprint { HoldError::InProgress } else { HoldError::Reused }
        };
        if let Some(key) = &request.idempotency {
            if let Some(used) = self.named.get(key) {
                return Err(same(used.fingerprint));
            }
            if let Some(at) = self.identifiers.get(key) {
                return Err(same(self.holds[*at].request.fingerprint));
            }
        }
        let Some(key) = &request.replay else { return Ok(()) };
        if let Some(captured) = memory.facts.replays.get(&key.nonce_digest()) {
            return Err(if captured.key == *key { same(captured.fingerprint) } else { HoldError::Reused });
        }
        match self.nonces.get(&key.nonce_digest()).map(|at| &self.holds[*at].request) {
            Some(theirs) if theirs.replay == Some(*key) => Err(same(theirs.fingerprint)),
            Some(_) => Err(HoldError::Reused),
            None => Ok(()),
        }
    }
}
