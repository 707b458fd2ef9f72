//! Deposits: what came from a public network for a wallet, and is the wallet's with the same commit.
//!
//! The payment credits an account that stands for all deposits, and the funding empties it: both have the payment's name, so that
//! one cannot stand without the other.

use domain::{Amount, TransferId};

use super::Draft;
use super::transfers::TRANSFER_UNITS_MAX;
use crate::account::TransferKind;
use crate::batch::{AccountId, End, Refusal, TransferRow};
use crate::hold::HoldRequest;

// === impl Draft ===

impl Draft<'_> {
    /// What a deposit gives its wallet out of the account that it is paid to; none where the payment is none. Only what moved for
    /// good is given: a wallet spends it at once, and nobody could take it back.
    pub(super) fn deposited(
        &self,
        request: &HoldRequest,
        from: AccountId,
        amount: Amount,
        moved: Option<End>,
    ) -> Result<Option<TransferRow>, Refusal> {
        let intent = request.intent.as_ref();
        let Some((intent, wallet)) = intent.and_then(|intent| Some((intent, intent.deposit?))) else {
            return Ok(None);
        };
        let Some(End::Settled(transaction)) = moved else { return Err(Refusal::Step) };
        let facts = *self.facts.wallets.peek(&wallet).ok_or(Refusal::UnknownWallet)?;
        let is_bounded = amount.atomic() <= TRANSFER_UNITS_MAX;
        let after = self.balance(wallet, &facts).checked_add(amount.atomic());
        after.filter(|_| is_bounded).ok_or(Refusal::Amount)?;
        Ok(Some(TransferRow {
            id: TransferId::from_bytes(*request.payment.as_bytes()),
            kind: TransferKind::Funding,
            debit: from,
            credit: facts.account,
            amount,
            wallet: Some((wallet, facts.account)),
            payout: None,
            // A space: no key of a caller's own is like it.
            idempotency_key: Some(format!("deposit {}", request.payment)),
            external_reference: format!("{} {transaction}", intent.network),
            at: self.delta.marker.at,
        }))
    }
}
