//! [`Holds`]: what running requests reserve. Memory: a crash voids all of it but what has a row on disk as well.
//!
//! Funds and windows are held for the most a call can cost; keys are held by the first request that brings them.
//! Entries leave at zero, so that an idle ledger holds nothing and forgets its idle accounts.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use domain::{AgentId, Amount, Fingerprint, IdempotencyKey, PaymentId, ReplayKey, WalletId};

use crate::batch::{Cost, Delta, FoundHold, FreeKey, HeldAt, WindowKey};
use crate::hold::HoldRequest;

#[derive(Debug, Default)]
pub(crate) struct Holds {
    wallets: HashMap<WalletId, Reserved>,
    windows: HashMap<WindowKey, Reserved>,
    agents: HashMap<AgentId, Reserved>,
    /// Free calls that run.
    free: HashMap<FreeKey, Reserved>,
    replays: HashMap<[u8; 16], (ReplayKey, Keeper)>,
    identifiers: HashMap<IdempotencyKey, Keeper>,
    /// Holds whose row stands: whose, and how much.
    recorded: HashMap<PaymentId, (WalletId, Amount)>,
    /// Those of them with an intent.
    signed: HashSet<PaymentId>,
    /// Those of them that are charged in any case.
    kept: HashSet<PaymentId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reserved {
    amount: i64,
    holds: u32,
}

/// Who has a key.
#[derive(Clone, Copy, Debug)]
struct Keeper {
    payment: PaymentId,
    fingerprint: Fingerprint,
}

/// Why a key cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// By the same request, which is still running.
    Running,
    /// By another request.
    Other,
}

// === impl Holds ===

impl Holds {
    /// Takes the request's replay key and identifier, both or none.
    pub(crate) fn claim(&mut self, request: &HoldRequest) -> Result<(), Taken> {
        if let Some(taken) = request.idempotency.and_then(|key| self.identifier(&key, request.fingerprint)) {
            return Err(taken);
        }
        if let Some(taken) = request.replay.and_then(|key| self.replay(&key, request.fingerprint)) {
            return Err(taken);
        }
        self.give(request);
        Ok(())
    }

    fn give(&mut self, request: &HoldRequest) {
        let keeper = Keeper { payment: request.payment, fingerprint: request.fingerprint };
        self.identifiers.extend(request.idempotency.map(|key| (key, keeper)));
        self.replays.extend(request.replay.map(|key| (key.nonce_digest(), (key, keeper))));
    }

    /// Lets go of what [`Self::claim`] took, as far as the request has it still.
    pub(crate) fn unclaim(&mut self, request: &HoldRequest) {
        if let Some(key) = request.idempotency
            && self.identifiers.get(&key).is_some_and(|keeper| keeper.payment == request.payment)
        {
            self.identifiers.remove(&key);
        }
        if let Some(key) = request.replay.map(|key| key.nonce_digest())
            && self.replays.get(&key).is_some_and(|(_, keeper)| keeper.payment == request.payment)
        {
            self.replays.remove(&key);
        }
    }

    /// Who has a key by now that a request took: [`Self::restore`] gave it to its row.
    pub(crate) fn taken_from(&self, request: &HoldRequest) -> Option<Taken> {
        let named = request.idempotency.and_then(|key| self.identifiers.get(&key)).copied();
        let signed = request.replay.and_then(|key| self.replays.get(&key.nonce_digest()));
        let is_other = |keeper: &Keeper| keeper.payment != request.payment;
        if named.is_some_and(|keeper| is_other(&keeper)) {
            return request.idempotency.and_then(|key| self.identifier(&key, request.fingerprint));
        }
        signed.filter(|(_, keeper)| is_other(keeper))?;
        request.replay.and_then(|key| self.replay(&key, request.fingerprint))
    }

    /// Who holds a replay key, if anyone. The same nonce under another expiry is another payment's.
    pub(crate) fn replay(&self, key: &ReplayKey, fingerprint: Fingerprint) -> Option<Taken> {
        let (held, keeper) = self.replays.get(&key.nonce_digest())?;
        Some(if held == key && keeper.fingerprint == fingerprint { Taken::Running } else { Taken::Other })
    }

    /// Who holds an identifier, if anyone.
    pub(crate) fn identifier(&self, key: &IdempotencyKey, fingerprint: Fingerprint) -> Option<Taken> {
        let keeper = self.identifiers.get(key)?;
        Some(if keeper.fingerprint == fingerprint { Taken::Running } else { Taken::Other })
    }

    pub(crate) fn reserve(&mut self, request: &HoldRequest, held: &HeldAt, cost: Cost) {
        let amount = cost.maximum;
        add(&mut self.wallets, request.wallet, amount);
        add(&mut self.agents, request.agent, amount);
        if cost.free {
            add(&mut self.free, FreeKey::of(request, held), amount);
        }
        for (key, _) in held.limits(request) {
            add(&mut self.windows, key, amount);
        }
    }

