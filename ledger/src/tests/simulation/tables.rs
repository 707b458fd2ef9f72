//! [`Tables`]: what the simulated disk keeps, with the same walls as the schema in `migrations/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{AgentId, Fingerprint, IdempotencyKey, PaymentId, UnixMillis};

use super::planted::Planted;
use crate::Refunded;
use crate::batch::{
    AccountId, CallKey, Delta, EXTERNAL, GivenBack, HeldAt, HoldRow, KEPT_MS, Marker, Movement, NewAccount,
    Owner, PaymentRow, RefundRow, TransferRow, Usage, UsageKey, WindowKey,
};
use crate::receipt::StoredResponse;

#[derive(Clone)]
pub(super) struct Tables {
    pub(super) marker: Marker,
    pub(super) open: Vec<PaymentId>,
    pub(super) accounts: Vec<NewAccount>,
    pub(super) balances: BTreeMap<AccountId, Movement>,
    pub(super) payments: Vec<PaymentRow>,
    pub(super) refunds: Vec<RefundRow>,
    pub(super) transfers: Vec<TransferRow>,
    pub(super) windows: BTreeMap<WindowKey, Sum>,
    pub(super) calls: BTreeMap<CallKey, Calls>,
    pub(super) usage: BTreeMap<UsageKey, Usage>,
    pub(super) identifiers: Vec<Identifier>,
    pub(super) responses: Vec<(PaymentId, StoredResponse, UnixMillis)>,
    pub(super) holds: Vec<HoldRow>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) spent: i64,
    pub(super) limit: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) calls: u64,
    pub(super) spent: i64,
}

#[derive(Clone, Copy)]
pub(super) struct Identifier {
    pub(super) key: IdempotencyKey,
    pub(super) payment: PaymentId,
    pub(super) fingerprint: Fingerprint,
    pub(super) expires_at: UnixMillis,
}

/// Why a wall refused a batch.
type Wall = Result<(), String>;

