//! What the ledger says after a commit, or instead of one, against the model.

use super::actor::{Actor, Funds, Stage};
use super::call::wallet;
use super::model::State;
use super::world::World;
use crate::health::Cause;
use crate::{CaptureError, LedgerError, Receipt, Refunded, Transfer, VoidError};

// === impl World ===

impl World {
    pub(super) fn hear_captured(
        &mut self,
        actor: &mut Actor,
        attempt: usize,
        captured: Result<Receipt, CaptureError>,
    ) {
        let state = self.model.attempts[attempt].state;
        let faulty = self.disk.lock().fired > actor.since;
        match captured {
            Ok(receipt) => {
                self.say(actor, "captured");
                let State::Paid(paid) = state else {
                    panic!("told that payment {attempt} stands: {state:?}")
                };
                assert_eq!(receipt.record().amount.atomic(), paid.units, "what payment {attempt} took");
                actor.stage = Stage::Paid(attempt, receipt);
            }
            // It is made up for, now or later: only the disk ends it.
            Err(CaptureError::Unknown) if self.model.attempts[attempt].call.durable => {
                self.say(actor, "capture put off");
                assert!(faulty, "payment {attempt} was put off without a fault");
            }
            Err(error) => {
                assert!(!self.model.attempts[attempt].call.durable, "a hold on disk was told {error}");
                let State::Queued(ticket) = state else {
                    panic!("told {error}, payment {attempt} is {state:?}")
                };
                let (words, after) = match error {
                    CaptureError::Failed => ("capture failed", State::Over),
                    CaptureError::Refused => ("capture refused", State::Over),
                    CaptureError::Unknown => ("capture unknown", State::Unknown(ticket)),
                };
                self.say(actor, words);
                let id = self.model.attempts[attempt].id;
                let refused = error != CaptureError::Refused || self.disk.lock().refused.contains(&id);
                assert!(faulty && refused, "payment {attempt} {words} without a reason");
                self.model.attempts[attempt].state = after;
            }
        }
    }

    pub(super) fn hear_voided(&mut self, actor: &Actor, attempt: usize, voided: Result<(), VoidError>) {
        let state = self.model.attempts[attempt].state;
        if voided.is_ok() {
            self.say(actor, "voided");
            assert_eq!(state, State::Over, "payment {attempt} was voided");
        } else {
            self.say(actor, "void put off");
            assert!(self.disk.lock().fired > actor.since, "a void without a fault is unknown");
        }
    }

    pub(super) fn hear_funded(&mut self, actor: &Actor, funds: Funds, funded: Result<Transfer, LedgerError>) {
        let (number, units, key) = funds;
        // After a disk that failed for good the writer still reads what it does not know to stand.
        let stands = self.model.funded(key).or_else(|| self.disk.lock().funded(key));
        let faulty = self.disk.lock().fired > actor.since;
        let right = match &funded {
            Ok(transfer) => {
                (transfer.wallet, transfer.amount.atomic()) == (wallet(number), units)
                    && stands == Some((number, units))
            }
            Err(LedgerError::Conflict) => stands.is_some_and(|stands| stands != (number, units)),
            Err(LedgerError::Amount) => units == 0,
            Err(LedgerError::Unavailable) => faulty || actor.excuse.closed,
            Err(LedgerError::Overloaded) => actor.excuse.full,
            Err(_) => false,
        };
        self.say(actor, if funded.is_ok() { "funded" } else { "not funded" });
        assert!(right, "funding of {funds:?}: {funded:?}, {stands:?} stands");
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
            Ok(_) | Err(LedgerError::RefundedBefore) => gone,
            // It was asked for before its payment stood.
            Err(LedgerError::UnknownPayment) => actor.allowed.is_empty(),
            Err(LedgerError::Unavailable) => faulty || actor.excuse.closed,
            Err(LedgerError::Overloaded) => actor.excuse.full,
            Err(_) => false,
        };
        self.say(actor, if refunded.is_ok() { "refunded" } else { "not refunded" });
        assert!(right, "refund of payment {attempt}, which is {state:?}: {refunded:?}");
    }
}
