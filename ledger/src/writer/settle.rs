//! What follows a batch: memory takes over what stands, then everyone is answered.

use std::sync::Arc;
use std::time::Duration;

use domain::PaymentId;
use tokio::sync::oneshot;

use super::run::Run;
use crate::account::Refunded;
use crate::batch::{Delta, Outcome, Refusal};
use crate::command::{Failure, Reply, Work};
use crate::commit::CommitStore;
use crate::error::{CaptureError, HoldError, LedgerError, VoidError};
use crate::hold::{Hold, Holding, Stage};
use crate::observer::BatchReport;
use crate::receipt::{Receipt, ReceiptRecord};
use crate::shared::Shared;

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// The batch stands. Facts change and holds end under one lock: nobody sees a payment twice or not at all.
    pub(super) fn settle(
        &mut self,
        mut works: Vec<Work>,
        outcomes: Vec<Outcome>,
        delta: &Delta,
        took: Duration,
    ) {
        let written = !delta.is_empty();
        {
            let mut memory = self.shared.memory.lock();
            if written {
                memory.apply(delta);
            }
            for (work, outcome) in works.iter_mut().zip(&outcomes) {
                match work {
                    // Nothing became of it: it holds what its row says.
                    Work::Capture { .. } if *outcome == Outcome::Refused(Refusal::TransactionSpent) => {}
                    Work::Capture { holding, .. } | Work::Void { holding, .. } => {
                        holding.release(&mut memory);
                    }
                    Work::Hold { holding, .. } if *outcome == Outcome::Done => {
                        holding.stage = Stage::Recorded;
                    }
                    Work::Withdraw { withdrawing, .. } => withdrawing.release(&mut memory),
                    Work::Store { payment, .. } => memory.deliveries.confirm(*payment),
                    // What was given back is not owed any more.
                    Work::Refund { payment, .. } if outcome.is_refunded() => {
                        memory.deliveries.confirm(*payment)
                    }
                    _ => {}
                }
            }
        }
        if written {
            self.shared.committed(delta.marker.at);
            let captured: Vec<ReceiptRecord> = delta.payments.iter().map(|row| row.receipt()).collect();
            let refunded: Vec<_> = delta.refunds.iter().map(|row| row.refunded).collect();
            self.shared.observer.committed(&BatchReport {
                operations: works.len(),
                duration: took,
                captured: &captured,
                refunded: &refunded,
            });
        }
        for (work, outcome) in works.into_iter().zip(outcomes) {
            let left = answer(&self.shared, work, outcome);
            self.backlog.extend(left);
        }
    }

    /// The batch does not stand, or nobody knows: holds end, everyone gets the error.
    pub(super) fn fail(&mut self, works: Vec<Work>, failure: Failure) {
        self.shared.memory.lock().deliveries.unwritten();
        for work in works {
            match work {
                Work::Capture { holding, reply } => self.fail_capture(holding, reply, failure),
                Work::Hold { holding, reply } => {
                    let payment = holding.request.payment;
                    let error = if failure == Failure::Unknown {
                        // Its row may stand: whoever comes again is not to hear that nothing was charged.
                        self.backlog.push(Work::Void { holding, reply: None });
                        HoldError::Unknown(payment)
                    } else if holding.stage == Stage::Recorded {
                        // An earlier row does, and nothing went out.
                        self.backlog.push(Work::Void { holding, reply: None });
                        HoldError::Unavailable
                    } else {
                        drop(holding);
                        HoldError::Unavailable
                    };
                    let _ = reply.send(Err(error));
                }
                // As long as its row stands it holds what the row says.
                Work::Void { holding, reply } => {
                    self.backlog.push(Work::Void { holding, reply: None });
                    let _ = reply.map(|reply| reply.send(Err(VoidError::Unknown)));
                }
                // What the client got cannot be unsaid; it only will not get it a second time.
                Work::Store { payment, .. } => self.shared.memory.lock().deliveries.confirm(payment),
                Work::Refund { reply: None, .. } if failure != Failure::Refused => self.backlog.push(work),
                Work::Refund { reply, payment, .. } => match reply {
                    Some(reply) => refuse(reply, failure),
                    None => {
                        tracing::error!(%payment, "a refund was refused by the books; refund by hand");
                        self.shared.memory.lock().deliveries.give_up(payment);
                    }
                },
                Work::Fund { reply, .. } => refuse(reply, failure),
                Work::Withdraw { withdrawing, reply, .. } => {
                    // What it held is free before anyone hears of it.
                    drop(withdrawing);
                    refuse(reply, failure);
                }
                Work::Settle { reply, .. } => refuse(reply, failure),
                Work::Pay { reply, .. } => refuse(reply, failure),
                Work::Differ { reply, .. } => refuse(reply, failure),
                Work::Step { reply, .. } => refuse(reply, failure),
                Work::Resolve { reply, .. } => refuse(reply, failure),
                Work::CreateWallet { reply, .. }
                | Work::OpenProvider { reply, .. }
                | Work::OpenDirect { reply, .. }
                | Work::OpenToken { reply, .. }
                | Work::CloseIntent { reply, .. } => refuse(reply, failure),
            }
        }
    }
}

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// A hold in memory is gone before its request hears of it. One on disk was delivered for: it is captured later, or by
    /// the next start; one that the books refuse is voided.
    fn fail_capture(
        &mut self,
        holding: Box<Holding>,
        reply: Option<oneshot::Sender<Result<Receipt, CaptureError>>>,
        failure: Failure,
    ) {
        let error = if holding.outlives() {
            match failure {
                Failure::Refused if holding.request.intent.is_some() => {
                    let payment = holding.request.payment;
                    tracing::error!(%payment, "the books refuse a payment whose value moved; its outcome is left unknown");
                    holding.park();
                }
                Failure::Refused => self.backlog.push(Work::Void { holding, reply: None }),
                Failure::Failed | Failure::Unknown => {
                    self.backlog.push(Work::Capture { holding, reply: None })
                }
            }
            CaptureError::Unknown
        } else if holding.stage == Stage::Recorded && failure != Failure::Unknown {
            // Nothing of the response went out, and nothing moved: only its row has still to go.
            self.backlog.push(Work::Void { holding, reply: None });
            failure.into()
        } else {
            drop(holding);
            failure.into()
        };
        if let Some(reply) = reply {
            let _ = reply.send(Err(error));
        }
    }
}

