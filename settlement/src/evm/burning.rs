//! [`Burning`]: contracts of payers whose call failed in a block, though a node had said that it would not. They can tell one from the
//! other, and what they take of gas we pay: such a payer is left alone for a while.

use std::collections::HashMap;
use std::time::Duration;

use alloy_primitives::Address;
use tokio::time::Instant;

use super::member::Member;
use super::outbox::Outbox;
use super::task::Task;
use crate::rail::Settling;

/// For how long nothing is sent for such a payer.
const LEFT_ALONE: Duration = Duration::from_secs(600);

/// Payers that are remembered.
const PAYERS_MAX: usize = 4_096;

const FAILED_BEFORE: &str = "a call of its payer's contract failed in a block a while ago";

/// Who is left alone, and since when.
#[derive(Default)]
pub(super) struct Burning {
    since: HashMap<Address, Instant>,
}

// === impl Burning ===

impl Burning {
    /// A member was not moved by a transaction that is in a block.
    pub(super) fn note(&mut self, member: &Member) {
        let Some(payer) = member.contract() else { return };
        if self.since.len() >= PAYERS_MAX {
            self.since.retain(|_, since| since.elapsed() < LEFT_ALONE);
        }
        if self.since.len() < PAYERS_MAX {
            self.since.insert(payer, Instant::now());
        }
    }

    fn has(&self, member: &Member) -> bool {
        let since = member.contract().and_then(|payer| self.since.get(&payer));
        since.is_some_and(|since| since.elapsed() < LEFT_ALONE)
    }
}

// === impl Task ===

impl<O: Outbox> Task<O> {
    /// Answers those whose payers are left alone: their signatures may stand in a block already, so that nobody knows.
    pub(super) fn leave_out_burning(&mut self, batch: &mut Vec<Member>) {
        let left: Vec<Member> = batch.extract_if(.., |member| self.burning.has(member)).collect();
        left.iter().for_each(|member| self.answer(&member.id, &Settling::Unknown(FAILED_BEFORE.to_owned())));
    }
}