// === impl Tables ===

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            marker: Marker::default(),
            open: Vec::new(),
            accounts: Vec::new(),
            balances: [(EXTERNAL, Movement::default())].into(),
            payments: Vec::new(),
            refunds: Vec::new(),
            transfers: Vec::new(),
            windows: BTreeMap::new(),
            calls: BTreeMap::new(),
            usage: BTreeMap::new(),
            identifiers: Vec::new(),
            responses: Vec::new(),
            holds: Vec::new(),
        }
    }

    /// A batch, in the order of the schema's statements. After a refusal these tables are to be thrown away.
    pub(super) fn write(&mut self, delta: &Delta, planted: Planted) -> Wall {
        for account in &delta.accounts {
            wall(self.accounts.iter().all(|other| other.owner != account.owner), "an account twice")?;
            self.accounts.push(account.clone());
            self.balances.insert(account.id, Movement::default());
        }
        self.holds(delta, planted)?;
        for row in &delta.payments {
            self.payment(row, planted)?;
        }
        for (account, moved) in &delta.balances {
            self.balance(*account, *moved)?;
        }
        self.marker = delta.marker;
        self.open = if planted == Planted::ForgottenDeliveries { Vec::new() } else { delta.open.clone() };
        self.sums(delta)?;
        self.rare(delta, planted)
    }

    fn holds(&mut self, delta: &Delta, planted: Planted) -> Wall {
        for payment in &delta.ended {
            let row = self.holds.iter().position(|row| row.request.payment == *payment);
            let row = row.ok_or("a hold that is not there")?;
            if planted != Planted::KeptHold {
                self.holds.swap_remove(row);
            }
        }
        for row in &delta.holds {
            let (payment, replay) = (row.request.payment, row.request.replay);
            let same = |other: &HoldRow| {
                other.request.payment == payment || (replay.is_some() && other.request.replay == replay)
            };
            wall(!self.holds.iter().any(same), "a hold twice")?;
            self.holds.push(row.clone());
        }
        Ok(())
    }

    fn payment(&mut self, row: &PaymentRow, planted: Planted) -> Wall {
        let twice = |other: &PaymentRow| {
            other.id == row.id || other.seq == row.seq || (row.replay.is_some() && other.replay == row.replay)
        };
        let guarded = planted != Planted::DoubleCapture;
        wall(!guarded || !self.payments.iter().any(twice), "a payment twice")?;
        wall(row.call > 0 && row.fee <= row.gross, "a payment's numbers")?;
        let mut row = row.clone();
        if let Some(key) = row.idempotency {
            self.identifiers.retain(|other| other.key != key);
            let expires_at = row.captured_at.plus(KEPT_MS);
            let (payment, fingerprint) = (row.id, row.fingerprint);
            self.identifiers.push(Identifier { key, payment, fingerprint, expires_at });
        }
        if planted == Planted::DroppedReplayKey {
            row.replay = None;
        }
        self.payments.push(row);
        Ok(())
    }

    fn balance(&mut self, account: AccountId, moved: Movement) -> Wall {
        let is_wallet = |other: &NewAccount| other.id == account && matches!(other.owner, Owner::Wallet(_));
        let floor = self.accounts.iter().any(is_wallet);
        let balance = self.balances.get_mut(&account).ok_or("a balance that does not exist")?;
        balance.debit += moved.debit;
        balance.credit += moved.credit;
        wall(!floor || balance.credit >= balance.debit, "an overdraft")
    }

    fn sums(&mut self, delta: &Delta) -> Wall {
        for (key, change) in delta.windows.iter().filter(|(_, change)| change.limit > 0 || change.spent > 0) {
            let sum = self.windows.entry(key.clone()).or_default();
            sum.spent += change.spent;
            sum.limit = sum.limit.max(change.limit);
            wall(sum.spent <= sum.limit, "a window over its limit")?;
        }
        for (key, change) in delta.calls.iter().filter(|(_, change)| change.made > 0) {
            let sum = self.calls.entry(*key).or_default();
            sum.calls += change.made;
            sum.spent += change.spent;
        }
        for (key, change) in &delta.usage {
            let usage = self.usage.entry(key.clone()).or_default();
            usage.payments += change.payments;
            usage.gross += change.gross;
            usage.fee += change.fee;
            usage.refunds += change.refunds;
            usage.refunded += change.refunded;
            usage.refunded_fee += change.refunded_fee;
        }
        Ok(())
    }

    fn rare(&mut self, delta: &Delta, planted: Planted) -> Wall {
        for row in &delta.refunds {
            let gross =
                self.payments.iter().find(|payment| payment.seq == row.seq).map(|payment| payment.gross);
            let back = self.refunds.iter().chain([row]).filter(|other| other.seq == row.seq);
            let back: i64 = back.map(|other| other.refunded.amount.atomic()).sum();
            let remains = gross.ok_or("a refund of nothing")?.atomic() - back;
            wall(remains == row.refunded.remains.atomic() && remains >= 0, "a refund that does not fit")?;
            let again =
                |other: &RefundRow| other.seq == row.seq && other.refunded.remains == row.refunded.remains;
            wall(!self.refunds.iter().any(again), "a refund twice")?;
            self.refunds.push(row.clone());
        }
        for row in &delta.transfers {
            let same = |other: &TransferRow| other.idempotency_key == row.idempotency_key;
            wall(!self.transfers.iter().any(same), "a transfer twice")?;
            self.transfers.push(row.clone());
        }
        for (payment, response) in &delta.responses {
            if self.responses.iter().all(|(other, ..)| other != payment) {
                let expires_at = delta.marker.at.plus(KEPT_MS);
                self.responses.push((*payment, response.clone(), expires_at));
            }
        }
        for (key, change) in delta.windows.iter().filter(|(_, change)| change.returned > 0) {
            let Some(sum) = self.windows.get_mut(key) else { continue };
            sum.spent -= change.returned;
            wall(sum.spent >= 0, "a window below zero")?;
        }
        for (key, change) in &delta.calls {
            let Some(sum) = self.calls.get_mut(key) else { continue };
            sum.calls = sum.calls.checked_sub(change.returned).ok_or("a count of calls below zero")?;
            sum.spent -= change.refunded;
            wall(sum.spent >= 0, "calls that cost less than nothing")?;
        }
        if planted != Planted::KeptIdentifier {
            let released = |other: &Identifier| delta.released.contains(&(other.key, other.payment));
            self.identifiers.retain(|other| !released(other));
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, at: UnixMillis) {
        self.identifiers.retain(|row| row.expires_at > at);
        self.responses.retain(|(.., expires_at)| *expires_at > at);
    }

    pub(super) fn refunds_of(&self, row: &PaymentRow) -> impl Iterator<Item = &Refunded> {
        self.refunds.iter().filter(|refund| refund.seq == row.seq).map(|refund| &refund.refunded)
    }

    /// What was given back of a payment, if anything.
    pub(super) fn back(&self, row: &PaymentRow) -> Option<GivenBack> {
        self.refunds_of(row).fold(None, |back, refunded| {
            let GivenBack { amount, fee, parts } = back.unwrap_or_default();
            let (amount, fee) = (amount + refunded.amount.atomic(), fee + refunded.fee.atomic());
            Some(GivenBack { amount, fee, parts: parts + 1 })
        })
    }

    /// The free calls of an agent, by route and day.
    pub(super) fn free_of(&self, agent: AgentId) -> BTreeMap<(Arc<str>, UnixMillis), i64> {
        let mut free = BTreeMap::new();
        for row in self.payments.iter().filter(|row| row.free && row.agent == agent) {
            if !self.refunds_of(row).any(Refunded::is_whole) {
                let day = HeldAt::new(row.held_at).day;
                *free.entry((Arc::clone(&row.route), day)).or_default() += 1;
            }
        }
        free
    }

    pub(super) fn windows_of(&self, agent: AgentId) -> impl Iterator<Item = (&WindowKey, &Sum)> {
        self.windows.iter().filter(move |(key, _)| key.agent == agent)
    }
}

fn wall(stands: bool, words: &str) -> Wall {
    if stands { Ok(()) } else { Err(words.to_owned()) }
}
