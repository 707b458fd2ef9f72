//! [`Shared`]: what the handle, holds, receipts and the writer have in common.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use domain::{Asset, Clock, PaymentId, PayoutId, SettlementId, TransferId, UnixMillis};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::batch::{HeldAt, SettlementNames};
use crate::command::Command;
use crate::commit::Start;
use crate::database::Coordination;
use crate::deliveries::Deliveries;
use crate::elsewhere::Elsewhere;
use crate::error::LedgerError;
use crate::facts::Facts;
use crate::health::{Cause, Gate};
use crate::holds::Holds;
use crate::ledger::Settings;
use crate::memory::Memory;
use crate::observer::Observer;
use crate::parked::Parked;
use crate::reads::Reads;

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) asset: Asset,
    pub(crate) secret: [u8; 32],
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) memory: Mutex<Memory>,
    /// Holds whose outcome nobody knows.
    pub(crate) parked: Parked,
    pub(crate) gate: Gate,
    pub(crate) reads: Box<dyn Reads>,
    /// Held by the audit that runs: each reads all there is, and two take no less time one beside the other.
    pub(crate) audit: tokio::sync::Mutex<()>,
    /// Unbounded by itself: whoever sends brings a permit, or is the one reader of its answer.
    queue: mpsc::UnboundedSender<Command>,
    permits: Arc<Semaphore>,
    /// Ledger time of the last commit.
    committed_at: AtomicI64,
    phase: AtomicU8,
}

/// Where the writer is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Commits what is queued, takes nothing new.
    Closing,
    /// Drops everything, as a crash would.
    Aborted,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        start: Start,
        reads: Box<dyn Reads>,
        queue: mpsc::UnboundedSender<Command>,
    ) -> Self {
        let mut facts = Facts::new(start.marker, start.next_account, settings.accounts_max, start.horizon);
        facts.providers.extend(start.providers.into_iter().map(|(name, provider)| (name.into(), provider)));
        facts.direct.extend(start.direct.into_iter().map(|(name, provider)| (name.into(), provider)));
        facts.outlets.clone_from(&settings.outlets);
        for captured in start.replays {
            facts.replays.insert(captured);
        }
        let (deliveries, elsewhere) = (Deliveries::restored(start.open), Elsewhere::default());
        let memory = Memory { facts, holds: Holds::default(), deliveries, elsewhere };
        Self {
            asset: start.asset,
            secret: start.secret,
            clock,
            observer,
            memory: Mutex::new(memory),
            parked: Parked::default(),
            gate: Gate::new(settings.commit_age_max, start.lease),
            reads,
            audit: tokio::sync::Mutex::default(),
            queue,
            permits: Arc::new(Semaphore::new(settings.queue_max)),
            committed_at: AtomicI64::new(start.marker.at.0),
            phase: AtomicU8::new(Phase::Running as u8),
            settings,
        }
    }

    /// Whether others write the books too: then the database decides, and memory only helps.
    pub(crate) fn is_one_of_several(&self) -> bool {
        self.settings.coordination == Coordination::Several
    }

    /// Ledger time: never goes back.
    pub(crate) fn time(&self) -> UnixMillis {
        self.clock.now().max(UnixMillis(self.committed_at.load(Ordering::Acquire)))
    }

    pub(crate) fn committed(&self, at: UnixMillis) {
        self.committed_at.fetch_max(at.0, Ordering::AcqRel);
    }

    /// How far ledger time is ahead of the wall clock, in milliseconds.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.committed_at.load(Ordering::Acquire).saturating_sub(self.clock.now().0).max(0)
    }

    /// Whether ledger time is too far ahead of the clock to judge a signed payment's expiry.
    pub(crate) fn is_ahead(&self) -> bool {
        self.ahead_ms() > self.settings.skew_ms_max
    }

    pub(crate) fn held_at(&self) -> HeldAt {
        HeldAt::new(self.time())
    }

    /// A place in the queue; none when it is full.
    pub(crate) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    pub(crate) fn permits_taken(&self) -> usize {
        self.settings.queue_max.saturating_sub(self.permits.available_permits())
    }

    /// Hands a command to the writer; gives it back when the writer is gone.
    pub(crate) fn send(&self, command: Command) -> Result<(), Box<Command>> {
        self.queue.send(command).map_err(|refused| Box::new(refused.0))
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Closing,
            _ => Phase::Aborted,
        }
    }

    /// Goes on to a later phase, and wakes the writer.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.gate.close(Cause::Closing, "the ledger is closed".to_owned());
        let _ = self.send(Command::Wake);
    }

    pub(crate) fn new_transfer(&self) -> Result<TransferId, LedgerError> {
        Ok(TransferId::generate(self.time(), random()?))
    }

    pub(crate) fn new_payment(&self) -> Result<PaymentId, LedgerError> {
        Ok(PaymentId::generate(self.time(), random()?))
    }

    pub(crate) fn new_settlement(&self) -> Result<SettlementNames, LedgerError> {
        let at = self.time();
        Ok(SettlementNames {
            settlement: SettlementId::generate(at, random()?),
            payout: PayoutId::generate(at, random()?),
            transfer: TransferId::generate(at, random()?),
        })
    }
}

fn random() -> Result<[u8; 10], LedgerError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| LedgerError::Read(format!("no randomness: {error}")))?;
    Ok(random)
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared")
            .field("asset", &self.asset)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
