//! Payments whose value moved before their calls were served, and that were not: nobody keeps money for nothing.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{PaymentId, UnixMillis};

use super::Ledger;
use crate::account::RefundReason;
use crate::deliveries::Delivery;
use crate::error::LedgerError;
use crate::receipt::Redelivery;
use crate::reports;

/// What came of giving back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// So many payments were given back.
    pub payments: usize,
    /// So many could not be.
    pub failed: usize,
    /// So many count as delivered from now on, because too many were not known to be.
    pub dropped: u64,
}

// === impl Ledger ===

impl Ledger {
    /// Whether the value of a payment moved before its call was forwarded.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn is_prepaid(&self, payment: PaymentId) -> Result<bool, LedgerError> {
        Ok(!self.prepaid(&[payment], None).await?.is_empty())
    }

    /// Gives back what moved before its call was served, where nobody knows that it was, and its time is over by the books: until then the
    /// same payment may come once more. What could not be given back now is owed as before, however old it is. Of what was not paid first
    /// what is older than a day counts as delivered. Where more are not known to be delivered than are kept, the oldest are given back at
    /// once, and those that were not paid first count as delivered.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn give_back_undelivered(&self) -> Result<GivenBack, LedgerError> {
        let at = self.time();
        let (undelivered, old, too_many) = {
            let deliveries = &self.shared.memory.lock().deliveries;
            let undelivered: Vec<PaymentId> = deliveries.unconfirmed().copied().collect();
            (undelivered, deliveries.old(at), deliveries.too_many())
        };
        let mut given = GivenBack::default();
        if undelivered.is_empty() {
            return Ok(given);
        }
        let mut prepaid = self.prepaid(&undelivered, Some(at)).await?;
        // Both begin with the oldest: the longer one has the other in it.
        let longer = if old.len() > too_many.len() { &old } else { &too_many };
        if !longer.is_empty() {
            let paid_first: HashSet<PaymentId> = self.prepaid(longer, None).await?.into_iter().collect();
            let (at_once, dropped): (Vec<PaymentId>, Vec<PaymentId>) =
                too_many.into_iter().partition(|payment| paid_first.contains(payment));
            let mut memory = self.shared.memory.lock();
            for payment in old.into_iter().filter(|payment| !paid_first.contains(payment)) {
                memory.deliveries.forget(payment);
            }
            dropped.into_iter().for_each(|payment| memory.deliveries.drop_one(payment));
            prepaid.extend(at_once);
            prepaid.sort_unstable();
            prepaid.dedup();
        }
        for payment in prepaid {
            let Some(record) = self.payment(payment).await? else { continue };
            let taken = self.shared.memory.lock().deliveries.take(payment);
            if taken != Delivery::Taken {
                continue;
            }
            let owed = Redelivery::new(Arc::clone(&self.shared), record.receipt);
            match owed.give_back(RefundReason::UpstreamFailed).await {
                Ok(_) => given.payments += 1,
                Err(error) => {
                    given.failed += 1;
                    tracing::warn!(%payment, %error, "paid before it was served, and not given back yet; it is tried again");
                }
            }
        }
        given.dropped = self.shared.memory.lock().deliveries.dropped();
        Ok(given)
    }

    /// Those of them that were paid first, and whose time was over at `over`.
    async fn prepaid(
        &self,
        payments: &[PaymentId],
        over: Option<UnixMillis>,
    ) -> Result<Vec<PaymentId>, LedgerError> {
        let mut connection = self.shared.reads.report().await?;
        let prepaid = reports::intents::prepaid(&mut connection.session(), payments, over).await;
        prepaid.map_err(crate::reads::read_error)
    }
}
