//! Decisions on what is in suspense: to whom it goes, in one commit with what it moves, and never more than is there.

use std::sync::Arc;

use domain::{AgentId, Amount, BasisPoints, ChainAccount, Fingerprint, PaymentId, TransferId};

use super::Draft;
use crate::batch::{
    AccountId, EXTERNAL, GivenPayment, GivenSuspended, Outcome, PaymentRow, Refusal, ResolutionRow, SUSPENSE,
    SUSPENSE_WALLET,
};
use crate::deposit::DEPOSITS;
use crate::outgoing::Outgoing;
use crate::resolution::{Owed, Resolution, Resolving, SUSPENSE_ROUTE};

// === impl Draft ===

impl Draft<'_> {
    /// `late` names the payment that would book what is the provider's.
    pub(super) fn resolve(
        &mut self,
        asked: &Resolving,
        id: TransferId,
        late: PaymentId,
    ) -> Result<Outcome, Refusal> {
        if let Some(earlier) = self.earlier_resolution(&asked.idempotency_key) {
            let same = (earlier.payment, earlier.owed) == (asked.payment, asked.owed.name())
                && asked.amount.is_none_or(|amount| amount == earlier.amount);
            return if same { Ok(Outcome::Resolved(Box::new(earlier))) } else { Err(Refusal::Conflict) };
        }
        let given = self.given.suspended.get(&asked.payment).ok_or(Refusal::UnknownDifference)?;
        let is_loss = given.units < 0;
        let open = Amount::from_atomic(given.units.saturating_abs()).ok_or(Refusal::Amount)?;
        // One decision of a payment in a batch: whoever wants another one asks again.
        let is_decided = self.delta.resolutions.iter().any(|row| row.resolution.payment == asked.payment)
            || self.delta.differences.iter().any(|row| row.difference.payment == asked.payment);
        if is_decided || open.is_zero() {
            return Err(Refusal::NotInSuspense);
        }
        let amount = asked.amount.unwrap_or(open);
        if amount.is_zero() {
            return Err(Refusal::Amount);
        }
        if (is_loss || given.is_had) && asked.owed != Owed::Operator {
            return Err(Refusal::OperatorOnly);
        }
        if amount > open {
            return Err(Refusal::NotInSuspense);
        }
        let (account, booked) = match asked.owed {
            Owed::Provider(share) => {
                (given.provider_account, Some(self.book_suspended(asked.payment, late, amount, share)?))
            }
            Owed::Payer => (self.send_suspended(asked.payment, id, amount)?, None),
            Owed::Operator => (self.take_suspended(amount, is_loss), None),
        };
        let resolution = Resolution {
            id,
            payment: asked.payment,
            network: Arc::clone(&given.network),
            token: Arc::clone(&given.written),
            provider: Arc::clone(&given.provider),
            owed: asked.owed.name(),
            amount,
            is_loss,
            booked,
            reason: asked.reason.clone(),
            at: self.delta.marker.at,
        };
        self.delta.resolutions.push(ResolutionRow {
            number: given.resolutions + 1,
            resolution: resolution.clone(),
            account,
            provider: given.provider_account,
            idempotency_key: asked.idempotency_key.clone(),
        });
        Ok(Outcome::Resolved(Box::new(resolution)))
    }

    fn earlier_resolution(&self, key: &str) -> Option<Resolution> {
        let mut own = self.delta.resolutions.iter();
        let own = own.find(|row| row.idempotency_key == key).map(|row| row.resolution.clone());
        self.given.resolutions.get(key).cloned().or(own)
    }

    /// A payment out of suspense, as the payment itself would have been.
    fn book_suspended(
        &mut self,
        payment: PaymentId,
        late: PaymentId,
        amount: Amount,
        share: BasisPoints,
    ) -> Result<PaymentId, Refusal> {
        let (facts, given) = (self.facts, self.given);
        let suspended = given.suspended.get(&payment).ok_or(Refusal::UnknownDifference)?;
        let fee = match given.payments.get(&payment) {
            Some(GivenPayment { row, .. }) => row.fee.pro_rata(amount, row.gross),
            None => share.fee_on(amount),
        };
        if &*suspended.provider == DEPOSITS {
            return Err(Refusal::Deposit);
        }
        let named = if suspended.direct { &facts.direct } else { &facts.providers };
        let provider = named.get(&suspended.provider).ok_or(Refusal::UnknownProvider)?;
        let row = match given.payments.get(&payment) {
            Some(GivenPayment { row, .. }) => PaymentRow { gross: amount, fee, ..row.clone() },
            None => PaymentRow {
                seq: 0,
                id: late,
                agent: AgentId::of_payer(suspended.payer.ok_or(Refusal::NoPayer)?),
                wallet: SUSPENSE_WALLET,
                wallet_account: SUSPENSE,
                provider: Arc::clone(&suspended.provider),
                provider_account: suspended.provider_account,
                fee_account: provider.fee,
                route: SUSPENSE_ROUTE.into(),
                gross: amount,
                fee,
                revision: 0,
                call: 1,
                replay: None,
                digest: None,
                fingerprint: Fingerprint::from_bytes([0; 16]),
                idempotency: None,
                held_at: self.delta.marker.at,
                captured_at: self.delta.marker.at,
                windows: Vec::new(),
                free: false,
                on_chain: None,
                late_in: None,
            },
        };
        self.book_from_suspense(row, late, suspended.shown)
    }

    /// Back from the treasury to whoever signed.
    fn send_suspended(
        &mut self,
        payment: PaymentId,
        id: TransferId,
        amount: Amount,
    ) -> Result<AccountId, Refusal> {
        let given = self.given;
        let suspended = given.suspended.get(&payment).ok_or(Refusal::UnknownDifference)?;
        if suspended.direct {
            return Err(Refusal::OnChain);
        }
        let (Some(address), Some(token)) = (suspended.payer, suspended.token) else {
            return Err(Refusal::NoPayer);
        };
        let to = ChainAccount { network: Arc::clone(&suspended.network), token, address };
        self.expect_way_back(&to.network, Some(amount))?;
        self.debit(SUSPENSE, amount.atomic());
        self.credit(suspended.account, amount.atomic());
        *self.delta.wallets.entry(suspended.wallet).or_default() += amount.atomic();
        self.send_suspense(Outgoing::of_refund(id), suspended, payment, to, amount);
        Ok(suspended.account)
    }

    /// Out of the books: the operator has it, or bears it.
    fn take_suspended(&mut self, amount: Amount, is_loss: bool) -> AccountId {
        let (from, to) = if is_loss { (EXTERNAL, SUSPENSE) } else { (SUSPENSE, EXTERNAL) };
        self.debit(from, amount.atomic());
        self.credit(to, amount.atomic());
        EXTERNAL
    }

    fn send_suspense(
        &mut self,
        id: domain::OutgoingId,
        given: &GivenSuspended,
        payment: PaymentId,
        to: ChainAccount,
        amount: Amount,
    ) {
        self.send_out(id, &given.provider, given.provider_account, None, to, amount);
        if let Some(row) = self.delta.outgoing.last_mut() {
            row.outgoing.suspense_of = Some(payment);
        }
    }
}
