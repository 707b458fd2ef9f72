//! The life of a payment before its commit: [`HoldRequest`] -> [`Hold`] -> [`Capturing`] -> [`Receipt`].
//!
//! A hold is memory only: a crash voids it. It ends exactly once: captured, or voided by being dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::{
    AgentId, Amount, B256, BasisPoints, Fingerprint, IdempotencyKey, PaymentId, Price, ReplayKey, WalletId,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::batch::HeldAt;
use crate::command::{Command, Work};
use crate::error::CaptureError;
use crate::memory::Memory;
use crate::receipt::{Prior, Receipt, Redelivery};
use crate::shared::Shared;

/// Everything that is known of a payment before it is forwarded.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The payment's name, made by the caller.
    pub payment: PaymentId,
    /// Who pays.
    pub agent: AgentId,
    /// From which wallet.
    pub wallet: WalletId,
    /// Who is paid, by name.
    pub provider: Arc<str>,
    /// For which route, by name.
    pub route: Arc<str>,
    /// Fixed or tiered; never free.
    pub price: Price,
    /// The revision of the price.
    pub revision: u32,
    /// The platform's share.
    pub fee: BasisPoints,
    /// The agent's limit per calendar day, UTC.
    pub per_day: Option<Amount>,
    /// The agent's limit per calendar month, UTC.
    pub per_month: Option<Amount>,
    /// The signed authorization's identity; none where an agent key pays.
    pub replay: Option<ReplayKey>,
    /// The signed authorization's digest: the receipt's transaction.
    pub digest: Option<B256>,
    /// The client's word for this request, if it gave one.
    pub idempotency: Option<IdempotencyKey>,
    /// What was asked.
    pub fingerprint: Fingerprint,
}

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

/// Funds, limits, replay key and a place in the writer's queue, held for one request. Dropping it voids it.
#[must_use = "a dropped hold is voided"]
#[derive(Debug)]
pub struct Hold(pub(crate) Box<Holding>);

/// The inside of a [`Hold`]; travels through the queue when it is captured. Whoever drops it gives back what it
/// holds, once.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) shared: Arc<Shared>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) request: HoldRequest,
    pub(crate) held: HeldAt,
    pub(crate) maximum: Amount,
    pub(crate) stage: Stage,
}

/// How much a [`Holding`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its keys.
    Claimed,
    /// Its keys, funds and limits.
    Reserved,
    /// Nothing any more.
    Over,
}

/// A capture on its way to disk. May be dropped: the capture goes on, its receipt then counts as unconfirmed.
#[must_use = "the payment is charged only when this says so"]
#[derive(Debug)]
pub struct Capturing {
    pub(crate) answer: oneshot::Receiver<Result<Receipt, CaptureError>>,
}

// === impl Hold ===

impl Hold {
    /// The payment's name, for the upstream.
    #[must_use]
    pub fn payment(&self) -> PaymentId {
        self.0.request.payment
    }

    /// The most that will be charged.
    #[must_use]
    pub fn maximum(&self) -> Amount {
        self.0.maximum
    }

    /// Hands the hold to the writer before it returns. From here on the payment is charged, whether or not anyone
    /// waits, unless its batch fails.
    pub fn capture(self) -> Capturing {
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.0.shared);
        let work = Work::Capture { holding: self.0, reply };
        if let Err(refused) = shared.send(Command::Operation(work))
            && let Command::Operation(Work::Capture { reply, .. }) = *refused
        {
            let _ = reply.send(Err(CaptureError::Failed));
        }
        Capturing { answer }
    }

    /// Lets everything go; nothing is charged. The same as dropping it, said aloud.
    pub fn void(self) {}
}

// === impl Holding ===

impl Holding {
    /// After [`crate::memory::Memory::claim`] gave the request its keys.
    pub(crate) fn claimed(
        shared: &Arc<Shared>,
        permit: OwnedSemaphorePermit,
        request: HoldRequest,
        maximum: Amount,
    ) -> Self {
        let held = shared.held_at();
        let shared = Arc::clone(shared);
        Self { shared, permit: Some(permit), request, held, maximum, stage: Stage::Claimed }
    }

    /// Gives back what it holds, in a memory that is locked already.
    pub(crate) fn release(&mut self, memory: &mut Memory) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if stage == Stage::Reserved {
            memory.holds.release(&self.request, &self.held, self.maximum);
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

impl Future for Capturing {
    type Output = Result<Receipt, CaptureError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The writer answers everyone or is gone; then only the books know.
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or(Err(CaptureError::Unknown)))
    }
}