    /// Lets go of what [`Self::reserve`] took.
    pub(crate) fn release(&mut self, request: &HoldRequest, held: &HeldAt, cost: Cost) {
        let amount = cost.maximum;
        take(&mut self.wallets, request.wallet, amount);
        take(&mut self.agents, request.agent, amount);
        if cost.free {
            take(&mut self.free, FreeKey::of(request, held), amount);
        }
        for (key, _) in held.limits(request) {
            take(&mut self.windows, key, amount);
        }
    }

    /// Reserves what other processes hold, for the moment of judging.
    pub(crate) fn enter<'h>(&mut self, elsewhere: impl IntoIterator<Item = &'h FoundHold>) {
        elsewhere.into_iter().for_each(|hold| self.reserve(&hold.request, &hold.held, hold.cost()));
    }

    /// Lets go of what [`Self::enter`] took.
    pub(crate) fn leave<'h>(&mut self, elsewhere: impl IntoIterator<Item = &'h FoundHold>) {
        elsewhere.into_iter().for_each(|hold| self.release(&hold.request, &hold.held, hold.cost()));
    }

    /// Holds funds for a withdrawal, and nothing else.
    pub(crate) fn cover(&mut self, wallet: WalletId, amount: Amount) {
        add(&mut self.wallets, wallet, amount);
    }

    /// Lets go of what [`Self::cover`] took.
    pub(crate) fn uncover(&mut self, wallet: WalletId, amount: Amount) {
        take(&mut self.wallets, wallet, amount);
    }

    /// Takes back what a row on disk says that it holds, and whether it is charged in any case.
    pub(crate) fn restore(&mut self, request: &HoldRequest, held: &HeldAt, cost: Cost, is_kept: bool) {
        // Rows of the disk never share a key. A request that asks for one now, at the moment of a takeover, is refused.
        self.give(request);
        self.reserve(request, held, cost);
        self.recorded.insert(request.payment, (request.wallet, cost.maximum));
        self.signed.extend(request.intent.is_some().then_some(request.payment));
        self.kept.extend(is_kept.then_some(request.payment));
    }

    /// Takes over which rows a commit wrote and deleted.
    pub(crate) fn apply(&mut self, delta: &Delta) {
        for row in &delta.holds {
            self.recorded.insert(row.request.payment, (row.request.wallet, row.cost.maximum));
        }
        self.signed.extend(delta.intents.iter().map(|row| row.payment));
        let kept = delta.holds.iter().filter(|row| row.owed.is_some()).map(|row| row.request.payment);
        self.kept.extend(kept.chain(delta.kept.iter().map(|(payment, _)| *payment)));
        for payment in &delta.ended {
            self.recorded.remove(payment);
            self.signed.remove(payment);
            self.kept.remove(payment);
        }
    }

    /// Holds whose row stands, and which may be voided: no value can move by them, and nothing was served.
    pub(crate) fn voidable(&self) -> impl Iterator<Item = PaymentId> {
        let bound = |payment: &&PaymentId| self.signed.contains(payment) || self.kept.contains(payment);
        self.recorded.keys().filter(move |payment| !bound(payment)).copied()
    }

    /// Every hold whose row stands.
    pub(crate) const fn recorded(&self) -> &HashMap<PaymentId, (WalletId, Amount)> {
        &self.recorded
    }

    pub(crate) fn on_wallet(&self, wallet: &WalletId) -> i64 {
        self.wallets.get(wallet).map_or(0, |reserved| reserved.amount)
    }

    pub(crate) fn in_window(&self, key: &WindowKey) -> i64 {
        self.windows.get(key).map_or(0, |reserved| reserved.amount)
    }

    /// How many free calls run.
    pub(crate) fn free(&self, key: &FreeKey) -> u32 {
        self.free.get(key).map_or(0, |reserved| reserved.holds)
    }

    pub(crate) fn of_agent(&self, agent: &AgentId) -> u32 {
        self.agents.get(agent).map_or(0, |reserved| reserved.holds)
    }

    pub(crate) fn pins_wallet(&self, wallet: &WalletId) -> bool {
        self.wallets.contains_key(wallet)
    }

    pub(crate) fn pins_agent(&self, agent: &AgentId) -> bool {
        self.agents.contains_key(agent)
    }

    /// Whether nothing at all is reserved (case R9).
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.wallets.is_empty()
            && self.windows.is_empty()
            && self.agents.is_empty()
            && self.free.is_empty()
            && self.replays.is_empty()
            && self.identifiers.is_empty()
            && self.recorded.is_empty()
            && self.kept.is_empty()
    }
}

fn add<K: Eq + Hash>(map: &mut HashMap<K, Reserved>, key: K, amount: Amount) {
    let reserved = map.entry(key).or_default();
    reserved.amount += amount.atomic();
    reserved.holds += 1;
}

fn take<K: Eq + Hash>(map: &mut HashMap<K, Reserved>, key: K, amount: Amount) {
    if let Entry::Occupied(mut entry) = map.entry(key) {
        let reserved = entry.get_mut();
        reserved.amount -= amount.atomic();
        reserved.holds -= 1;
        if reserved.holds == 0 {
            entry.remove();
        }
    }
}
