//! The life of a payment before its commit: [`HoldRequest`] -> [`Hold`] -> [`Capturing`] -> [`Receipt`].
//!
//! A hold ends exactly once: captured, voided, or unknown until evidence closes it. With [`Capture::After`] it is memory only, unless several
//! processes share the books: a crash voids it. With [`Capture::Before`] it is a row too, and nobody has the [`Hold`] before
//! that row is committed: what was forwarded is then charged though we crash. One that was kept ([`Hold::keep`]) is a row from then
//! on that is charged in any case. Next: `writer::backlog` for how such rows are closed.

mod request;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::{Amount, Capture, PaymentId, TransactionId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::batch::{Cost, End, FoundHold, HeldAt};
use crate::command::{Command, Work};
use crate::error::{CaptureError, HoldError, VoidError};
use crate::memory::Memory;
use crate::receipt::{Prior, Receipt, Redelivery};
use crate::share::{Moved, Share};
use crate::shared::Shared;

pub use request::HoldRequest;

/// What asking for a hold gives.
#[derive(Debug)]
pub enum Held {
    /// Go ahead.
    Hold(Hold),
    /// Captured before, delivery unconfirmed: forward once more, free, if the route allows.
    Redelivery(Redelivery),
    /// Captured before, and over.
    Prior(Prior),
}

/// Funds, limits, replay key and a place in the writer's queue, held for one request, and on disk where the request says
/// so. Dropping it voids it, unless its answer went out ([`Hold::keep`]: it is captured) or its value may have moved (it is unknown).
///
/// One place is enough: its row, its capture and its void come one after the other.
#[must_use = "dropping it voids it, or captures or parks it where voiding could lose money"]
#[derive(Debug)]
pub struct Hold {
    payment: PaymentId,
    maximum: Amount,
    /// None once it was handed over.
    holding: Option<Box<Holding>>,
}

/// The inside of a [`Hold`]; travels through the queue when it is written, captured or voided. Whoever drops it gives back
/// what it holds in memory, once.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) shared: Arc<Shared>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) request: HoldRequest,
    pub(crate) held: HeldAt,
    pub(crate) cost: Cost,
    pub(crate) stage: Stage,
    /// What the chain shows of it, where it has an intent.
    pub(crate) moved: Option<End>,
    /// Of what moved it, where that does not name it.
    pub(crate) share: Option<Share>,
    /// What is captured of it, where that is known to be less than all.
    pub(crate) used: Option<Amount>,
    /// What it costs in any case; none as long as it may be voided. Where nobody here reads its network: that its settlement was asked for.
    pub(crate) owed: Option<Amount>,
    /// Who says what became of it, where a person does.
    pub(crate) said_by: Option<Arc<str>>,
}

/// How much a [`Holding`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its keys.
    Claimed,
    /// Its keys, funds and limits.
    Reserved,
    /// The same, and its row stands on disk.
    Recorded,
    /// Nothing any more.
    Over,
}

/// A capture on its way to disk. May be dropped: the capture goes on, its receipt then counts as unconfirmed.
#[must_use = "the payment is charged only when this says so"]
#[derive(Debug)]
pub struct Capturing {
    pub(crate) answer: oneshot::Receiver<Result<Receipt, CaptureError>>,
}

/// A void on its way to disk, where there is a row to delete. May be dropped: the void goes on.
#[must_use = "nothing is charged only when this says so"]
#[derive(Debug)]
pub struct Voiding {
    /// None where memory was all there was.
    answer: Option<oneshot::Receiver<Result<(), VoidError>>>,
}

// === impl Hold ===

impl Hold {
    /// Of a holding that has all it needs, its row included.
    pub(crate) fn new(holding: Box<Holding>) -> Self {
        Self { payment: holding.request.payment, maximum: holding.cost.maximum, holding: Some(holding) }
    }

    /// The payment's name, for the upstream.
    #[must_use]
    pub fn payment(&self) -> PaymentId {
        self.payment
    }

    /// The most that will be charged; nothing for one of the route's free calls.
    #[must_use]
    pub fn maximum(&self) -> Amount {
        self.maximum
    }

    /// Makes its capture one of so much, or of all that is held where that is less; the rest is free again with that commit. One of the
    /// route's free calls stays free.
    pub fn charging(mut self, amount: Amount) -> Self {
        if let Some(holding) = &mut self.holding {
            holding.used = Some(amount);
        }
        self
    }

