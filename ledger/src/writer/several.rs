//! Where several processes write: before a batch is decided, memory takes over what the others wrote, and each new hold is
//! judged against what all of them hold.
//!
//! Between two batches memory is behind, but the judge is the same: what the others hold stands among this process's own holds for
//! the moment of judging, as far as it concerns who is judged. Nothing is written here. Next: `commit::shared` for the transaction
//! around it, `elsewhere` for what is taken over.

use std::collections::{HashMap, HashSet};

use domain::{AgentId, Fingerprint, IdempotencyKey, PaymentId, UnixMillis, WalletId};

use super::run::Run;
use crate::command::Work;
use crate::commit::{CommitStore, StoreError, Wanted};
use crate::error::HoldError;
use crate::hold::{HoldRequest, Holding, Stage};
use crate::holds::Taken;
use crate::intent::Signer;
use crate::memory::{Memory, Reservation};
use crate::reads::Used;
use crate::writer::backlog;
use crate::writer::unsettled::Unsettled;

/// What runs for longer may belong to windows that memory does not keep: those of its agent are read again.
const LONG_AGO_MILLIS: i64 = 3600 * 1000;

/// What identifiers were used for.
type Named = HashMap<IdempotencyKey, Used>;

/// What the books say of those who are judged, beside what memory knows.
pub(super) struct Known {
    pub(super) named: Named,
    /// What payers on public networks have open.
    pub(super) unsettled: HashMap<Signer, i64>,
}

// === impl Wanted ===

impl Wanted {
    /// What must be known of a round where others write too, whatever memory knows.
    pub(super) fn among_several(&mut self, works: &[Work], at: UnixMillis) {
        for work in works {
            match work {
                Work::Hold { holding, .. } => self.identifiers.extend(holding.request.idempotency),
                Work::Capture { holding, .. } if holding.held.at.0 < at.0 - LONG_AGO_MILLIS => {
                    self.agents.insert(holding.request.agent);
                }
                _ => {}
            }
        }
        self.unsettled(works);
    }
}

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// Begins a batch, unless it was begun, and takes over what others wrote since the last one.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        if let Some(others) = self.store.begin().await? {
            self.shared.committed(others.marker.at);
            self.shared.memory.lock().catch_up(others);
        }
        Ok(())
    }

    /// Takes over what a dead process left: its holds end here, and its deliveries are owed from here. Where nobody heard of the last
    /// takeover, it is told again, with holds that memory has.
    pub(super) async fn take_orphans(&mut self) {
        let again = std::mem::replace(&mut self.is_heir_of_unknown, true);
        match self.store.orphans(again).await {
            Ok(mut orphans) => {
                self.is_heir_of_unknown = false;
                if again {
                    let memory = self.shared.memory.lock();
                    orphans
                        .holds
                        .retain(|found| !memory.holds.recorded().contains_key(&found.request.payment));
                }
                if orphans.holds.is_empty() && orphans.open.is_empty() {
                    return;
                }
                let (holds, open) = (orphans.holds.len(), orphans.open.len());
                tracing::warn!(
                    holds,
                    open,
                    "took over the holds and the open deliveries of a gateway that is gone"
                );
                {
                    let mut memory = self.shared.memory.lock();
                    memory.deliveries.inherit(orphans.open);
                    for found in &orphans.holds {
                        memory.elsewhere.remove(&found.request.payment);
                    }
                }
                self.backlog.extend(backlog::found(&self.shared, orphans.holds));
            }
            Err(error) => tracing::warn!(%error, "cannot look for what gateways left that are gone"),
        }
    }
}

/// Gives each new hold of the round its funds and limits. Those that are refused hear it at once and leave the round; the rest
/// of the round may use `judged` while what others hold stands in memory.
pub(super) fn judge(
    memory: &mut Memory,
    known: Known,
    works: &mut Vec<Work>,
    agent_holds_max: u32,
    judged: impl FnOnce(&mut Memory, &mut Vec<Work>),
) {
    let Known { named, unsettled } = known;
    let mut unsettled = Unsettled::new(unsettled);
    let concerned = concerned(memory, works);
    memory.enter(&concerned);
    let mut kept = Vec::with_capacity(works.len());
    for work in works.drain(..) {
        match work {
            // One that has its row was judged when it was written.
            Work::Hold { mut holding, reply } if holding.stage != Stage::Recorded => {
                match judge_one(memory, &named, &mut unsettled, &mut holding, agent_holds_max) {
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
    memory.leave(&concerned);
}

/// What others hold of those who are judged.
fn concerned(memory: &Memory, works: &[Work]) -> Vec<PaymentId> {
    let (mut wallets, mut agents) = (HashSet::<WalletId>::new(), HashSet::<AgentId>::new());
    for work in works {
        match work {
            Work::Hold { holding, .. } => {
                wallets.insert(holding.request.wallet);
                agents.insert(holding.request.agent);
            }
            Work::Withdraw { withdrawing, .. } => {
                wallets.insert(withdrawing.withdrawal().wallet);
            }
            _ => {}
        }
    }
    memory.elsewhere.of(&wallets, &agents)
}

/// Whether a request may be held. Its keys are this process's own already.
fn judge_one(
    memory: &mut Memory,
    named: &Named,
    unsettled: &mut Unsettled,
    holding: &mut Holding,
    agent_holds_max: u32,
) -> Result<(), HoldError> {
    // Of a batch that was tried before: what was true then need not be true now.
    holding.unreserve(memory);
    keys(memory, named, &holding.request)?;
    let Holding { request, held, cost, .. } = &*holding;
    unsettled.check(request, cost.maximum)?;
    match memory.reserve(request, held, agent_holds_max) {
        Reservation::Held(cost) => {
            unsettled.add(request, cost.maximum);
            holding.cost = cost;
            holding.stage = Stage::Reserved;
            Ok(())
        }
        Reservation::Refused(error) => Err(error),
        // Everything was read: it does not exist.
        Reservation::Missing if memory.facts.wallets.contains(&request.wallet) => Err(HoldError::Unavailable),
        Reservation::Missing => Err(HoldError::UnknownWallet),
    }
}

/// Captured before is told by the books afterwards; here it only must not be held again.
fn keys(memory: &Memory, named: &Named, request: &HoldRequest) -> Result<(), HoldError> {
    let same = |theirs: Fingerprint| {
        if theirs == request.fingerprint { HoldError::InProgress } else { HoldError::Reused }
    };
    // A row of a process that is gone has them, and is this one's since the request took them.
    match memory.holds.taken_from(request) {
        Some(Taken::Running) => return Err(HoldError::InProgress),
        Some(Taken::Other) => return Err(HoldError::Reused),
        None => {}
    }
    if let Some(key) = &request.idempotency {
        if let Some(used) = named.get(key) {
            return Err(same(used.fingerprint));
        }
        if let Some(theirs) = memory.elsewhere.identifier(key) {
            return Err(same(theirs.fingerprint));
        }
    }
    let Some(key) = &request.replay else { return Ok(()) };
    if let Some(captured) = memory.facts.replays.get(&key.nonce_digest()) {
        return Err(if captured.key == *key { same(captured.fingerprint) } else { HoldError::Reused });
    }
    match memory.elsewhere.nonce(&key.nonce_digest()) {
        Some(theirs) if theirs.replay == Some(*key) => Err(same(theirs.fingerprint)),
        Some(_) => Err(HoldError::Reused),
        None => Ok(()),
    }
}
