//! What stands, as an accountant would write it down: payments, transfers, settlements, one after the other, and nothing
//! summed.

use std::collections::HashMap;

use domain::{PaymentId, Window};

use super::{Call, Step, agent_id, amount};
use crate::batch::Refusal;

#[derive(Default)]
pub(super) struct Model {
    wallets: Vec<u8>,
    providers: Vec<usize>,
    /// Wallet and units by key; what went out is negative.
    transfers: HashMap<u8, (u8, i64)>,
    pub(super) payments: Vec<Paid>,
    /// Of each refund by a key, its payment and amount.
    refunds: HashMap<u8, (usize, i64)>,
    pub(super) payouts: Vec<Owed>,
    /// How many payments and payouts stood before the batch: nobody can name the others yet.
    standing: (usize, usize),
}

#[derive(Clone)]
pub(super) struct Paid {
    pub(super) id: PaymentId,
    call: Call,
    pub(super) gross: i64,
    /// What was given back, in order, and the batch.
    back: Vec<(i64, i64)>,
    /// What of that a settlement took off.
    accounted: i64,
    settled: bool,
    whole: bool,
}

/// A payout.
#[derive(Clone, Copy)]
pub(super) struct Owed {
    provider: usize,
    units: i64,
    paid: Option<u8>,
    wallet: Option<u8>,
}

/// What the model says of one operation: what was moved, or nothing.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Done,
    Moved(i64),
    Refused(Refusal),
}

// === impl Model ===

impl Model {
    pub(super) fn begin_batch(&mut self) {
        self.standing = (self.payments.len(), self.payouts.len());
    }

    /// `batch` is the one that decides it.
    pub(super) fn say(&mut self, step: &Step, id: PaymentId, batch: i64) -> Said {
        match step {
            Step::Create { wallet } => {
                self.wallets.push(*wallet);
                Said::Done
            }
            Step::Open { provider } => {
                self.providers.push(*provider);
                Said::Done
            }
            Step::Move { wallet, units, key } => self.transfer(*wallet, *units, *key),
            Step::Capture(call) => self.capture(call, id),
            Step::Refund { payment, units, key } => self.refund(*payment, *units, *key, batch),
            Step::Settle { provider, wallet, stale } => self.settle(*provider, *wallet, *stale, batch),
            Step::Pay { payout, key } => self.pay(*payout, *key),
        }
    }

    fn transfer(&mut self, wallet: u8, units: i64, key: u8) -> Said {
        match self.transfers.get(&key) {
            Some(earlier) if *earlier == (wallet, units) => return Said::Moved(units.abs()),
            Some(_) => return Said::Refused(Refusal::Conflict),
            None if self.payouts.iter().any(|owed| owed.paid == Some(key)) => {
                return Said::Refused(Refusal::Conflict);
            }
            None => {}
        }
        if !self.wallets.contains(&wallet) {
            return Said::Refused(Refusal::UnknownWallet);
        }
        if units == 0 {
            return Said::Refused(Refusal::Amount);
        }
        if self.balance(wallet) + units < 0 {
            return Said::Refused(Refusal::Funds);
        }
        self.transfers.insert(key, (wallet, units));
        Said::Moved(units.abs())
    }

    fn capture(&mut self, call: &Call, id: PaymentId) -> Said {
        let same_nonce = |paid: &Paid| {
            call.nonce.is_some() && (paid.call.nonce, paid.call.agent) == (call.nonce, call.agent)
        };
        if self.payments.iter().any(same_nonce) {
            return Said::Refused(Refusal::Duplicate);
        }
        if !self.wallets.contains(&call.wallet) {
            return Said::Refused(Refusal::UnknownWallet);
        }
        if !self.providers.contains(&call.provider) {
            return Said::Refused(Refusal::UnknownProvider);
        }
        let month = call.held().month;
        let counted = |paid: &&Paid| {
            !paid.whole
                && (paid.call.agent, paid.call.provider) == (call.agent, call.provider)
                && paid.call.held().month == month
        };
        let number = self.payments.iter().filter(counted).count() as u64 + 1;
        let price = if call.free { 0 } else { call.price().at_call(number).atomic() };
        let gross = call.used.map_or(price, |used| used.min(price));
        if self.balance(call.wallet) < gross {
            return Said::Refused(Refusal::Funds);
        }
        for window in [Window::Day, Window::Month, Window::Hour] {
            if self.over(call, window, gross) {
                return Said::Refused(Refusal::Limit);
            }
        }
        let (call, back) = (call.clone(), Vec::new());
        self.payments.push(Paid { id, call, gross, back, accounted: 0, settled: false, whole: false });
        Said::Moved(gross)
    }

    fn over(&self, call: &Call, window: Window, gross: i64) -> bool {
        let limit = |call: &Call| {
            let limit = match window {
                Window::Hour => call.per_hour,
                Window::Day => call.per_day,
                Window::Month => call.per_month,
            };
            limit.unwrap_or(i64::MAX)
        };
        // An hour counts only what was held while it had a limit.
        let counts = |call: &Call| window != Window::Hour || call.per_hour.is_some();
        if !counts(call) {
            return false;
        }
        let of = |call: &Call| call.held().key(agent_id(call.agent), window, None);
        let inside = |paid: &&Paid| counts(&paid.call) && of(&paid.call) == of(call);
        let spent: i64 = self.payments.iter().filter(inside).map(Paid::left).sum();
        let wall = self.payments.iter().filter(inside).map(|paid| limit(&paid.call)).max().unwrap_or(0);
        spent + gross > wall.max(limit(call))
    }