/// Whoever waited may have left: a receipt that is not taken is dropped, which makes its delivery unconfirmed; a hold that
/// is not taken has still to be voided.
pub(super) fn answer(shared: &Arc<Shared>, work: Work, outcome: Outcome) -> Option<Work> {
    match work {
        Work::Capture { holding, reply } => answer_capture(shared, holding, reply, outcome),
        Work::Hold { holding, reply } => {
            let held = if holding.stage == Stage::Recorded {
                Ok(Hold::new(holding))
            } else {
                let payment = holding.request.payment;
                tracing::error!(%payment, ?outcome, "a hold was refused at its commit");
                // What it held is free before its request hears of it.
                drop(holding);
                Err(HoldError::Unavailable)
            };
            let untaken = reply.send(held).err().and_then(Result::ok).and_then(Hold::into_holding);
            return untaken.map(|holding| Work::Void { holding, reply: None });
        }
        Work::Void { holding, reply } => {
            // The hold is gone before its request hears of it.
            drop(holding);
            let _ = reply.map(|reply| reply.send(Ok(())));
        }
        Work::Refund { reply, payment, .. } => answer_refund(shared, payment, reply, outcome),
        Work::Fund { reply, .. } | Work::Withdraw { reply, .. } => {
            tell(reply, outcome, |outcome| match outcome {
                Outcome::Moved(transfer) => Ok(transfer),
                other => Err(Box::new(other)),
            })
        }
        Work::Settle { reply, .. } => tell(reply, outcome, |outcome| match outcome {
            Outcome::Settled(settlement) => Ok(*settlement),
            other => Err(Box::new(other)),
        }),
        Work::Pay { reply, .. } => tell(reply, outcome, |outcome| match outcome {
            Outcome::PaidOut(payout) => Ok(*payout),
            other => Err(Box::new(other)),
        }),
        Work::Differ { reply, .. } => tell(reply, outcome, |outcome| match outcome {
            Outcome::Differed(difference) => Ok(Some(*difference)),
            Outcome::Done => Ok(None),
            other => Err(Box::new(other)),
        }),
        Work::Resolve { reply, .. } => tell(reply, outcome, |outcome| match outcome {
            Outcome::Resolved(resolution) => Ok(*resolution),
            other => Err(Box::new(other)),
        }),
        Work::Step { reply, .. } => tell(reply, outcome, |outcome| match outcome {
            Outcome::Stepped(outgoing) => Ok(*outgoing),
            other => Err(Box::new(other)),
        }),
        Work::CreateWallet { reply, .. }
        | Work::OpenProvider { reply, .. }
        | Work::OpenDirect { reply, .. }
        | Work::OpenToken { reply, .. } => {
            let _ = reply.send(Ok(()));
        }
        Work::CloseIntent { reply, .. } => tell(reply, outcome, |outcome| match outcome {
            Outcome::Done => Ok(()),
            other => Err(Box::new(other)),
        }),
        Work::Store { .. } => {}
    }
    None
}

