//! [`Actor`]: one request, funding or refund under way, as a gateway or an operator would have it in hand.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::answers::Answer;
use super::call::Call;
use crate::{
    CaptureError, Capturing, Held, Hold, HoldError, LedgerError, Receipt, Redelivery, Refunded, Transfer,
    VoidError, Voiding,
};

pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = T>>>;

pub(super) struct Actor {
    /// Its name in the list of events.
    pub(super) number: u64,
    pub(super) stage: Stage,
    /// What it may be answered: the ledger answers as things stood at some moment since it was asked.
    pub(super) allowed: Vec<Answer>,
    /// Payments that its keys named at some moment.
    pub(super) named: Vec<usize>,
    /// Those of them that were delivered, and not given back, at some moment.
    pub(super) over: Vec<usize>,
    /// Faults of the disk as it began.
    pub(super) since: u64,
    pub(super) excuse: Excuse,
    /// Its hold waits for its row.
    pub(super) records: bool,
    /// How often it looked for its answer.
    pub(super) looks: u32,
}

/// Why the ledger may refuse what is new, whatever it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Excuse {
    pub(super) closed: bool,
    pub(super) ahead: bool,
    pub(super) full: bool,
    /// A withdrawal may have found too little.
    pub(super) short: bool,
}

/// What it waits for, or has in hand; numbers are attempts of the model.
pub(super) enum Stage {
    Asking(usize, Waiting<Result<Held, HoldError>>),
    Looking(Call, Waiting<Result<Option<Held>, HoldError>>),
    Holding(usize, Hold),
    Capturing(usize, Capturing),
    Voiding(usize, Voiding),
    Paid(usize, Receipt),
    Redelivering(usize, Redelivery),
    Funding(Funds, Waiting<Result<Transfer, LedgerError>>),
    /// With its ticket.
    Refunding(usize, u64, Waiting<Result<Refunded, LedgerError>>),
    Gone,
}

/// A funding, or where the units are negative a withdrawal: wallet, units and key.
pub(super) type Funds = (u8, i64, u8);

/// What an actor was told.
pub(super) enum Told {
    Held(usize, Result<Held, HoldError>),
    Prior(Result<Option<Held>, HoldError>),
    Captured(usize, Result<Receipt, CaptureError>),
    Voided(usize, Result<(), VoidError>),
    Moved(Funds, Result<Transfer, LedgerError>),
    Refunded(usize, u64, Result<Refunded, LedgerError>),
}

// === impl Actor ===

impl Actor {
    /// Looks whether there is an answer.
    pub(super) fn poll(&mut self) -> Option<Told> {
        self.looks += 1;
        match &mut self.stage {
            Stage::Asking(attempt, answer) => Some(Told::Held(*attempt, ready(answer.as_mut())?)),
            Stage::Looking(_, answer) => Some(Told::Prior(ready(answer.as_mut())?)),
            Stage::Capturing(attempt, answer) => {
                let captured = ready(Pin::new(answer))?;
                Some(Told::Captured(*attempt, captured))
            }
            Stage::Voiding(attempt, answer) => Some(Told::Voided(*attempt, ready(Pin::new(answer))?)),
            Stage::Funding(funds, answer) => Some(Told::Moved(*funds, ready(answer.as_mut())?)),
            Stage::Refunding(attempt, ticket, answer) => {
                Some(Told::Refunded(*attempt, *ticket, ready(answer.as_mut())?))
            }
            Stage::Holding(..) | Stage::Paid(..) | Stage::Redelivering(..) | Stage::Gone => None,
        }
    }

    /// Whether it waits for the writer with something that goes on without it.
    pub(super) fn is_queued(&self) -> bool {
        self.records
            || matches!(
                self.stage,
                Stage::Capturing(..) | Stage::Voiding(..) | Stage::Funding(..) | Stage::Refunding(..)
            )
    }
}

/// One look, without anyone to wake: the world looks again.
pub(super) fn ready<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
