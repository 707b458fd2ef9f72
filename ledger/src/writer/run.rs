//! [`Run`]: the writer's loop: gather, read facts, decide, write, and what to do when writing fails.

use std::time::{Duration, Instant};

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::batch::{Delta, FoundHold, Given, Operation, Outcome};
use crate::command::{Command, Failure, Work};
use crate::commit::{CommitStore, Loaded, StoreError, Wanted};
use crate::decide::decide;
use crate::error::LedgerError;
use crate::health::Cause;
use crate::memory::Memory;
use crate::observer::CommitFailure;
use crate::shared::{Phase, Shared};
use crate::writer::round::Round;
use crate::writer::{backlog, mover, several, verdict};

/// Ticks between two looks for expired rows. What one look deletes is bounded, so that no commit waits for it long: they must
/// be so many that no traffic names more in a day than is forgotten.
const EXPIRE_TICKS: u32 = 4;

/// A gathering batch looks at the queue this often.
const GATHER_STEP: Duration = Duration::from_micros(100);

/// Operations from which on one more costs as little as it ever will.
const GATHER_ENOUGH: usize = 128;

pub(crate) struct Run<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) store: S,
    queue: mpsc::UnboundedReceiver<Command>,
    /// How time passes for the writer: it looks after itself and asks again at each tick, and never sleeps.
    pub(super) ticks: mpsc::Receiver<()>,
    /// Whether several processes write.
    pub(super) is_shared: bool,
    /// Operations in the last batch: large ones make the next one gather.
    last_batch: usize,
    /// Places that were taken in the queue when the last batch was full: what a batch can be gathered from.
    at_work: usize,
    /// What nobody waits for and must stand: refunds, and the ends of holds on disk. Tried again until it does.
    pub(super) backlog: Vec<Work>,
    /// Something was written since the last tick.
    pub(super) wrote: bool,
    /// Signed payments are not taken, because the wall clock was set back.
    is_ahead: bool,
    /// The last takeover of what a dead process left was not answered: it may stand.
    pub(super) is_heir_of_unknown: bool,
}

// === impl Run ===

impl<S: CommitStore> Run<S> {
    pub(super) fn new(
        shared: Arc<Shared>,
        store: S,
        queue: mpsc::UnboundedReceiver<Command>,
        ticks: mpsc::Receiver<()>,
        found: Vec<FoundHold>,
    ) -> Self {
        let backlog = backlog::found(&shared, found);
        let is_shared = shared.is_one_of_several();
        Self {
            shared,
            store,
            is_shared,
            queue,
            ticks,
            last_batch: 0,
            at_work: 0,
            backlog,
            wrote: false,
            is_ahead: false,
            is_heir_of_unknown: false,
        }
    }

    /// Works until the writer is closed; gives the store back, but not after an abort.
    pub(crate) async fn until_closed(mut self) -> Option<S> {
        let mut until_expiry = EXPIRE_TICKS;
        loop {
            // Asked every time: a round may have taken the command that was meant to wake this loop.
            match self.shared.phase() {
                Phase::Running => {}
                Phase::Closing => self.queue.close(),
                Phase::Aborted => return None,
            }
            tokio::select! {
                // The tick first: it is rare, and a queue that is never empty must not put it off.
                biased;
                Some(()) = self.ticks.recv() => {
                    self.look_after().await;
                    until_expiry -= 1;
                    if until_expiry == 0 {
                        until_expiry = EXPIRE_TICKS;
                        self.expire().await;
                    }
                }
                command = self.queue.recv() => match command {
                    Some(first) => self.round(first).await,
                    None => break,
                },
            }
        }
        self.end_backlog().await;
        self.write_list().await;
        Some(self.store)
    }

    async fn round(&mut self, first: Command) {
        let mut round = self.gather(first);
        let begun = self.begin(&mut round).await;
        // Only the size of what is committed says whether the cores are busy.
        self.last_batch = round.works.len();
        let given = match begun {
            Ok(given) => given,
            Err(error) => {
                self.unreadable(&error, round.works.len());
                for (_, reply) in round.loads {
                    let _ = reply.send(Err(LedgerError::Unavailable));
                }
                round.works.append(&mut round.dry_runs);
                return self.fail(round.works, Failure::Failed);
            }
        };
        self.commit(round.works, &given).await;
        self.end_batch().await;
        self.dry_runs(round.dry_runs).await;
        self.shared.memory.lock().shrink();
        for pause in round.pauses {
            // Where others write, they stand still too.
            if self.catch_up().await.is_err() {
                continue;
            }
            let (resume, resumed) = oneshot::channel();
            if pause.send(resume).is_ok() {
                // Used or dropped: either way the pause is over.
                let _ = resumed.await;
            }
            self.end_batch().await;
        }
    }

