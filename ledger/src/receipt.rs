//! After the commit: [`Receipt`] for the request that paid, [`Prior`] and [`Redelivery`] for one that comes again.
//!
//! A captured payment whose response did not demonstrably leave stays *open*: the same request may be forwarded
//! once more, free (DESIGN section 2, "After a payment").

use std::sync::Arc;

use bytes::Bytes;
use domain::{AgentId, Amount, B256, PaymentId, UnixMillis};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::account::{RefundReason, Refunded};
use crate::command::{Command, Work};
use crate::error::LedgerError;
use crate::intent::OnChain;
use crate::shared::Shared;

/// What a captured payment was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRecord {
    /// Its name, stable over retries.
    pub payment: PaymentId,
    /// Who paid.
    pub agent: AgentId,
    /// Who was paid.
    pub provider: Arc<str>,
    /// For which route.
    pub route: Arc<str>,
    /// What the wallet paid, fee included.
    pub amount: Amount,
    /// The platform's part of it.
    pub fee: Amount,
    /// The digest of the signed authorization; where an agent key paid, that of the payment's name; on a public network the
    /// transaction that moved its value, once that is known, where it has a hash.
    pub transaction: B256,
    /// Ledger time of the commit.
    pub captured_at: UnixMillis,
    /// Where it was paid on a public network.
    pub on_chain: Option<Arc<OnChain>>,
    /// Where it books what came late for another payment on a public network: that one (CAIP-2), and the token as it is written there. Known
    /// of what the books are asked for.
    pub late_in: Option<(Arc<str>, Arc<str>)>,
}

/// A response kept for 24 hours, to answer the same request with the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status.
    pub status: u16,
    /// Fields in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Bytes,
}

/// This payment was captured before, and its response was delivered or may not be asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prior {
    /// What was paid then.
    pub receipt: ReceiptRecord,
    /// The response of then, where it was stored.
    pub response: Option<StoredResponse>,
    /// It was given back in full since.
    pub refunded: bool,
}

/// A committed payment in the hands of the request that made it. Dropped without a word it counts as delivery
/// unconfirmed: the same request may come once more, free.
#[must_use = "say delivered, store the response, or refund"]
#[derive(Debug)]
pub struct Receipt {
    record: ReceiptRecord,
    /// The hold's place in the queue: a refund never finds the queue full.
    permit: Option<OwnedSemaphorePermit>,
    delivery: Delivering,
}

/// A permit to forward a captured request once more, free. Dropped without a word the payment is open again.
#[must_use = "forward the request and say delivered"]
#[derive(Debug)]
pub struct Redelivery {
    record: ReceiptRecord,
    delivery: Delivering,
}

/// One delivery under way; says when it ends unsaid.
#[derive(Debug)]
struct Delivering {
    shared: Arc<Shared>,
    payment: PaymentId,
    over: bool,
}

// === impl ReceiptRecord ===

impl ReceiptRecord {
    /// What payers and books call its transaction. On a public network nothing but one of that network does: none while its value is
    /// still to be moved.
    #[must_use]
    pub fn moved_by(&self) -> Option<String> {
        match &self.on_chain {
            Some(on_chain) => on_chain.transaction.map(|transaction| transaction.to_string()),
            None => Some(self.transaction.to_string()),
        }
    }
}

// === impl Receipt ===

impl Receipt {
    pub(crate) fn new(
        shared: Arc<Shared>,
        record: ReceiptRecord,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let delivery = Delivering { shared, payment: record.payment, over: false };
        Self { record, permit, delivery }
    }

    /// What was charged.
    #[must_use]
    pub fn record(&self) -> &ReceiptRecord {
        &self.record
    }

    /// The response went out whole, or the client itself left.
    pub fn delivered(mut self) {
        self.delivery.confirm();
    }

    /// Keeps the response for 24 hours, to answer the same request again; then it is delivered. Does not wait.
    pub fn store(mut self, response: StoredResponse) {
        // Until the response stands on disk the same request is told to wait, not forwarded again.
        self.delivery.over = true;
        let (payment, _permit) = (self.record.payment, self.permit.take());
        let sent = self.delivery.shared.send(Command::Operation(Work::Store { payment, response, _permit }));
        if sent.is_err() {
            self.delivery.confirm();
        }
    }

    /// Gives all that is left of the payment back. Does not wait; tried again until it stands. Until then the delivery is owed: the same
    /// request is told to wait, and after a crash it may come once more.
    pub fn refund(mut self, reason: RefundReason) {
        self.refund_later(reason);
    }

    /// The same, and waits until it stands.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], [`LedgerError::Unknown`] where it does not stand yet, as far as is known: it is tried again. Any
    /// other: it is not given back, and the delivery is owed.
    pub async fn give_back(mut self, reason: RefundReason) -> Result<Refunded, LedgerError> {
        let permit = self.permit.take();
        let given = self.delivery.give_back(reason, permit).await;
        if matches!(given, Err(LedgerError::Unavailable | LedgerError::Unknown)) {
            self.refund_later(reason);
        }
        given
    }

    fn refund_later(&mut self, reason: RefundReason) {
        let Ok(id) = self.delivery.shared.new_transfer() else {
            tracing::error!(payment = %self.record.payment, "no randomness for a refund's name; refund by hand");
            return;
        };
        let (payment, _permit) = (self.record.payment, self.permit.take());
        let work =
            Work::Refund { payment, id, amount: None, reason, key: None, who: None, reply: None, _permit };
        self.delivery.over = self.delivery.shared.send(Command::Operation(work)).is_ok();
    }
}

// === impl Redelivery ===

impl Redelivery {
    /// Gives all that is left of the payment back in place of forwarding it once more, and waits until that stands.
    ///
    /// # Errors
    /// It does not stand: the delivery is owed as before.
    pub async fn give_back(mut self, reason: RefundReason) -> Result<Refunded, LedgerError> {
        let permit = self.delivery.shared.permit().ok_or(LedgerError::Overloaded)?;
        self.delivery.give_back(reason, Some(permit)).await
    }

    pub(crate) fn new(shared: Arc<Shared>, record: ReceiptRecord) -> Self {
        let delivery = Delivering { shared, payment: record.payment, over: false };
        Self { record, delivery }
    }

    /// What was charged the first time.
    #[must_use]
    pub fn record(&self) -> &ReceiptRecord {
        &self.record
    }

    /// The response went out whole, or the client itself left.
    pub fn delivered(mut self) {
        self.delivery.confirm();
    }
}

// === impl Delivering ===

impl Delivering {
    /// All that is left, without a word of whoever delivers until it stands.
    async fn give_back(
        &mut self,
        reason: RefundReason,
        _permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Refunded, LedgerError> {
        let (payment, id) = (self.payment, self.shared.new_transfer()?);
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        let work = Work::Refund { payment, id, amount: None, reason, key: None, who: None, reply, _permit };
        self.shared.send(Command::Operation(work)).map_err(|_| LedgerError::Unavailable)?;
        let refunded = answer.await.unwrap_or(Err(LedgerError::Unknown))?;
        // The writer has noted that nothing is owed any more.
        self.over = true;
        Ok(refunded)
    }

    fn confirm(&mut self) {
        self.over = true;
        self.shared.memory.lock().deliveries.confirm(self.payment);
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        if !self.over {
            self.shared.memory.lock().deliveries.give_up(self.payment);
        }
    }
}
