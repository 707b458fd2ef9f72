//! What the handle does otherwise where several processes share the books: holds are decided by the writer, in the
//! database, and nothing that memory knows is passed on as the truth.

use std::collections::HashMap;

use domain::{Fingerprint, IdempotencyKey, PaymentId, RateLimit, ReplayKey, WalletId};

use super::{Ledger, amount};
use crate::account::WalletBalance;
use crate::calls::{CallCount, CallsOf};
use crate::error::{HoldError, LedgerError};
use crate::hold::{Held, Holding};

// === impl Ledger ===

impl Ledger {
    /// Whether other processes share the books: then calls are counted with them, by [`Self::count_call`].
    #[must_use]
    pub fn is_one_of_several(&self) -> bool {
        self.shared.is_one_of_several()
    }

    /// Counts one more call of somebody under a limit, with all processes together. `key` names the two of them. A call
    /// that is too many costs nothing.
    ///
    /// # Errors
    /// [`LedgerError::Away`] where the database does not answer, [`LedgerError::Unavailable`] where the process is alone.
    pub async fn count_call(
        &self,
        of: CallsOf,
        key: &str,
        limit: RateLimit,
    ) -> Result<CallCount, LedgerError> {
        self.shared.reads.count_call(of, key, limit).await
    }

    /// The keys are this process's own by now; the writer asks the others for them, for funds and for limits, and writes
    /// the row of the hold, all in one batch.
    pub(super) async fn hold_among_several(&self, holding: Box<Holding>) -> Result<Held, HoldError> {
        self.open_accounts(&holding.request).await?;
        let request = &holding.request;
        let (replay, identifier, fingerprint) = (request.replay, request.idempotency, request.fingerprint);
        let error = match holding.record().await {
            Ok(hold) => return Ok(Held::Hold(hold)),
            Err(error) => error,
        };
        // Whoever paid before must not hear that nothing was charged, and hears what became of it.
        match self.try_prior(replay, identifier, fingerprint).await? {
            Some(prior) => Ok(prior),
            None => Err(error),
        }
    }

    /// Refuses keys that another process holds: its request may be paid already.
    pub(super) async fn not_elsewhere(
        &self,
        replay: Option<&ReplayKey>,
        identifier: Option<&IdempotencyKey>,
        fingerprint: Fingerprint,
    ) -> Result<(), HoldError> {
        if !self.shared.is_one_of_several() || (replay.is_none() && identifier.is_none()) {
            return Ok(());
        }
        let held = self.shared.reads.held_under(replay, identifier).await;
        let Some((key, theirs)) = held.map_err(|_| HoldError::Unavailable)? else { return Ok(()) };
        let nonce = |key: &ReplayKey| key.nonce_digest();
        // Under another expiry the same nonce is another payment's.
        let is_other = key.as_ref().map(nonce) == replay.map(nonce) && key.as_ref() != replay;
        Err(if theirs == fingerprint && !is_other { HoldError::InProgress } else { HoldError::Reused })
    }

    /// Whether another process has the delivery of a captured payment, under way or owed.
    pub(super) async fn is_delivered_elsewhere(&self, payment: PaymentId) -> Result<bool, HoldError> {
        if !self.shared.is_one_of_several() {
            return Ok(false);
        }
        self.shared.reads.is_delivering(payment).await.map_err(|_| HoldError::Unavailable)
    }

    pub(super) async fn shared_wallet(&self, wallet: WalletId) -> Result<Option<WalletBalance>, LedgerError> {
        let held = self.shared.reads.held(&[wallet]).await?.get(&wallet).copied().unwrap_or(0);
        let balance = self.shared.reads.wallet(wallet).await?;
        Ok(balance.map(|balance| WalletBalance {
            balance: amount(balance),
            held: amount(held),
            available: amount(balance - held),
        }))
    }

    /// What all processes hold of these wallets; `None` where memory knows.
    pub(super) async fn shared_holds(
        &self,
        wallets: &[WalletId],
    ) -> Result<Option<HashMap<WalletId, i64>>, LedgerError> {
        if !self.shared.is_one_of_several() {
            return Ok(None);
        }
        self.shared.reads.held(wallets).await.map(Some)
    }
}