fn answer_capture(
    shared: &Arc<Shared>,
    mut holding: Box<Holding>,
    reply: Option<oneshot::Sender<Result<Receipt, CaptureError>>>,
    outcome: Outcome,
) {
    let receipt = match outcome {
        Outcome::Captured(record) => Ok(Receipt::new(Arc::clone(shared), record, holding.permit.take())),
        Outcome::Refused(Refusal::TransactionSpent) => {
            let payment = holding.request.payment;
            tracing::warn!(%payment, moved = ?holding.moved, "the transaction has paid for another payment; its outcome is left unknown");
            (holding.moved, holding.share, holding.said_by) = (None, None, None);
            holding.park();
            Err(CaptureError::Spent)
        }
        refused => {
            let payment = holding.request.payment;
            tracing::error!(%payment, ?refused, "a held payment was refused at its commit");
            Err(CaptureError::Refused)
        }
    };
    if let Some(reply) = reply {
        let _ = reply.send(receipt);
    }
}

fn answer_refund(shared: &Shared, payment: PaymentId, reply: Option<Reply<Refunded>>, outcome: Outcome) {
    match (reply, outcome) {
        (Some(reply), Outcome::Refunded(refunded)) => drop(reply.send(Ok(refunded))),
        (Some(reply), Outcome::Refused(refusal)) => drop(reply.send(Err(refusal.into()))),
        (None, Outcome::Refused(Refusal::Earnings)) => {
            tracing::error!(%payment, "broken off after its provider was settled with for it; refund by hand");
            shared.memory.lock().deliveries.give_up(payment);
        }
        (None, Outcome::Refused(refusal)) => tracing::warn!(%payment, ?refusal, "nothing to refund"),
        _ => {}
    }
}

/// Whoever asked may have left.
fn tell<T>(reply: Reply<T>, outcome: Outcome, done: impl FnOnce(Outcome) -> Result<T, Box<Outcome>>) {
    let _ = reply.send(done(outcome).map_err(|outcome| match *outcome {
        Outcome::Refused(refusal) => refusal.into(),
        _ => LedgerError::Unavailable,
    }));
}

/// Nobody is told that nothing happened where nobody knows: whoever asked may ask under another name then, and have it twice.
fn refuse<T>(reply: Reply<T>, failure: Failure) {
    let _ = reply.send(Err(match failure {
        Failure::Unknown => LedgerError::Unknown,
        Failure::Failed | Failure::Refused => LedgerError::Unavailable,
    }));
}
