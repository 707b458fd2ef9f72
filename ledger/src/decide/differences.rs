//! What a chain shows otherwise than the books say: into suspense, or out of it, once each.

use domain::{Amount, B256, PaymentId};

use super::{Draft, usage_key};
use crate::batch::{
    CallKey, DifferenceRow, GivenClosed, HeldAt, Outcome, PaymentRow, Refusal, SUSPENSE, SUSPENSE_WALLET,
};
use crate::difference::{Difference, Differs, Shown};

// === impl Draft ===

impl Draft<'_> {
    /// `late` names the payment that would book what arrived after it was written off.
    pub(super) fn differ(
        &mut self,
        payment: PaymentId,
        shown: Shown,
        late: PaymentId,
    ) -> Result<Outcome, Refusal> {
        let given = self.given.closed.get(&payment).ok_or(Refusal::UnknownPayment)?;
        let is_written = self.delta.differences.iter().any(|row| row.difference.payment == payment)
            || self.delta.resolutions.iter().any(|row| row.resolution.payment == payment);
        let (differs, amount) = match (given.moved, shown.moved()) {
            (None, Some((hash, amount))) => (Differs::Arrived(hash), amount),
            (Some(booked), None) => (Differs::Missing(booked), given.stands),
            // Of what is there instead the next look tells.
            (Some(booked), Some((_, amount))) if amount != given.stands => {
                (Differs::Missing(booked), given.stands)
            }
            (Some(booked), Some((hash, _))) if booked != hash => (Differs::Elsewhere(hash), given.stands),
            _ => return Ok(Outcome::Done),
        };
        if amount.is_zero() {
            return Err(Refusal::Amount);
        }
        if is_written || given.is_anothers {
            return Ok(Outcome::Done);
        }
        self.suspend(given, differs, amount);
        let late = match (differs, given.booked) {
            // Where some of it had been given back before, that part is the payer's, and where not all of it came, nobody has said what that is
            // for: a person says how much is whose.
            (Differs::Arrived(hash), "written_off")
                if !given.is_late && given.lost == given.amount && amount == given.amount =>
            {
                Some(self.book_late(payment, late, hash)?)
            }
            _ => None,
        };
        let difference = Difference {
            payment,
            network: given.network.clone(),
            token: given.token.clone(),
            provider: given.provider.clone(),
            amount,
            booked: given.booked,
            differs,
            late,
            at: self.delta.marker.at,
        };
        self.delta.differences.push(DifferenceRow {
            number: given.differences + 1,
            difference: difference.clone(),
            account: given.account,
            provider: given.provider_account,
        });
        Ok(Outcome::Differed(Box::new(difference)))
    }

    /// What the chain has the token's account has; whose it is, nobody has said.
    fn suspend(&mut self, given: &GivenClosed, differs: Differs, amount: Amount) {
        let units = amount.atomic();
        let change = match differs {
            Differs::Arrived(_) => {
                self.debit(given.account, units);
                self.credit(SUSPENSE, units);
                -units
            }
            Differs::Missing(_) => {
                self.debit(SUSPENSE, units);
                self.credit(given.account, units);
                units
            }
            Differs::Elsewhere(_) => return,
        };
        *self.delta.wallets.entry(given.wallet).or_default() += change;
    }

    /// Books what was written off and arrived after all, as a payment out of suspense: it is earned, settled and paid out as any other.
    fn book_late(&mut self, payment: PaymentId, late: PaymentId, hash: B256) -> Result<PaymentId, Refusal> {
        let given = self.given.payments.get(&payment).ok_or(Refusal::UnknownPayment)?;
        self.book_from_suspense(given.row.clone(), late, hash)
    }

    /// The same of what a payment would have been.
    pub(super) fn book_from_suspense(
        &mut self,
        of: PaymentRow,
        late: PaymentId,
        hash: B256,
    ) -> Result<PaymentId, Refusal> {
        let gross = self.delta.marker.gross.checked_add(of.gross.atomic()).ok_or(Refusal::Amount)?;
        self.delta.marker.seq += 1;
        self.delta.marker.gross = gross;
        let row = PaymentRow {
            seq: self.delta.marker.seq,
            id: late,
            wallet: SUSPENSE_WALLET,
            wallet_account: SUSPENSE,
            replay: None,
            digest: Some(hash),
            idempotency: None,
            captured_at: self.delta.marker.at,
            free: false,
            on_chain: None,
            late_in: None,
            ..of
        };
        // What was given back gave these back.
        for key in row.windows() {
            self.charge_window(key, row.gross, None);
        }
        let month = HeldAt::new(row.held_at).month;
        let calls = CallKey { agent: row.agent, provider: row.provider_account, month };
        let counted = self.delta.calls.entry(calls).or_default();
        counted.made += 1;
        counted.spent += row.gross.atomic();
        self.debit(SUSPENSE, row.gross.atomic());
        self.credit(row.provider_account, row.gross.atomic() - row.fee.atomic());
        self.credit(row.fee_account, row.fee.atomic());
        let usage = self.delta.usage.entry(usage_key(self.delta.marker.at, &row)).or_default();
        usage.payments += 1;
        usage.gross += row.gross.atomic();
        usage.fee += row.fee.atomic();
        self.delta.payments.push(row);
        Ok(late)
    }
}