    /// Where others write, what came while their batch was waited for goes with this one.
    async fn begin(&mut self, round: &mut Round) -> Result<Given, StoreError> {
        if self.is_shared {
            self.catch_up().await?;
            self.drain(round);
        }
        self.read_facts(round).await
    }

    /// What the queue has; after a large batch also what comes for a moment, up to half of what was at work when the last
    /// one was full: while one half is on its way to disk the other is served. A batch of all leaves the cores idle while
    /// it is synced, and one of a few costs as much as one of many.
    fn gather(&mut self, first: Command) -> Round {
        let busy = self.last_batch >= self.shared.settings.gather_from;
        let until = Instant::now() + if busy { self.shared.settings.gather } else { Duration::ZERO };
        let enough = (self.at_work / 2).min(GATHER_ENOUGH);
        let mut round = Round::default();
        round.add(first);
        self.drain(&mut round);
        while round.works.len() < enough && Instant::now() < until {
            // This thread has nothing else to do, and a runtime's timer is too coarse for a fraction of a millisecond.
            std::thread::sleep(GATHER_STEP);
            self.drain(&mut round);
        }
        self.at_work = self.shared.permits_taken();
        round
    }

    fn drain(&mut self, round: &mut Round) {
        while round.works.len() + round.dry_runs.len() < self.shared.settings.batch_max
            && let Ok(command) = self.queue.try_recv()
        {
            round.add(command);
        }
    }

    /// Where others write: a batch that came to nothing keeps them out no longer.
    pub(super) async fn end_batch(&mut self) {
        if let Err(error) = self.store.end().await {
            tracing::warn!(%error, "a batch could not be given up in order");
        }
    }

    /// Reads what the round needs and memory lacks, keeps it, and answers those who only wanted that. Nothing is
    /// committed meanwhile, so nothing changes between the reading and the keeping. Where others write, the batch has begun
    /// then, and new holds are judged.
    pub(super) async fn read_facts(&mut self, round: &mut Round) -> Result<Given, StoreError> {
        self.catch_up().await?;
        let at = self.shared.time();
        let mut wanted = Wanted::default();
        {
            let facts = &self.shared.memory.lock().facts;
            round.works.iter().for_each(|work| work.want(facts, &mut wanted));
            if self.is_shared {
                wanted.among_several(&round.works, at);
            }
            for (load, _) in &round.loads {
                load.wallets.iter().for_each(|wallet| wanted.wallet(facts, *wallet));
                load.agents.iter().for_each(|agent| wanted.agent(facts, *agent));
            }
        }
        let loaded = if wanted.is_empty() {
            Loaded::default()
        } else {
            // A hold that a crash left behind is charged to the windows of its own time.
            let held = round.works.iter().filter_map(Work::held_at).min();
            self.store.load(&wanted, held.map_or(at, |held| held.min(at))).await?
        };
        let mut memory = self.shared.memory.lock();
        for (wallet, facts) in loaded.wallets {
            memory.facts.wallets.insert(wallet, facts);
        }
        for (agent, facts) in loaded.agents {
            memory.facts.agents.insert(agent, facts);
        }
        let cover = |memory: &mut Memory, works: &mut Vec<Work>| {
            for work in works {
                if let Work::Withdraw { withdrawing, .. } = work {
                    withdrawing.cover(memory);
                }
            }
        };
        if self.is_shared {
            let agent_holds_max = self.shared.settings.agent_holds_max;
            let known = several::Known { named: loaded.named, unsettled: loaded.unsettled };
            several::judge(&mut memory, known, &mut round.works, agent_holds_max, cover);
        } else {
            cover(&mut memory, &mut round.works);
        }
        for (load, reply) in round.loads.drain(..) {
            let known = load.wallets.iter().all(|wallet| memory.facts.wallets.contains(wallet));
            // Whoever asked may have left.
            let _ = reply.send(if known { Ok(()) } else { Err(LedgerError::UnknownWallet) });
        }
        Ok(loaded.given)
    }

    /// Facts could not be read. A database that is busy or out of reach comes back; a damaged one does not.
    fn unreadable(&self, error: &StoreError, operations: usize) {
        let words = error.to_string();
        if matches!(error, StoreError::Fatal(_)) {
            self.shared.gate.close(Cause::Disk, words.clone());
            self.shared.observer.commit_failed(&CommitFailure { operations, error: &words, fatal: true });
        } else {
            self.shared.gate.close(Cause::Commit, words);
        }
    }

