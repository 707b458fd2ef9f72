//! Settlements and payouts: what a provider earned becomes what it is owed, and leaves.
//!
//! A settlement begins where the provider's last one ended, or it is refused: nothing is settled twice, nothing is left
//! out. Its sums were read beside the writer, of payments that can no longer change.

use std::sync::Arc;

use domain::{PayoutDestination, TransferId, WalletId};

use super::Draft;
use crate::account::TransferKind;
use crate::batch::{
    AccountId, EXTERNAL, GivenProvider, Outcome, Owner, PaidRow, PayoutRow, Refusal, SettlementNames,
    SettlementRow, TransferRow,
};
use crate::outgoing::Outgoing;
use crate::settlement::{Closing, Paid, Payout, PayoutPayment, Sending, Settlement};

// === impl Draft ===

impl Draft<'_> {
    pub(super) fn settle(
        &mut self,
        closing: &Closing,
        destination: &PayoutDestination,
        names: SettlementNames,
    ) -> Result<Outcome, Refusal> {
        let provider = *self.facts.providers.get(&closing.provider).ok_or(Refusal::UnknownProvider)?;
        let last = self.last_settlement(&closing.provider);
        if last.cut != closing.since || last.through > closing.through {
            return Err(Refusal::Stale);
        }
        let net = closing.net().ok_or(Refusal::Amount)?;
        // Given back since the sums were read: settled for all the same, it would be there twice.
        if self.earned(provider.account) < net.atomic() {
            return Err(Refusal::Stale);
        }
        let wallet = self.way_out(destination)?;
        let at = self.delta.marker.at;
        let owner = || Owner::Payable(Arc::clone(&closing.provider));
        // Settled with for the first time.
        let payable = last.payable.unwrap_or_else(|| self.open_account(owner()));
        self.debit(provider.account, net.atomic());
        self.credit(payable, net.atomic());
        let settlement = Settlement {
            id: names.settlement,
            provider: Arc::clone(&closing.provider),
            number: last.number.saturating_add(1),
            since: closing.since,
            cut: closing.cut,
            payments: closing.payments,
            gross: closing.gross,
            fee: closing.fee,
            refunds: closing.refunds,
            adjustments: closing.adjustments,
            net,
            payout: names.payout,
            at,
        };
        let (reference, transfer) = (names.settlement.to_string(), names.transfer);
        let payout = Payout {
            id: names.payout,
            settlement: names.settlement,
            provider: Arc::clone(&closing.provider),
            destination: destination.clone(),
            amount: net,
            at,
            paid: wallet.map(|_| Paid { transfer, reference: reference.clone(), at }),
            sending: Sending::begin(destination),
        };
        if let Some((_, account)) = wallet {
            let row = self.payout_row(&payout, payable, account, transfer);
            self.post(TransferRow { wallet, external_reference: reference, ..row });
        }
        if let PayoutDestination::Chain(to) = destination {
            let (id, name) = (Outgoing::of_payout(payout.id), &closing.provider);
            self.send_out(id, name, provider.account, None, to.clone(), net);
        }
        let (account, wallet) = (provider.account, wallet.map(|(_, account)| account));
        self.delta.payouts.push(PayoutRow { payout, provider: account, payable, wallet });
        let (row, through) = (settlement.clone(), closing.through);
        self.delta.settlements.push(SettlementRow { settlement: row, through, provider: account, payable });
        Ok(Outcome::Settled(Box::new(settlement)))
    }

    /// The wallet that is paid, where one is; elsewhere the way is looked at.
    fn way_out(&mut self, destination: &PayoutDestination) -> Result<Option<(WalletId, AccountId)>, Refusal> {
        match destination {
            PayoutDestination::Wallet(wallet) => {
                // A token's account, and the suspense, look like wallets and are nobody's.
                let known = self.facts.wallets.peek(wallet).filter(|facts| facts.floor);
                Ok(Some((*wallet, known.ok_or(Refusal::UnknownWallet)?.account)))
            }
            PayoutDestination::Manual(_) => Ok(None),
            PayoutDestination::Chain(to) => self.open_way_out(to).map(|()| None),
        }
    }

    pub(super) fn pay(&mut self, payment: &PayoutPayment, id: TransferId) -> Result<Outcome, Refusal> {
        let PayoutPayment { payout, reference, idempotency_key } = payment;
        let given = self.given.payouts.get(payout).ok_or(Refusal::UnknownPayout)?;
        if let Some(earlier) = self.earlier_transfer(idempotency_key) {
            let same = earlier.payout == Some(*payout) && earlier.external_reference == *reference;
            let paid = Paid { transfer: earlier.id, reference: reference.clone(), at: earlier.at };
            let payout = Payout { paid: Some(paid), ..given.payout.clone() };
            return if same { Ok(Outcome::PaidOut(Box::new(payout))) } else { Err(Refusal::Conflict) };
        }
        let paid_now = self.delta.paid.iter().any(|row| row.payout == *payout);
        if paid_now || given.payout.paid.is_some() {
            return Err(Refusal::PaidBefore);
        }
        self.give_up_sending(*payout)?;
        let row = self.payout_row(&given.payout, given.payable, EXTERNAL, id);
        let (idempotency_key, external_reference) = (Some(idempotency_key.clone()), reference.clone());
        self.post(TransferRow { idempotency_key, external_reference, ..row });
        self.delta.paid.push(PaidRow { payout: *payout, transfer: id });
        let paid = Paid { transfer: id, reference: reference.clone(), at: self.delta.marker.at };
        let sending = given.payout.sending.as_ref().map(|_| Sending::given_up());
        Ok(Outcome::PaidOut(Box::new(Payout { paid: Some(paid), sending, ..given.payout.clone() })))
    }

    fn payout_row(&self, payout: &Payout, payable: AccountId, to: AccountId, id: TransferId) -> TransferRow {
        TransferRow {
            id,
            kind: TransferKind::Payout,
            debit: payable,
            credit: to,
            amount: payout.amount,
            wallet: None,
            payout: Some(payout.id),
            idempotency_key: None,
            external_reference: String::new(),
            at: self.delta.marker.at,
        }
    }

    /// Where a provider's settlements stand, with what this batch made of them.
    fn last_settlement(&self, name: &Arc<str>) -> GivenProvider {
        let given = self.given.providers.get(name).copied().unwrap_or_default();
        let own = self.delta.settlements.iter().rev().find(|row| row.settlement.provider == *name);
        own.map_or(given, |row| GivenProvider {
            payable: Some(row.payable),
            number: row.settlement.number,
            cut: row.settlement.cut,
            through: row.through,
        })
    }
}
