//! Prepay: where a route says `settle = "before"`, and where a payer did not pay what it was served for, value moves before the call is
//! forwarded. What is not delivered then is given back.

use std::time::Instant;

use domain::PaymentId;
use ledger::{LedgerError, Receipt, RefundReason, Voiding};

use crate::answer::refusal::Refusal;
use crate::metrics::{Metrics, Stage};
use crate::payment::leniency::Leniency;
use crate::rail::signed_hold::SignedHold;
use crate::stage::capture::unpaid;

/// How an exchange is undone.
pub(crate) enum Undoing {
    /// Nothing was taken: what is held goes.
    Void(Voiding),
    /// It was taken: it is given back.
    Refund(Receipt),
}

/// Has the value of a payment moved, and captures it. Its outcome is written down whoever still waits for it.
///
/// # Errors
/// What is said where it did not move, or nobody knows.
pub(crate) async fn prepay(signed: SignedHold, metrics: &Metrics) -> Result<Receipt, Refusal> {
    let (started, payment) = (Instant::now(), signed.payment());
    let receipt = signed.pay().await.map_err(|not_paid| unpaid(not_paid, payment))?;
    metrics.stage(Stage::Settle, started.elapsed());
    Ok(receipt)
}

/// Gives back what was paid first, and waits until that is on disk. It counts among its payer's of the day, by the status that the call ends
/// with.
///
/// # Errors
/// It is not yet: nobody can say so.
pub(crate) async fn give_back(receipt: Receipt, status: u16, leniency: &Leniency) -> Result<(), Refusal> {
    let record = receipt.record();
    let payment = record.payment;
    leniency.gave_back(record.agent, &record.provider, status, record.captured_at);
    match receipt.give_back(RefundReason::UpstreamFailed).await {
        Ok(_) | Err(LedgerError::RefundedBefore) => Ok(()),
        Err(error) => {
            tracing::error!(%payment, %error, "settled first, not delivered, and not given back yet");
            Err(Refusal::OutcomeUnknown { payment, repeatable: true })
        }
    }
}

// === impl Undoing ===

impl Undoing {
    /// Waits until it is undone, and gives what may be said of why. Where that does not stand yet, nobody can say what was charged.
    pub(crate) async fn finish(
        self,
        payment: Option<PaymentId>,
        refusal: Refusal,
        leniency: &Leniency,
    ) -> Refusal {
        match self {
            Self::Void(voiding) => match (voiding.await, payment) {
                (Err(_), Some(payment)) => Refusal::OutcomeUnknown { payment, repeatable: true },
                _ => refusal,
            },
            Self::Refund(receipt) => {
                let record = Box::new(receipt.record().clone());
                match give_back(receipt, refusal.status(), leniency).await {
                    Ok(()) => Refusal::GivenBack { record, cause: Box::new(refusal) },
                    Err(unknown) => unknown,
                }
            }
        }
    }
}