    /// Decides and writes. A batch that a constraint refuses is halved until the one it refuses is alone.
    pub(super) async fn commit(&mut self, mut works: Vec<Work>, given: &Given) {
        if works.is_empty() {
            return;
        }
        let (outcomes, delta) = self.decide(&works, given);
        if delta.is_empty() {
            // The list of deliveries was taken for a batch that there is not.
            self.shared.memory.lock().deliveries.unwritten();
            // What others wrote a moment ago, and answers this, is on disk first.
            if let Err(error) = self.store.end().await {
                self.unreadable(&error, works.len());
                return self.fail(works, Failure::Failed);
            }
            return self.settle(works, outcomes, &delta, Duration::ZERO);
        }
        let began = Instant::now();
        match self.persist(&delta, works.len()).await {
            Ok(()) => self.settle(works, outcomes, &delta, began.elapsed()),
            Err(Failure::Refused) if works.len() > 1 => {
                let rest = works.split_off(works.len() / 2);
                for half in [works, rest] {
                    Box::pin(self.commit_half(half)).await;
                }
            }
            Err(failure) => self.fail(works, failure),
        }
    }

    /// Each half is judged by what stands then: by what the other one wrote, and others, where there are any.
    async fn commit_half(&mut self, works: Vec<Work>) {
        let mut round = Round { works, ..Round::default() };
        match self.read_facts(&mut round).await {
            Ok(given) => self.commit(round.works, &given).await,
            Err(error) => {
                self.unreadable(&error, round.works.len());
                self.fail(round.works, Failure::Failed);
            }
        }
    }

    fn decide(&self, works: &[Work], given: &Given) -> (Vec<Outcome>, Delta) {
        let at = self.shared.time();
        let mut memory = self.shared.memory.lock();
        let operations: Vec<Operation<'_>> = works.iter().map(Work::operation).collect();
        let (outcomes, mut delta) = decide(&memory.facts, given, &operations, at);
        let at = delta.marker.at;
        let decided = || works.iter().zip(&outcomes);
        delta.movers =
            decided().filter_map(|(work, outcome)| mover::of(work, outcome, &delta.steps)).collect();
        delta.verdicts = decided().filter_map(|(work, outcome)| verdict::of(work, outcome, at)).collect();
        delta.open = memory.deliveries.list();
        delta.open.extend(delta.payments.iter().filter(|row| row.is_keyed()).map(|row| row.id));
        (outcomes, delta)
    }

    /// Between the requests: a probe where commits failed, refunds that still must stand, the list of deliveries.
    async fn look_after(&mut self) {
        self.watch_clock();
        if self.is_shared && self.shared.settings.delivers && self.shared.gate.cause().is_none() {
            self.take_orphans().await;
        }
        let wrote = std::mem::take(&mut self.wrote);
        if self.shared.gate.cause() == Some(Cause::Commit) {
            self.write_list().await;
        } else if !self.backlog.is_empty() {
            self.retry_backlog().await;
        } else if !wrote && self.shared.memory.lock().deliveries.is_changed() {
            self.write_list().await;
        }
    }

    /// Says when signed payments stop because the wall clock was set back, and when they go on.
    fn watch_clock(&mut self) {
        let is_ahead = self.shared.is_ahead();
        if std::mem::replace(&mut self.is_ahead, is_ahead) == is_ahead {
            return;
        }
        let ahead_ms = self.shared.ahead_ms();
        if is_ahead {
            tracing::error!(
                ahead_ms,
                "the wall clock is behind the books: no signed payment is taken until it has caught up"
            );
        } else {
            tracing::info!(ahead_ms, "the wall clock has caught up with the books");
        }
    }

    /// A batch of nothing but the marker.
    async fn write_list(&mut self) {
        if let Err(error) = self.read_facts(&mut Round::default()).await {
            return self.unreadable(&error, 0);
        }
        let at = self.shared.time();
        let delta = {
            let mut memory = self.shared.memory.lock();
            Delta { open: memory.deliveries.list(), ..Delta::after(memory.facts.marker, at) }
        };
        if self.persist(&delta, 0).await.is_ok() {
            self.shared.memory.lock().apply(&delta);
            self.shared.committed(delta.marker.at);
        } else {
            self.shared.memory.lock().deliveries.unwritten();
        }
        self.end_batch().await;
    }

    async fn expire(&mut self) {
        if let Err(error) = self.store.expire(self.shared.time()).await {
            tracing::warn!(%error, "identifiers and responses older than a day could not be deleted");
        }
    }
}
