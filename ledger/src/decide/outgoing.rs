//! Transfers out of our treasury: what a refund and a settlement have sent, and what became of it.
//!
//! A payout is booked when it is paid: until then it is what the provider is owed. A refund is booked before, because the payer has it
//! back from that commit on; what is still to be sent of it is in the table alone.

use std::sync::Arc;

use domain::{Amount, B256, ChainAccount, OutgoingId, PayoutId, TransferId};

use super::Draft;
use super::refunds::Asked;
use crate::account::{RefundReason, TransferKind};
use crate::batch::{
    AccountId, GivenOutgoing, GivenPayment, Outcome, OutgoingRow, PaidRow, Refusal, StepRow, TransferRow,
};
use crate::intent::Token;
use crate::outgoing::{Outgoing, OutgoingState, Step};

// === impl Draft ===

impl Draft<'_> {
    /// Where a refund is to be sent; none where it stays in the books: it goes back into a wallet, or never came.
    pub(super) fn way_back(
        &self,
        asked: &Asked<'_>,
        given: &GivenPayment,
        amount: Amount,
    ) -> Result<Option<ChainAccount>, Refusal> {
        let Some(on_chain) = &given.row.on_chain else { return Ok(None) };
        if asked.reason == RefundReason::WrittenOff {
            return Ok(None);
        }
        if on_chain.direct {
            return Err(Refusal::OnChain);
        }
        self.expect_way_back(&on_chain.network, asked.key.map(|_| amount))?;
        let network = Arc::clone(&on_chain.network);
        let (token, payer) = (on_chain.token.evm(), on_chain.payer.evm());
        let (token, address) = token.zip(payer).ok_or(Refusal::NoOutlet)?;
        Ok(Some(ChainAccount { network, token, address }))
    }

    /// That money can go back on a network, and so much more of it as a person asks for today.
    pub(super) fn expect_way_back(
        &self,
        network: &Arc<str>,
        by_person: Option<Amount>,
    ) -> Result<(), Refusal> {
        let outlet = self.facts.outlets.get(network).ok_or(Refusal::NoOutlet)?;
        if let (Some(most), Some(amount)) = (outlet.refunds_per_day, by_person) {
            let after = self.refunded_today(network).checked_add(amount.atomic());
            if after.is_none_or(|after| after > most.atomic()) {
                return Err(Refusal::RefundLimit);
            }
        }
        Ok(())
    }

    /// What people gave back on a network today, in this batch too.
    fn refunded_today(&self, network: &Arc<str>) -> i64 {
        let asked = self.delta.refunds.iter().filter(|row| row.idempotency_key.is_some());
        let own: i64 = asked
            .filter(|row| {
                let id = Outgoing::of_refund(row.refunded.id);
                self.delta
                    .outgoing
                    .iter()
                    .any(|sent| sent.outgoing.id == id && sent.outgoing.to.network == *network)
            })
            .map(|row| row.refunded.amount.atomic())
            .sum();
        let suspended = self.delta.outgoing.iter().map(|row| &row.outgoing);
        let suspended = suspended.filter(|sent| sent.suspense_of.is_some() && sent.to.network == *network);
        let suspended: i64 = suspended.map(|sent| sent.amount.atomic()).sum();
        let before = self.given.refunded_today.get(network).copied().unwrap_or_default();
        before.saturating_add(own).saturating_add(suspended)
    }

    /// Has it sent.
    pub(super) fn send_out(
        &mut self,
        id: OutgoingId,
        provider: &Arc<str>,
        account: AccountId,
        refund_of: Option<&GivenPayment>,
        to: ChainAccount,
        amount: Amount,
    ) {
        let at = self.delta.marker.at;
        let outgoing = Outgoing {
            id,
            provider: Arc::clone(provider),
            refund_of: refund_of.map(|given| given.row.id),
            suspense_of: None,
            to,
            amount,
            state: OutgoingState::Due,
            transaction: None,
            reason: None,
            tries: 0,
            at,
            changed_at: at,
        };
        let payment = refund_of.map(|given| given.row.seq);
        self.delta.outgoing.push(OutgoingRow { outgoing, payment, provider: account });
    }

    /// What a payment that never came was to give back: nothing of it was sent, because nothing is before it came.
    pub(super) fn keep_back(&mut self, given: &GivenPayment) {
        let own = self.delta.outgoing.iter().filter(|row| row.payment == Some(given.row.seq));
        let ids: Vec<_> = given.outgoing.iter().copied().chain(own.map(|row| row.outgoing.id)).collect();
        for id in ids {
            if let Ok(now) = self.outgoing_now(id) {
                self.step_to(&now, OutgoingState::Void);
            }
        }
    }

    pub(super) fn step(
        &mut self,
        id: OutgoingId,
        tries: u32,
        step: &Step,
        transfer: TransferId,
    ) -> Result<Outcome, Refusal> {
        let now = self.outgoing_now(id)?;
        let before = now.outgoing.clone();
        if before.tries != tries {
            // What became of an earlier try says nothing of the one that runs.
            return Err(Refusal::Step);
        }
        let mut next = now;
        match (step, before.state) {
            (Step::Send, OutgoingState::Due) => next.outgoing.state = OutgoingState::Sent,
            (Step::Show(hash), OutgoingState::Sent) => next.outgoing.transaction = Some(*hash),
            (Step::Pay(hash), OutgoingState::Sent) => {
                self.expect_unused(id, *hash)?;
                next.outgoing.state = OutgoingState::Paid;
                next.outgoing.transaction = Some(*hash);
                self.book_payout(&next.outgoing, transfer)?;
            }
            (Step::Left(hash), OutgoingState::Due | OutgoingState::Sent | OutgoingState::Failed) => {
                self.expect_unused(id, *hash)?;
                let payment = before.refund_of.and_then(|payment| self.given.payments.get(&payment));
                if payment.is_some_and(|given| self.is_open(given)) {
                    // Nothing goes back of what has not come.
                    return Err(Refusal::Step);
                }
                next.outgoing.state = OutgoingState::Paid;
                next.outgoing.transaction = Some(*hash);
                next.outgoing.reason = None;
                self.book_payout(&next.outgoing, transfer)?;
            }
            (Step::Fail(reason), OutgoingState::Sent) => {
                next.outgoing.state = OutgoingState::Failed;
                next.outgoing.transaction = None;
                next.outgoing.reason = Some(reason.clone());
            }
            (Step::Retry, OutgoingState::Failed) => {
                next.outgoing.state = OutgoingState::Due;
                next.outgoing.reason = None;
                next.outgoing.tries = before.tries.saturating_add(1);
            }
            // Said before, and the answer was lost.
            (Step::Send, OutgoingState::Sent) => {}
            (Step::Pay(hash) | Step::Left(hash), OutgoingState::Paid)
                if before.transaction == Some(*hash) => {}
            _ => return Err(Refusal::Step),
        }
        if next.outgoing != before {
            self.push_step(&mut next);
        }
        Ok(Outcome::Stepped(Box::new(next.outgoing)))
    }

    /// That no other transfer left by a transaction: each of ours has one of its own.
    fn expect_unused(&self, id: OutgoingId, hash: B256) -> Result<(), Refusal> {
        let before = self.given.left.iter().any(|(other, by)| *by == hash && *other != id);
        let own = self.delta.steps.iter().any(|row| row.transaction == Some(hash) && row.outgoing != id);
        if before || own { Err(Refusal::TransactionUsed) } else { Ok(()) }
    }

    /// A person paid in another way what was to be sent; not while it may be on its way.
    pub(super) fn give_up_sending(&mut self, payout: PayoutId) -> Result<(), Refusal> {
        let now = match self.outgoing_now(Outgoing::of_payout(payout)) {
            Ok(now) => now,
            Err(Refusal::UnknownOutgoing) => return Ok(()),
            Err(_) => return Err(Refusal::OnItsWay),
        };
        match now.outgoing.state {
            OutgoingState::Due | OutgoingState::Failed => {
                self.step_to(&now, OutgoingState::Void);
                Ok(())
            }
            OutgoingState::Sent => Err(Refusal::OnItsWay),
            OutgoingState::Paid | OutgoingState::Void => Err(Refusal::PaidBefore),
        }
    }

    /// A payout that moved: the provider is owed so much less, and the token's account has so much less.
    fn book_payout(&mut self, outgoing: &Outgoing, id: TransferId) -> Result<(), Refusal> {
        let (Some(payout), token) = (outgoing.payout(), outgoing.token()) else { return Ok(()) };
        let given = self.given.payouts.get(&payout).ok_or(Refusal::UnknownPayout)?;
        let wallet = self.facts.wallets.peek(&token.wallet).ok_or(Refusal::UnknownWallet)?;
        let (debit, credit, amount) = (given.payable, wallet.account, outgoing.amount);
        let reference = outgoing.transaction.map(|hash| hash.to_string()).unwrap_or_default();
        self.post(TransferRow {
            id,
            kind: TransferKind::Payout,
            debit,
            credit,
            amount,
            wallet: None,
            payout: Some(payout),
            idempotency_key: None,
            external_reference: reference,
            at: self.delta.marker.at,
        });
        *self.delta.wallets.entry(token.wallet).or_default() += amount.atomic();
        self.delta.paid.push(PaidRow { payout, transfer: id });
        Ok(())
    }

    fn step_to(&mut self, now: &GivenOutgoing, state: OutgoingState) {
        let mut next = now.clone();
        next.outgoing.state = state;
        next.outgoing.reason = None;
        self.push_step(&mut next);
    }

    fn push_step(&mut self, next: &mut GivenOutgoing) {
        next.steps += 1;
        next.outgoing.changed_at = self.delta.marker.at;
        let Outgoing { id, state, transaction, reason, tries, .. } = next.outgoing.clone();
        self.delta.steps.push(StepRow {
            outgoing: id,
            number: next.steps,
            state,
            transaction,
            reason,
            tries,
        });
    }

    /// One as it stands. It makes one step in a batch: whoever wants another one asks again.
    fn outgoing_now(&self, id: OutgoingId) -> Result<GivenOutgoing, Refusal> {
        if self.delta.steps.iter().any(|row| row.outgoing == id) {
            return Err(Refusal::Step);
        }
        let own = || self.delta.outgoing.iter().find(|row| row.outgoing.id == id);
        let begun = || own().map(|row| GivenOutgoing { outgoing: row.outgoing.clone(), steps: 0 });
        self.given.outgoing.get(&id).cloned().or_else(begun).ok_or(Refusal::UnknownOutgoing)
    }

    /// Whether money can leave for an account, whose token's account is opened where it is not.
    pub(super) fn open_way_out(&mut self, to: &ChainAccount) -> Result<(), Refusal> {
        if !self.facts.outlets.contains_key(&to.network) {
            return Err(Refusal::NoOutlet);
        }
        self.open_token(&Token::new(&to.network, to.token));
        Ok(())
    }
}