    /// No key: all that is left, as an automatic refund.
    fn refund(&mut self, number: usize, units: Option<i64>, key: Option<u8>, batch: i64) -> Said {
        if let Some((payment, given)) = key.and_then(|key| self.refunds.get(&key)) {
            let same = *payment == number && units.is_none_or(|units| units == *given);
            return if same { Said::Moved(*given) } else { Said::Refused(Refusal::Conflict) };
        }
        if number >= self.standing.0 {
            return Said::Refused(Refusal::UnknownPayment);
        }
        let paid = &self.payments[number];
        if paid.whole {
            return Said::Refused(Refusal::RefundedBefore);
        }
        let left = paid.left();
        let units = units.unwrap_or(left);
        if units > left {
            return Said::Refused(Refusal::RefundExceeds);
        }
        if units == 0 && left > 0 {
            return Said::Refused(Refusal::Amount);
        }
        let back = paid.gross - left;
        let (provider, net) = (paid.call.provider, paid.net(back + units) - paid.net(back));
        let earned = self.earned(provider);
        let covered = match key {
            Some(key) => !is_of_the_provider(key) || earned >= net,
            None => earned < 0 || earned >= net,
        };
        if !covered {
            return Said::Refused(Refusal::Earnings);
        }
        let paid = &mut self.payments[number];
        paid.back.push((units, batch));
        paid.whole = units == left;
        self.refunds.extend(key.map(|key| (key, (number, units))));
        Said::Moved(units)
    }

    /// All that was captured before this batch. What was given back since is for the next time.
    fn settle(&mut self, provider: usize, wallet: Option<u8>, stale: bool, batch: i64) -> Said {
        if stale {
            return Said::Refused(Refusal::Stale);
        }
        let (mut net, standing) = (0, self.standing.0);
        for paid in self.payments.iter().take(standing).filter(|paid| paid.call.provider == provider) {
            net += if paid.settled { 0 } else { paid.net(paid.gross) };
            net -= paid.net(paid.back_before(batch)) - paid.accounted;
        }
        if net <= 0 {
            return Said::Refused(Refusal::Amount);
        }
        if self.earned(provider) < net {
            return Said::Refused(Refusal::Stale);
        }
        if wallet.is_some_and(|wallet| !self.wallets.contains(&wallet)) {
            return Said::Refused(Refusal::UnknownWallet);
        }
        for paid in self.payments.iter_mut().take(standing).filter(|paid| paid.call.provider == provider) {
            paid.settled = true;
            paid.accounted = paid.net(paid.back_before(batch));
        }
        self.payouts.push(Owed { provider, units: net, paid: None, wallet });
        Said::Moved(net)
    }

    fn pay(&mut self, number: usize, key: u8) -> Said {
        if number >= self.standing.1 {
            return Said::Refused(Refusal::UnknownPayout);
        }
        let owed = self.payouts[number];
        let taken = self.payouts.iter().position(|other| other.paid == Some(key));
        if taken.is_some_and(|other| other != number) || self.transfers.contains_key(&key) {
            return Said::Refused(Refusal::Conflict);
        }
        if taken.is_none() && (owed.paid.is_some() || owed.wallet.is_some()) {
            return Said::Refused(Refusal::PaidBefore);
        }
        self.payouts[number].paid = Some(key);
        Said::Moved(owed.units)
    }

    pub(super) fn balance(&self, wallet: u8) -> i64 {
        let of = |other: &&(u8, i64)| other.0 == wallet;
        let moved: i64 = self.transfers.values().filter(of).map(|(_, units)| units).sum();
        let spent = self.payments.iter().filter(|paid| paid.call.wallet == wallet).map(Paid::left);
        let paid_out = self.payouts.iter().filter(|owed| owed.wallet == Some(wallet)).map(|owed| owed.units);
        moved - spent.sum::<i64>() + paid_out.sum::<i64>()
    }

    /// What a provider earned and was not settled with.
    pub(super) fn earned(&self, provider: usize) -> i64 {
        let own = self.payments.iter().filter(|paid| paid.call.provider == provider);
        let net = own.map(|paid| paid.net(paid.gross) - paid.net(paid.gross - paid.left()));
        let settled = self.payouts.iter().filter(|owed| owed.provider == provider).map(|owed| owed.units);
        net.sum::<i64>() - settled.sum::<i64>()
    }

    /// What it was settled with and not paid.
    pub(super) fn owed(&self, provider: usize) -> i64 {
        let pending =
            |owed: &&Owed| owed.provider == provider && owed.wallet.is_none() && owed.paid.is_none();
        self.payouts.iter().filter(pending).map(|owed| owed.units).sum()
    }
}

/// Whether a refund under this key is the provider's, and not the operator's.
pub(super) fn is_of_the_provider(key: u8) -> bool {
    key % 2 == 1
}

// === impl Paid ===

impl Paid {
    fn left(&self) -> i64 {
        self.gross - self.back.iter().map(|(units, _)| units).sum::<i64>()
    }

    fn back_before(&self, batch: i64) -> i64 {
        self.back.iter().filter(|(_, of)| *of < batch).map(|(units, _)| units).sum()
    }

    /// Less the fee in proportion.
    fn net(&self, units: i64) -> i64 {
        let fee = self.call.fee(amount(self.gross));
        units - fee.pro_rata(amount(units), amount(self.gross)).atomic()
    }
}
