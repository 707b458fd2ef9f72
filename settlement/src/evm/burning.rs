//! [`Burning`]: payers whose call failed in a block, though a node had said that it would not, and nobody else's can be why. Their code can
//! tell one from the other, and what it takes of gas we pay: such a payer is left alone for a while, and one with code goes alone.

use std::collections::HashMap;
use std::time::Duration;

use alloy_primitives::Address;
use tokio::time::Instant;

use super::member::Member;
use super::outbox::Outbox;
use super::task::{Failure, Task};
use crate::rail::Settling;

/// For how long nothing is sent for such a payer.
const LEFT_ALONE: Duration = Duration::from_secs(600);

/// Payers that are remembered.
const PAYERS_MAX: usize = 4_096;

const FAILED_BEFORE: &str = "a call of its payer's failed in a block a while ago";

/// Who is left alone, and since when.
#[derive(Default)]
pub(super) struct Burning {
    since: HashMap<Address, Instant>,
}

// === impl Burning ===

impl Burning {
    /// A member was not moved by a transaction that is in a block, and it is to blame for that.
    pub(super) fn note(&mut self, member: &Member) {
        let Some(payer) = member.payer() else { return };
        if self.since.len() >= PAYERS_MAX {
            self.since.retain(|_, since| since.elapsed() < LEFT_ALONE);
        }
        if self.since.len() < PAYERS_MAX {
            self.since.insert(payer, Instant::now());
        }
    }

    fn has(&self, member: &Member) -> bool {
        let since = member.payer().and_then(|payer| self.since.get(&payer));
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

    /// Has those wait to go alone whose payers have code beside their keys. It is looked for as late as can be, and before a node is asked what
    /// the calls would do: code may be there since a moment ago, and makes that answer worth nothing for the others.
    pub(super) async fn set_apart(&mut self, batch: &mut Vec<Member>) -> Result<(), Failure> {
        let keys: Vec<Address> = batch.iter().filter_map(Member::key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let with_code = self.chain.with_code(&keys).await?;
        let has_code = |member: &mut Member| member.key().is_some_and(|payer| with_code.contains(&payer));
        for member in batch.extract_if(.., has_code) {
            self.queue.push_back(Member { has_code: true, ..member });
        }
        Ok(())
    }
}
