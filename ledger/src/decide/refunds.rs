//! Refunds: a payment goes back the way it came, whole or in parts, and never more of it than it took.
//!
//! The fee returns in proportion to all that was given back so far, rounded down: a whole payment takes its whole fee
//! along, in however many parts. Windows get each part back; the tier's count and the identifier wait for the whole.

use domain::{Amount, PaymentId, TransferId};

use super::{Draft, usage_key};
use crate::account::{RefundReason, Refunded};
use crate::batch::{
    AccountId, CallKey, End, FreeKey, GivenBack, GivenPayment, HeldAt, Outcome, PaymentRow, RefundRow,
    Refusal, SUSPENSE,
};
use crate::deposit::DEPOSITS;
use crate::outgoing::Outgoing;

/// Parts in which a payment is given back before the rest has to go as a whole.
const PARTS_MAX: i64 = 32;

/// A part is at least one of so many of the payment.
const PART_OF_MAX: i64 = 100;

/// What is to be given back.
pub(super) struct Asked<'a> {
    pub(super) payment: PaymentId,
    /// None: all that is left.
    pub(super) amount: Option<Amount>,
    pub(super) reason: RefundReason,
    /// The idempotency key of a person who asks.
    pub(super) key: Option<&'a str>,
}

// === impl Draft ===

