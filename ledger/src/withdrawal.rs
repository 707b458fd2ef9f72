//! [`Withdrawing`]: a withdrawal on its way to the disk, with its funds held in memory meanwhile: no request can hold them
//! between its decision and its commit.

use std::sync::Arc;

use crate::account::Withdrawal;
use crate::memory::Memory;
use crate::shared::Shared;

/// Whoever drops it gives back what it holds, once.
#[derive(Debug)]
pub(crate) struct Withdrawing {
    shared: Arc<Shared>,
    withdrawal: Withdrawal,
    covered: bool,
    /// Only asked what would come of it: nothing is held, and no request hears that there is less.
    is_dry_run: bool,
}

// === impl Withdrawing ===

impl Withdrawing {
    pub(crate) fn new(shared: &Arc<Shared>, withdrawal: Withdrawal, is_dry_run: bool) -> Self {
        Self { shared: Arc::clone(shared), withdrawal, covered: false, is_dry_run }
    }

    pub(crate) const fn withdrawal(&self) -> &Withdrawal {
        &self.withdrawal
    }

    /// Whether its funds are there, and held.
    pub(crate) const fn is_covered(&self) -> bool {
        self.covered
    }

    /// Holds its funds, where the wallet has them: what other requests hold is theirs.
    pub(crate) fn cover(&mut self, memory: &mut Memory) {
        let Withdrawal { wallet, amount, .. } = &self.withdrawal;
        let available = memory.wallet(wallet).map_or(0, |(balance, held)| balance - held);
        if !self.covered && available >= amount.atomic() {
            if !self.is_dry_run {
                memory.holds.cover(*wallet, *amount);
            }
            self.covered = true;
        }
    }

    /// Gives back what it holds, in a memory that is locked already.
    pub(crate) fn release(&mut self, memory: &mut Memory) {
        if std::mem::take(&mut self.covered) && !self.is_dry_run {
            memory.holds.uncover(self.withdrawal.wallet, self.withdrawal.amount);
        }
    }
}

impl Drop for Withdrawing {
    fn drop(&mut self) {
        if self.covered {
            let shared = Arc::clone(&self.shared);
            self.release(&mut shared.memory.lock());
        }
    }
}
