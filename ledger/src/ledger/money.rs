//! What people and the settlement worker ask of the ledger: refunds, withdrawals, settlements, payouts.
//!
//! Each waits for its commit, and each that a person asks for carries that person's idempotency key: the same key again is the
//! first outcome again. Next: `decide` for what is right.

use domain::{PaymentId, PayoutDestination};

use super::Ledger;
use crate::account::{RefundReason, RefundRequest, Refunded, Transfer, Withdrawal};
use crate::command::Work;
use crate::error::LedgerError;
use crate::settlement::{Closing, Payout, PayoutPayment, Settlement};
use crate::withdrawal::Withdrawing;

// === impl Ledger ===

impl Ledger {
    /// Gives all that is left of a captured payment back, its fee included; spending windows and the tier's count get it
    /// back too.
    ///
    /// # Errors
    /// [`LedgerError::UnknownPayment`], [`LedgerError::RefundedBefore`], [`LedgerError::Overloaded`],
    /// [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn refund(&self, payment: PaymentId, reason: RefundReason) -> Result<Refunded, LedgerError> {
        self.give_back(payment, None, reason, None).await
    }

    /// Gives a part of a captured payment back, or all that is left of it, as often as something is left. The fee returns in
    /// proportion, and spending windows get the part back; the tier's count and the identifier only with the last of it.
    /// The same idempotency key with the same content is the first refund again.
    ///
    /// # Errors
    /// [`LedgerError::UnknownPayment`], [`LedgerError::RefundedBefore`] where nothing is left,
    /// [`LedgerError::RefundExceeds`], [`LedgerError::Earnings`] where the reason is not the operator's and the provider was
    /// settled with, [`LedgerError::Amount`] for nothing, [`LedgerError::Conflict`] for other content under
    /// the same key, [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn refund_part(&self, request: RefundRequest) -> Result<Refunded, LedgerError> {
        let RefundRequest { payment, amount, reason, idempotency_key } = request;
        self.give_back(payment, amount, reason, Some(idempotency_key)).await
    }

    async fn give_back(
        &self,
        payment: PaymentId,
        amount: Option<domain::Amount>,
        reason: RefundReason,
        key: Option<String>,
    ) -> Result<Refunded, LedgerError> {
        let (id, who) = (self.shared.new_transfer()?, self.who.clone());
        self.work(|reply, permit| {
            let (reply, _permit) = (Some(reply), Some(permit));
            Work::Refund { payment, id, amount, reason, key, who, reply, _permit }
        })
        .await
    }

    /// Takes money out of a wallet, but nothing of what running requests hold. The same idempotency key with the same
    /// words is the first transfer again; fundings and withdrawals share one set of keys.
    ///
    /// # Errors
    /// [`LedgerError::Funds`], [`LedgerError::Conflict`] for other content under the same key,
    /// [`LedgerError::UnknownWallet`], [`LedgerError::Amount`], [`LedgerError::Overloaded`],
    /// [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn withdraw(&self, withdrawal: Withdrawal) -> Result<Transfer, LedgerError> {
        let (id, who) = (self.shared.new_transfer()?, self.who.clone());
        let withdrawing = Withdrawing::new(&self.shared, withdrawal, self.is_dry_run);
        self.work(|reply, permit| Work::Withdraw { withdrawing, id, who, reply, _permit: permit }).await
    }

    /// Makes a settlement of what was read, and its one payout. Into a wallet it is paid at once; else a person pays it
    /// ([`Self::pay_out`]). Refused where the provider was settled with since the reading: nothing is settled twice.
    ///
    /// # Errors
    /// [`LedgerError::Stale`], [`LedgerError::Amount`] where nothing is left for the provider,
    /// [`LedgerError::UnknownProvider`], [`LedgerError::UnknownWallet`] for a destination that does not exist,
    /// [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn settle(
        &self,
        closing: Closing,
        destination: PayoutDestination,
    ) -> Result<Settlement, LedgerError> {
        let (names, closing, who) = (self.shared.new_settlement()?, Box::new(closing), self.who.clone());
        self.work(|reply, permit| Work::Settle { closing, destination, names, who, reply, _permit: permit })
            .await
    }

    /// Notes that a payout of the rail `manual` was paid. The same idempotency key with the same content is the first time
    /// again.
    ///
    /// # Errors
    /// [`LedgerError::UnknownPayout`], [`LedgerError::PaidBefore`], [`LedgerError::Conflict`] for other content under the
    /// same key, [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn pay_out(&self, payment: PayoutPayment) -> Result<Payout, LedgerError> {
        let (id, who) = (self.shared.new_transfer()?, self.who.clone());
        self.work(|reply, permit| Work::Pay { payment, id, who, reply, _permit: permit }).await
    }
}
