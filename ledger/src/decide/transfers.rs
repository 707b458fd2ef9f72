//! Money that comes in and goes out: fundings and withdrawals. Their idempotency keys are one set.

use domain::{TransferId, WalletId};

use super::Draft;
use crate::account::{Funding, TransferKind, Withdrawal};
use crate::batch::{EXTERNAL, Outcome, Refusal, TransferRow};
use crate::facts::WalletFacts;

/// The most one transfer may move, in atomic units: a billion dollars. With it no sum of a batch can overflow, and those
/// of the books only after thousands of such transfers.
pub(super) const TRANSFER_UNITS_MAX: i64 = 1_000_000_000_000_000;

// === impl Draft ===

impl Draft<'_> {
    pub(super) fn fund(&mut self, funding: &Funding, id: TransferId) -> Result<Outcome, Refusal> {
        let wallet = self.facts.wallets.peek(&funding.wallet).copied();
        let account = wallet.map_or(EXTERNAL, |facts| facts.account);
        let row = TransferRow {
            id,
            kind: TransferKind::Funding,
            debit: EXTERNAL,
            credit: account,
            amount: funding.amount,
            wallet: Some((funding.wallet, account)),
            payout: None,
            idempotency_key: Some(funding.idempotency_key.clone()),
            external_reference: funding.external_reference.clone(),
            at: self.delta.marker.at,
        };
        if let Some(earlier) = self.repeated(&row)? {
            return Ok(earlier);
        }
        let balance = self.balance(funding.wallet, &wallet.ok_or(Refusal::UnknownWallet)?);
        let units = funding.amount.atomic();
        if units == 0 || units > TRANSFER_UNITS_MAX || balance.checked_add(units).is_none() {
            return Err(Refusal::Amount);
        }
        self.transfer(row)
    }

    /// `covered`: memory holds the funds for it, so that no request can have them too.
    pub(super) fn withdraw(
        &mut self,
        withdrawal: &Withdrawal,
        id: TransferId,
        covered: bool,
    ) -> Result<Outcome, Refusal> {
        let wallet = self.facts.wallets.peek(&withdrawal.wallet).copied();
        let account = wallet.map_or(EXTERNAL, |facts| facts.account);
        let row = TransferRow {
            id,
            kind: TransferKind::Withdrawal,
            debit: account,
            credit: EXTERNAL,
            amount: withdrawal.amount,
            wallet: Some((withdrawal.wallet, account)),
            payout: None,
            idempotency_key: Some(withdrawal.idempotency_key.clone()),
            external_reference: withdrawal.external_reference.clone(),
            at: self.delta.marker.at,
        };
        if let Some(earlier) = self.repeated(&row)? {
            return Ok(earlier);
        }
        let wallet = wallet.ok_or(Refusal::UnknownWallet)?;
        let units = withdrawal.amount.atomic();
        if units == 0 || units > TRANSFER_UNITS_MAX {
            return Err(Refusal::Amount);
        }
        if !covered || self.balance(withdrawal.wallet, &wallet) < units {
            return Err(Refusal::Funds);
        }
        self.transfer(row)
    }

    /// The outcome of the same content before; a conflict where it was another.
    fn repeated(&self, row: &TransferRow) -> Result<Option<Outcome>, Refusal> {
        let Some(earlier) = row.idempotency_key.as_deref().and_then(|key| self.earlier_transfer(key)) else {
            return Ok(None);
        };
        let wallet = |row: &TransferRow| row.wallet.map(|(wallet, _)| wallet);
        let same = (earlier.kind, wallet(earlier), earlier.amount) == (row.kind, wallet(row), row.amount)
            && earlier.external_reference == row.external_reference;
        let transfer = earlier.transfer().filter(|_| same).ok_or(Refusal::Conflict)?;
        Ok(Some(Outcome::Moved(transfer)))
    }

    fn transfer(&mut self, row: TransferRow) -> Result<Outcome, Refusal> {
        let transfer = row.transfer().ok_or(Refusal::UnknownWallet)?;
        self.post(row);
        Ok(Outcome::Moved(transfer))
    }

    /// Moves what a transfer moves.
    pub(super) fn post(&mut self, row: TransferRow) {
        let units = row.amount.atomic();
        self.debit(row.debit, units);
        self.credit(row.credit, units);
        if let Some((wallet, account)) = row.wallet {
            let change = if row.credit == account { units } else { -units };
            *self.delta.wallets.entry(wallet).or_default() += change;
        }
        self.delta.transfers.push(row);
    }

    /// The transfer that stands under a key, in this batch or before.
    pub(super) fn earlier_transfer(&self, key: &str) -> Option<&TransferRow> {
        let mut own = self.delta.transfers.iter();
        let own = own.find(|row| row.idempotency_key.as_deref() == Some(key));
        self.given.transfers.get(key).or(own)
    }

    pub(super) fn balance(&self, wallet: WalletId, facts: &WalletFacts) -> i64 {
        facts.balance + self.delta.wallets.get(&wallet).copied().unwrap_or(0)
    }
}
