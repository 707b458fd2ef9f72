//! What follows a batch: memory takes over what stands, then everyone is answered.

use std::sync::Arc;
use std::time::Duration;

use super::run::Run;
use crate::batch::{Delta, Outcome};
use crate::command::{Failure, Reply, Work};
use crate::commit::CommitStore;
use crate::error::{CaptureError, LedgerError};
use crate::observer::BatchReport;
use crate::receipt::{Receipt, ReceiptRecord};
use crate::shared::Shared;

// === impl Run ===

impl<S: CommitStore> Run<S> {
    /// The batch stands. Facts change and holds end under one lock: nobody sees a payment twice or not at all.
    pub(super) fn settle(&self, mut works: Vec<Work>, outcomes: Vec<Outcome>, delta: &Delta, took: Duration) {
        let written = !delta.is_empty();
        {
            let mut memory = self.shared.memory.lock();
            if written {
                memory.apply(delta);
            }
            for (work, outcome) in works.iter_mut().zip(&outcomes) {
                match work {
                    Work::Capture { holding, .. } => holding.release(&mut memory),
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
            answer(&self.shared, work, outcome);
        }
    }

    /// The batch does not stand, or nobody knows: holds end, everyone gets the error.
    pub(super) fn fail(&mut self, works: Vec<Work>, failure: Failure) {
        self.shared.memory.lock().deliveries.unwritten();
        for work in works {
            match work {
                Work::Capture { holding, reply } => {
                    // The hold is gone before its request hears of it.
                    drop(holding);
                    let _ = reply.send(Err(failure.into()));
                }
                // What the client got cannot be unsaid; it only will not get it a second time.
                Work::Store { payment, .. } => self.shared.memory.lock().deliveries.confirm(payment),
                Work::Refund { reply: None, .. } if failure != Failure::Refused => self.backlog.push(work),
                Work::Refund { reply, payment, .. } => match reply {
                    Some(reply) => refuse(reply),
                    None => {
                        tracing::error!(%payment, "a refund was refused by the books; refund by hand");
                        self.shared.memory.lock().deliveries.give_up(payment);
                    }
                },
                Work::Fund { reply, .. } => refuse(reply),
                Work::CreateWallet { reply, .. } | Work::OpenProvider { reply, .. } => refuse(reply),
            }
        }
    }
}

/// Whoever waited may have left: a receipt that is not taken is dropped, which makes its delivery unconfirmed.
fn answer(shared: &Arc<Shared>, work: Work, outcome: Outcome) {
    match work {
        Work::Capture { mut holding, reply } => {
            let receipt = match outcome {
                Outcome::Captured(record) => {
                    Ok(Receipt::new(Arc::clone(shared), record, holding.permit.take()))
                }
                refused => {
                    let payment = holding.request.payment;
                    tracing::error!(%payment, ?refused, "a held payment was refused at its commit");
                    Err(CaptureError::Refused)
                }
            };
            let _ = reply.send(receipt);
        }
        Work::Refund { reply, payment, .. } => match (reply, outcome) {
            (Some(reply), Outcome::Refunded(refunded)) => drop(reply.send(Ok(refunded))),
            (Some(reply), Outcome::Refused(refusal)) => drop(reply.send(Err(refusal.into()))),
            (None, Outcome::Refused(refusal)) => tracing::warn!(%payment, ?refusal, "nothing to refund"),
            _ => {}
        },
        Work::Fund { reply, .. } => {
            let _ = match outcome {
                Outcome::Funded(transfer) => reply.send(Ok(transfer)),
                Outcome::Refused(refusal) => reply.send(Err(refusal.into())),
                _ => reply.send(Err(LedgerError::Unavailable)),
            };
        }
        Work::CreateWallet { reply, .. } | Work::OpenProvider { reply, .. } => {
            let _ = reply.send(Ok(()));
        }
        Work::Store { .. } => {}
    }
}

fn refuse<T>(reply: Reply<T>) {
    let _ = reply.send(Err(LedgerError::Unavailable));
}