    /// Commits that its answer goes out from now on: whatever becomes of this process, it is captured, for `owed` where nobody says
    /// otherwise. Dropping it does not void it any more, only [`Self::void`] does.
    ///
    /// # Errors
    /// As [`crate::Ledger::hold`]; it is voided then.
    pub async fn keep(mut self, owed: Amount) -> Result<Self, HoldError> {
        let Some(mut holding) = self.holding.take() else { return Err(HoldError::Unavailable) };
        holding.owed = Some(owed.min(self.maximum));
        holding.record().await
    }

    /// Commits that its settlement is asked for from now on: whatever becomes of this process, nobody knows whether its value moves. For
    /// one whose network is not read here, before anybody is asked to settle it; until then it is certain that nothing moved.
    ///
    /// # Errors
    /// As [`crate::Ledger::hold`]; it is voided then.
    pub async fn ask(self) -> Result<Self, HoldError> {
        let all = self.maximum;
        self.keep(all).await
    }

    /// Hands the hold to the writer before it returns. From here on the payment is charged, whether or not anyone
    /// waits, unless its batch fails; a hold on disk is charged even then, later.
    pub fn capture(mut self) -> Capturing {
        self.holding.take().map_or_else(Capturing::lost, Holding::capture)
    }

    /// The same for one with an intent whose value moved in this transaction, in a block that may still be undone. It stays due
    /// until [`crate::Ledger::settled`] says that this is for good.
    pub fn capture_seen(self, moved: impl Into<Moved>) -> Capturing {
        self.capture_moved(End::Seen, moved.into())
    }

    /// The same for one whose value moved for good.
    pub fn capture_settled(self, moved: impl Into<Moved>) -> Capturing {
        self.capture_moved(End::Settled, moved.into())
    }

    fn capture_moved(mut self, end: fn(TransactionId) -> End, moved: Moved) -> Capturing {
        let holding = self.holding.take();
        holding.map_or_else(Capturing::lost, |mut holding| {
            holding.move_by(end, moved);
            holding.capture()
        })
    }

    /// Lets go of one with an intent, without saying what became of it: nobody knows whether its value moved. It stays held, and
    /// its keys stay taken, until [`crate::Ledger::close`] is told.
    pub fn leave_unknown(mut self) {
        if let Some(holding) = self.holding.take() {
            holding.park();
        }
    }

    /// Lets everything go: what is only in memory at once, a row with the next commit. The same as dropping it, for those
    /// who have to know.
    pub fn void(mut self) -> Voiding {
        self.holding.take().map_or(Voiding { answer: None }, Holding::void)
    }

    /// The holding of one that nobody took: whoever dropped it would have voided it.
    pub(crate) fn into_holding(mut self) -> Option<Box<Holding>> {
        self.holding.take()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        match self.holding.take().filter(|holding| holding.stage == Stage::Recorded) {
            // Whoever dropped it may have asked for its settlement: only they could say that it was not.
            Some(holding) if holding.may_have_moved() => holding.park(),
            // Its answer began: it is captured, and settled behind that.
            Some(holding) if holding.owed.is_some() => drop(holding.capture()),
            Some(holding) => drop(holding.void()),
            None => {}
        }
    }
}

// === impl Holding ===

impl Holding {
    /// After [`crate::memory::Memory::claim`] gave the request its keys.
    pub(crate) fn claimed(shared: &Arc<Shared>, permit: OwnedSemaphorePermit, request: HoldRequest) -> Self {
        let (held, cost) = (shared.held_at(), Cost::new(&request, false));
        let shared = Arc::clone(shared);
        Self {
            shared,
            permit: Some(permit),
            request,
            held,
            cost,
            stage: Stage::Claimed,
            moved: None,
            share: None,
            used: None,
            owed: None,
            said_by: None,
        }
    }

    /// Of a row that an earlier process left, with all that it held then.
    pub(crate) fn found(shared: &Arc<Shared>, row: FoundHold, memory: &mut Memory) -> Self {
        let FoundHold { request, held, free, owed } = row;
        let cost = Cost::new(&request, free);
        memory.holds.restore(&request, &held, cost, owed.is_some());
        let (shared, permit) = (Arc::clone(shared), shared.permit());
        let (stage, moved, share, used, said_by) = (Stage::Recorded, None, None, None, None);
        Self { shared, permit, request, held, cost, stage, moved, share, used, owed, said_by }
    }

