//! Money that moves and is no capture, in the [`Model`] and against it: refunds, fundings, withdrawals.
//!
//! A withdrawal on its way holds its funds in the ledger's memory. When it begins to is the writer's business: the model
//! takes what memory holds beyond its own holds for that, as long as it is not more than what is on its way.

use super::actor::{Actor, Funds, Stage};
use super::call::{WALLETS, wallet};
use super::model::{Delivery, Model, State};
use super::world::World;
use crate::health::Cause;
use crate::{LedgerError, Refunded, Transfer, TransferKind};

// === impl Model ===

impl Model {
    pub(super) fn give_back(&mut self, index: usize, refunded: &Refunded) {
        let attempt = &mut self.attempts[index];
        let State::Paid(paid) = &mut attempt.state else { panic!("refund of {:?}", attempt.state) };
        assert!(!paid.refunded, "payment {index} was refunded twice");
        paid.back += refunded.amount.atomic();
        assert_eq!(paid.units - paid.back, refunded.remains.atomic(), "what is left of payment {index}");
        paid.refunded = refunded.is_whole();
        if refunded.is_whole() {
            if attempt.delivery == Delivery::Refunding {
                attempt.delivery = Delivery::Over;
            }
            self.refunding.retain(|(_, other, _)| *other != index);
        } else {
            self.refunding.retain(|(_, other, much)| *other != index || much.is_none());
        }
    }

    /// Withdrawals of a wallet on their way.
    pub(super) fn leaving(&self, wallet: u8) -> i64 {
        let out = self.funding.iter().filter(|(other, units, _)| *other == wallet && *units < 0);
        out.map(|(_, units, _)| -units).sum()
    }

    /// What a new request may hold.
    pub(super) fn available(&self, wallet: u8) -> i64 {
        self.balance(wallet) - self.held(wallet) - self.covered[usize::from(wallet)]
    }
}

// === impl World ===

impl World {
    /// What withdrawals hold now.
    pub(super) fn note_covered(&mut self) {
        if self.disk.lock().split {
            return;
        }
        for number in 0..WALLETS {
            let held = self.ledger.shared.memory.lock().wallet(&wallet(number)).map_or(0, |(_, held)| held);
            self.model.covered[usize::from(number)] = held - self.model.held(number);
        }
    }

    /// Whether a withdrawal may not be covered now.
    pub(super) fn note_short(&self, actor: &mut Actor) {
        let Stage::Funding((number, units, _), _) = actor.stage else { return };
        let others = self.model.leaving(number) + units.min(0);
        let left = self.model.balance(number) - self.model.held(number) - others;
        actor.excuse.short |= left + units < 0;
    }

    pub(super) fn hear_moved(&mut self, actor: &Actor, funds: Funds, moved: Result<Transfer, LedgerError>) {
        let (number, units, key) = funds;
        // After a disk that failed for good the writer still reads what it does not know to stand.
        let stands = self.model.funded(key).or_else(|| self.disk.lock().moved(key));
        let faulty = self.disk.lock().fired > actor.since;
        let right = match &moved {
            Ok(transfer) => {
                let out = transfer.kind == TransferKind::Withdrawal;
                (transfer.wallet, transfer.amount.atomic(), out) == (wallet(number), units.abs(), units < 0)
                    && stands == Some((number, units))
            }
            Err(LedgerError::Conflict) => stands.is_some_and(|stands| stands != (number, units)),
            Err(LedgerError::Amount) => units == 0,
            Err(LedgerError::Funds) => actor.excuse.short,
            Err(LedgerError::Unavailable | LedgerError::Unknown) => faulty || actor.excuse.closed,
            Err(LedgerError::Overloaded) => actor.excuse.full,
            Err(_) => false,
        };
        let words = match (units < 0, &moved) {
            (false, Ok(_)) => "funded",
            (false, Err(_)) => "not funded",
            (true, Ok(_)) => "withdrawn",
            (true, Err(LedgerError::Funds)) => "not enough to withdraw",
            (true, Err(_)) => "not withdrawn",
        };
        self.say(actor, words);
        assert!(right, "transfer of {funds:?}: {moved:?}, {stands:?} stands");
        // After a disk that failed for good nobody knows whether it stands.
        let known = self.ledger.shared.gate.cause() != Some(Cause::Disk);
        if let Some(index) = self.model.funding.iter().position(|other| known && *other == funds) {
            self.model.funding.remove(index);
        }
    }

    pub(super) fn hear_refunded(
        &mut self,
        actor: &Actor,
        attempt: usize,
        refunded: Result<Refunded, LedgerError>,
    ) {
        let state = self.model.attempts[attempt].state;
        let known = matches!(state, State::Paid(paid) if paid.refunded);
        let gone = known || self.disk.lock().refunded(self.model.attempts[attempt].id);
        let faulty = self.disk.lock().fired > actor.since;
        let right = match &refunded {
            Ok(refunded) => self.disk.lock().tables.refunds.iter().any(|row| row.refunded == *refunded),
            Err(LedgerError::RefundedBefore) => gone,
            // It was asked for before its payment stood.
            Err(LedgerError::UnknownPayment) => actor.allowed.is_empty(),
            Err(LedgerError::Unavailable | LedgerError::Unknown) => faulty || actor.excuse.closed,
            Err(LedgerError::Overloaded) => actor.excuse.full,
            Err(_) => false,
        };
        let words = match &refunded {
            Ok(refunded) if refunded.is_whole() => "refunded",
            Ok(_) => "refunded in part",
            Err(_) => "not refunded",
        };
        self.say(actor, words);
        assert!(right, "refund of payment {attempt}, which is {state:?}: {refunded:?}");
    }
}