impl Draft<'_> {
    pub(super) fn refund(&mut self, asked: &Asked<'_>, id: TransferId) -> Result<Outcome, Refusal> {
        if let Some(earlier) = asked.key.and_then(|key| self.earlier_refund(key)) {
            let same = (earlier.payment, earlier.reason) == (asked.payment, asked.reason)
                && asked.amount.is_none_or(|amount| amount == earlier.amount);
            return if same { Ok(Outcome::Refunded(earlier)) } else { Err(Refusal::Conflict) };
        }
        let given = self.given.payments.get(&asked.payment).ok_or(Refusal::UnknownPayment)?;
        let row = &given.row;
        let is_written_off = asked.reason == RefundReason::WrittenOff;
        if &*row.provider == DEPOSITS {
            return Err(Refusal::Deposit);
        }
        if is_written_off && !self.is_open(given) {
            return Err(Refusal::NotOpen);
        }
        if row.wallet_account == SUSPENSE {
            return Err(Refusal::OutOfSuspense);
        }
        let back = self.back(given);
        let left = back.map_or(row.gross.atomic(), |back| row.gross.atomic() - back.amount);
        let left = Amount::from_atomic(left).unwrap_or_default();
        if back.is_some() && left.is_zero() {
            return if is_written_off {
                Ok(self.write_off_nothing(given, id))
            } else {
                Err(Refusal::RefundedBefore)
            };
        }
        let fee_back = back.and_then(|back| Amount::from_atomic(back.fee)).unwrap_or_default();
        let amount = asked.amount.unwrap_or(left);
        let remains = left.checked_sub(amount).ok_or(Refusal::RefundExceeds)?;
        if amount.is_zero() && !left.is_zero() {
            return Err(Refusal::Amount);
        }
        expect_part(amount, (row.gross, left), back)?;
        let to = self.way_back(asked, given, amount)?;
        let fee = row.fee.pro_rata(row.gross.saturating_sub(remains), row.gross).saturating_sub(fee_back);
        if !self.is_covered(asked, row, amount.atomic() - fee.atomic()) {
            return Err(Refusal::Earnings);
        }
        if is_written_off {
            self.close_intent(row.id, End::WrittenOff, None);
            self.keep_back(given);
        }
        self.move_back(row, amount, fee);
        self.give_back(row, amount, remains.is_zero());
        let Asked { payment, reason, key, .. } = *asked;
        let refunded = Refunded { id, payment, amount, fee, remains, reason, at: self.delta.marker.at };
        self.delta.refunds.push(RefundRow {
            seq: row.seq,
            provider: row.provider_account,
            refunded,
            idempotency_key: key.map(str::to_owned),
        });
        if let Some(to) = to {
            let account = row.provider_account;
            self.send_out(Outgoing::of_refund(id), &row.provider, account, Some(given), to, amount);
        }
        Ok(Outcome::Refunded(refunded))
    }

    /// A payment that never came and was given back whole before: nobody has anything, and nothing is sent.
    fn write_off_nothing(&mut self, given: &GivenPayment, id: TransferId) -> Outcome {
        self.close_intent(given.row.id, End::WrittenOff, None);
        self.keep_back(given);
        let (amount, reason, at) = (Amount::ZERO, RefundReason::WrittenOff, self.delta.marker.at);
        let payment = given.row.id;
        Outcome::Refunded(Refunded { id, payment, amount, fee: amount, remains: amount, reason, at })
    }

    /// Whether a payment is still to come from a public network.
    pub(super) fn is_open(&self, given: &GivenPayment) -> bool {
        let mut closed = self.delta.closed.iter().filter(|row| row.end.name().is_some());
        given.is_open && !closed.any(|row| row.payment == given.row.id)
    }

    /// Whether a provider has what is to be given back: money that was settled has left, and given back as well it would be
    /// there twice. The operator may decide so all the same, and the platform stands in until the provider earns again; of
    /// what it earns then the gateway gives back by itself, too, what an upstream broke off. What was paid before a call that failed is given
    /// back in any case.
    fn is_covered(&self, asked: &Asked<'_>, row: &PaymentRow, net: i64) -> bool {
        let earned = self.earned(row.provider_account);
        let is_decided = matches!(asked.reason, RefundReason::Operator | RefundReason::WrittenOff)
            || (asked.key.is_none() && (earned < 0 || asked.reason == RefundReason::UpstreamFailed));
        is_decided || earned >= net
    }

    /// What a provider earned and was not settled with for, this batch included.
    pub(super) fn earned(&self, provider: AccountId) -> i64 {
        let before = self.given.earned.get(&provider).copied().unwrap_or_default();
        let own = self.delta.balances.get(&provider).copied().unwrap_or_default();
        before.saturating_add(own.credit).saturating_sub(own.debit)
    }

    fn earlier_refund(&self, key: &str) -> Option<Refunded> {
        let mut own = self.delta.refunds.iter();
        let own = own.find(|row| row.idempotency_key.as_deref() == Some(key)).map(|row| row.refunded);
        self.given.refunds.get(key).copied().or(own)
    }

    /// What was given back of a payment, in this batch too.
    fn back(&self, given: &GivenPayment) -> Option<GivenBack> {
        let own = self.delta.refunds.iter().filter(|row| row.seq == given.row.seq);
        own.fold(given.back, |back, row| {
            let GivenBack { amount, fee, parts } = back.unwrap_or_default();
            let Refunded { amount: more, fee: more_fee, .. } = &row.refunded;
            let (amount, fee) = (amount + more.atomic(), fee + more_fee.atomic());
            Some(GivenBack { amount, fee, parts: parts + 1 })
        })
    }

    fn move_back(&mut self, row: &PaymentRow, amount: Amount, fee: Amount) {
        self.credit(row.wallet_account, amount.atomic());
        self.debit(row.provider_account, amount.atomic() - fee.atomic());
        self.debit(row.fee_account, fee.atomic());
        *self.delta.wallets.entry(row.wallet).or_default() += amount.atomic();
        let usage = self.delta.usage.entry(usage_key(self.delta.marker.at, row)).or_default();
        usage.refunds += 1;
        usage.refunded += amount.atomic();
        usage.refunded_fee += fee.atomic();
    }

    /// What a refund takes out of windows, tiers, free calls and identifiers.
    fn give_back(&mut self, row: &PaymentRow, amount: Amount, whole: bool) {
        let held = HeldAt::new(row.held_at);
        for key in row.windows() {
            self.delta.windows.entry(key).or_default().returned += amount.atomic();
        }
        let calls = CallKey { agent: row.agent, provider: row.provider_account, month: held.month };
        let counted = self.delta.calls.entry(calls).or_default();
        counted.refunded += amount.atomic();
        if whole {
            counted.returned += 1;
            if row.free {
                *self.delta.free.entry(FreeKey::of_row(row)).or_default() -= 1;
            }
            self.delta.released.extend(row.idempotency.map(|key| (key, row.id)));
        }
    }
}

/// Refuses crumbs: each part is a transaction of the treasury on a public network, and read again with each later one. All that is
/// left may always go.
fn expect_part(
    amount: Amount,
    (gross, left): (Amount, Amount),
    back: Option<GivenBack>,
) -> Result<(), Refusal> {
    let parts = back.map_or(0, |back| back.parts);
    let hundredth = Amount::from_atomic(gross.atomic() / PART_OF_MAX).unwrap_or_default();
    let least = if parts < PARTS_MAX { hundredth.min(left) } else { left };
    if amount < least { Err(Refusal::RefundPart { least, left }) } else { Ok(()) }
}