    /// Commits its row, or what it says now where it has one: only whoever has the hold afterwards may go on. Whoever leaves meanwhile
    /// leaves no row.
    pub(crate) async fn record(self: Box<Self>) -> Result<Hold, HoldError> {
        let (payment, shared) = (self.request.payment, Arc::clone(&self.shared));
        let (reply, answer) = oneshot::channel();
        let work = Work::Hold { holding: self, reply };
        shared.send(Command::Operation(work)).map_err(|_| HoldError::Unavailable)?;
        // The writer answers everyone or is gone; then only the books know.
        answer.await.unwrap_or(Err(HoldError::Unknown(payment)))
    }

    /// Hands it to the writer to be captured. A deposit funds its wallet with that: one that did not move for good is left unknown.
    pub(crate) fn capture(mut self: Box<Self>) -> Capturing {
        if self.is_deposit() && !matches!(self.moved, Some(End::Settled(_))) {
            (self.moved, self.share) = (None, None);
            self.park();
            return Capturing::lost();
        }
        let (reply, answer) = oneshot::channel();
        let (lost, shared) = (self.lost(), Arc::clone(&self.shared));
        let work = Work::Capture { holding: self, reply: Some(reply) };
        if let Err(refused) = shared.send(Command::Operation(work))
            && let Command::Operation(Work::Capture { reply: Some(reply), .. }) = *refused
        {
            let _ = reply.send(Err(lost));
        }
        Capturing { answer }
    }

    /// Lets it go; what has a row, with the next commit.
    pub(crate) fn void(self: Box<Self>) -> Voiding {
        if self.stage != Stage::Recorded {
            return Voiding { answer: None };
        }
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        // Where the writer is gone the answer is lost with the work: then only the books know.
        let _ = shared.send(Command::Operation(Work::Void { holding: self, reply: Some(reply) }));
        Voiding { answer: Some(answer) }
    }

    /// Says what the chain shows of it.
    pub(crate) fn move_by(&mut self, end: fn(TransactionId) -> End, moved: Moved) {
        self.moved = Some(end(moved.transaction));
        self.share = moved.share;
    }

    /// Whether its value may have moved, as far as anybody here knows.
    pub(crate) fn may_have_moved(&self) -> bool {
        self.request.may_have_moved(self.owed)
    }

    /// Whether a wallet is funded with it.
    pub(crate) fn is_deposit(&self) -> bool {
        self.request.intent.as_ref().is_some_and(|intent| intent.deposit.is_some())
    }

    /// Keeps it until somebody knows. Its place in the queue is free for others: what is unknown does not end soon.
    pub(crate) fn park(mut self: Box<Self>) {
        self.permit = None;
        let shared = Arc::clone(&self.shared);
        shared.parked.put(self);
    }

    /// Whether it is charged though its capture did not come about: its row stands, and the upstream was paid for work that
    /// nobody can take back.
    pub(crate) fn outlives(&self) -> bool {
        let is_paid_for = self.moved.is_some()
            || self.owed.is_some()
            || (self.request.intent.is_none() && self.request.capture == Capture::Before);
        self.stage == Stage::Recorded && is_paid_for
    }

    /// What is known of a capture whose commit did not come about.
    pub(crate) fn lost(&self) -> CaptureError {
        if self.outlives() { CaptureError::Unknown } else { CaptureError::Failed }
    }

    /// Gives funds and limits back, and keeps the keys.
    pub(crate) fn unreserve(&mut self, memory: &mut Memory) {
        if self.stage == Stage::Reserved {
            memory.holds.release(&self.request, &self.held, self.cost);
            self.stage = Stage::Claimed;
        }
    }

    /// Gives back what it holds, in a memory that is locked already.
    pub(crate) fn release(&mut self, memory: &mut Memory) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if matches!(stage, Stage::Reserved | Stage::Recorded) {
            memory.holds.release(&self.request, &self.held, self.cost);
        }
        if stage != Stage::Over {
            memory.holds.unclaim(&self.request);
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.stage != Stage::Over {
            let shared = Arc::clone(&self.shared);
            self.release(&mut shared.memory.lock());
        }
    }
}

// === impl Capturing ===

impl Capturing {
    /// Of a hold that was handed over before.
    fn lost() -> Self {
        Self { answer: oneshot::channel().1 }
    }
}

impl Future for Capturing {
    type Output = Result<Receipt, CaptureError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The writer answers everyone or is gone; then only the books know.
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or(Err(CaptureError::Unknown)))
    }
}

// === impl Voiding ===

impl Future for Voiding {
    type Output = Result<(), VoidError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.answer {
            None => Poll::Ready(Ok(())),
            Some(answer) => {
                Pin::new(answer).poll(context).map(|answer| answer.unwrap_or(Err(VoidError::Unknown)))
            }
        }
    }
}
