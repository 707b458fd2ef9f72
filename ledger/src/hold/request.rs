//! [`HoldRequest`]: what is asked of the ledger before a request is forwarded.

use std::sync::Arc;

use domain::{
    AgentId, Amount, B256, BasisPoints, Capture, Fingerprint, IdempotencyKey, PaymentId, Price, ReplayKey,
    TransactionId, WalletId, WindowLimit,
};

use crate::batch::End;
use crate::intent::Intent;

/// Everything that is known of a payment before it is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Whether the hold must outlive the process.
    pub capture: Capture,
    /// The revision of the price.
    pub revision: u32,
    /// The platform's share.
    pub fee: BasisPoints,
    /// The agent's limit per calendar day, UTC.
    pub per_day: Option<Amount>,
    /// The agent's limit per calendar month, UTC.
    pub per_month: Option<Amount>,
    /// Its limits per hour, and on this route, provider or category. One for each scope and window.
    pub limits: Vec<WindowLimit>,
    /// How many calls a day, UTC, the route gives each agent for nothing.
    pub free_per_day: u32,
    /// The signed authorization's identity; none where an agent key pays.
    pub replay: Option<ReplayKey>,
    /// The signed authorization's digest: the receipt's transaction.
    pub digest: Option<B256>,
    /// The client's name for this request, if it gave one.
    pub idempotency: Option<IdempotencyKey>,
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// What was signed, where it is for a public network. Then agent and wallet are those of the intent, and the hold is always a
    /// row.
    pub intent: Option<Arc<Intent>>,
    /// The most that its payer may have open on its network with it, and no more than it has there; judged where several processes share the
    /// books.
    pub unsettled_max: Option<Amount>,
}

// === impl HoldRequest ===

impl HoldRequest {
    /// Whether the value of one that is held on disk may have moved, as far as whoever finds it can tell: what an answer that began costs
    /// (`owed`) is captured first, and settled behind it; where nothing is read, somebody was asked to settle it only if that stands there.
    pub(crate) fn may_have_moved(&self, owed: Option<Amount>) -> bool {
        self.intent.as_ref().is_some_and(|intent| {
            if intent.is_read() { owed.is_none() && intent.may_move_while_held() } else { owed.is_some() }
        })
    }

    /// The transaction that is said to have moved it, where one pays once: where nothing is read, nobody can tell whose share of it this is.
    pub(crate) fn spends(&self, moved: Option<End>) -> Option<(Arc<str>, TransactionId)> {
        let intent = self.intent.as_ref().filter(|intent| !intent.is_read())?;
        Some((Arc::clone(&intent.network), moved?.transaction()?))
    }
}
