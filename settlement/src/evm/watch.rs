//! Where transactions are, from block to block: sent again, offered more for, told of, closed.

use super::flight::{Flight, Look};
use super::judge::{self, Shown};
use super::member::Member;
use super::outbox::Outbox;
use super::task::{Failure, Task};
use super::{Fees, Waiter};
use crate::chain::Depth;
use crate::rail::Settling;

/// How often a transaction is to be closed before what nodes do not tell of its members is waited for no longer: most are asked too early, and
/// some keep too little to tell ever.
const CLOSINGS_MAX: u32 = 5;

// === impl Task ===

impl<O: Outbox> Task<O> {
    /// Looks where each transaction is, closes what counts, and sends again what is in no block. One that cannot be looked after keeps
    /// no other from it.
    pub(super) async fn watch(&mut self) -> Result<(), Failure> {
        let head = self.chain.head().await?;
        let mut watched = Ok(());
        let mut place = 0;
        while place < self.flights.len() {
            match self.attend(place, head).await {
                Ok(true) => drop(self.flights.remove(place)),
                Ok(false) => place += 1,
                Err(failure) => {
                    // What was seen of it stands: one that is in a block and cannot be closed yet holds up no batch.
                    self.flights[place].look_again();
                    place += 1;
                    watched = Err(failure);
                }
            }
        }
        watched
    }

    /// Whether a transaction is closed.
    async fn attend(&mut self, place: usize, head: u64) -> Result<bool, Failure> {
        let landed = match self.flights[place].look(&self.chain, self.us, head).await? {
            Look::Landed(receipt) => Some(receipt),
            Look::Passed => None,
            Look::Included => {
                self.tell(place);
                return Ok(false);
            }
            Look::Waiting => {
                self.press(place, head).await?;
                return Ok(false);
            }
        };
        let flight = &mut self.flights[place];
        flight.closings = flight.closings.saturating_add(1);
        let (recorded, is_patient) = (flight.recorded.clone(), flight.closings < CLOSINGS_MAX);
        self.finish(&recorded, landed.as_ref(), is_patient).await?;
        // Somebody else sends by our key: whether a transfer may be sent is asked again before the next one is.
        self.is_unsure |= landed.is_none();
        Ok(true)
    }

    /// Sends a transaction again with each block, and offers more for it after some.
    async fn press(&mut self, place: usize, head: u64) -> Result<(), Failure> {
        let Some(flight) = self.flights.get(place).filter(|flight| flight.sent_at != head) else {
            return Ok(());
        };
        let is_due =
            head >= flight.offered_at.saturating_add(self.settings.bump_after) && flight.may_have_more();
        if let Some(before) = flight.newest().filter(|_| is_due) {
            let (base, tip) = self.chain.fees().await?;
            let cap = self.settings.fee_cap;
            if let Some(fees) = Fees::offer(base, tip, cap).instead_of(before.fees, cap) {
                let mut recorded = flight.recorded.clone();
                recorded.versions.push(self.version(&recorded.members, recorded.nonce, fees));
                let written = self.outbox.record(&recorded).await;
                self.is_unsure |= written.is_err();
                written?;
                let flight = &mut self.flights[place];
                flight.recorded = recorded;
                flight.offered_at = head;
            }
        }
        self.send(&self.flights[place]).await;
        self.flights[place].sent_at = head;
        Ok(())
    }

    /// Answers those who wait for a block that shows it: for what a transaction moved in one that does not count yet.
    fn tell(&mut self, place: usize) {
        let Some(Flight { recorded, seen: Some(receipt), .. }) = self.flights.get(place) else { return };
        let is_told = |waiter: &Waiter| waiter.until == Depth::Last;
        let is_awaited =
            |member: &Member| self.waiting.get(&member.id).is_some_and(|all| all.iter().any(is_told));
        if !recorded.members.iter().any(is_awaited) {
            return;
        }
        let shown = judge::shown(receipt, &recorded.members, &vec![true; recorded.members.len()], self.us);
        for (member, _) in recorded.members.iter().zip(shown).filter(|(_, shown)| *shown == Shown::Moved) {
            let Some(waiting) = self.waiting.get_mut(&member.id) else { continue };
            for told in waiting.extract_if(.., |waiter| is_told(waiter)) {
                // Whoever stopped waiting changes nothing.
                let _ = told.answer.send(Settling::Shown(receipt.transaction_hash));
            }
        }
    }
}
