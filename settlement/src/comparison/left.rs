//! Whether the chains show what the books say has left our treasury.

use std::sync::Arc;

use domain::{Address, Amount, B256, OutgoingId, UnixMillis};
use ledger::{Ledger, LedgerError, Outgoing};

use super::{Chains, Comparison, Only, PAGE_MAX};
use crate::rail::units;

/// A transfer that the books have as paid, in a transaction that does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Which.
    pub outgoing: OutgoingId,
    /// CAIP-2.
    pub network: Arc<str>,
    /// Atomic units of its token.
    pub amount: Amount,
    /// Whom it was to go to.
    pub to: Address,
    /// In which transaction the books say that it did.
    pub transaction: B256,
}

// === impl Comparison ===

impl Comparison {
    /// Takes in what the books say has left.
    pub async fn add_left(&mut self, left: Vec<Outgoing>, chains: &Chains) {
        for outgoing in left {
            let (Some(chain), Some(transaction)) = (chains.get(&outgoing.to.network), outgoing.transaction)
            else {
                self.unread += 1;
                continue;
            };
            let (to, amount) = (outgoing.to.address, outgoing.amount);
            match chain.pays(outgoing.to.token, None, to, units(amount), transaction).await {
                Ok(is_shown) => {
                    self.left += 1;
                    let (outgoing, network) = (outgoing.id, outgoing.to.network);
                    let stray = Stray { outgoing, network, amount, to, transaction };
                    self.strays.extend((!is_shown).then_some(stray));
                }
                Err(_) => self.unread += 1,
            }
        }
    }
}

/// Before all that left from a time on.
#[must_use]
pub const fn left_since(at: UnixMillis) -> (UnixMillis, OutgoingId) {
    (at, OutgoingId::from_bytes([0; 16]))
}

/// The place behind a page, where there may be more.
#[must_use]
pub fn behind(page: &[Outgoing]) -> Option<(UnixMillis, OutgoingId)> {
    page.last().map(|outgoing| (outgoing.changed_at, outgoing.id))
}

/// All that left from a time on, or only these.
pub(super) async fn add(
    comparison: &mut Comparison,
    ledger: &Ledger,
    chains: &Chains,
    since: UnixMillis,
    only: Option<&Only>,
) -> Result<(), LedgerError> {
    let mut after = left_since(since);
    loop {
        let mut left = ledger.outgoing_paid(after, PAGE_MAX).await?;
        let Some(last) = behind(&left) else { return Ok(()) };
        after = last;
        left.retain(|left| only.is_none_or(|only| only.outgoing.contains(&left.id)));
        comparison.add_left(left, chains).await;
    }
}
