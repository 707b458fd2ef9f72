//! What the ledger says after a commit, or instead of one, against the model.

use super::actor::{Actor, Stage};
use super::model::State;
use super::world::World;
use crate::{CaptureError, Receipt, VoidError};

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
                if self.model.attempts[attempt].free {
                    self.count("captured for nothing");
                }
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
                    CaptureError::Spent => panic!("payment {attempt} names no transaction"),
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
}
