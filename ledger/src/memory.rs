//! [`Memory`]: facts, holds and deliveries under one lock, so that a hold is judged against all three at once.
//!
//! Every function here is short and never waits. Next: `ledger` for who calls them, `writer` for who applies.

use domain::{Amount, Fingerprint, IdempotencyKey, PaymentId, PolicyViolation, ReplayKey, WalletId};

use crate::batch::{Cost, Delta, FreeKey, HeldAt, WindowKey};
use crate::deliveries::Deliveries;
use crate::elsewhere::Elsewhere;
use crate::error::HoldError;
use crate::facts::{AgentFacts, Facts};
use crate::hold::HoldRequest;
use crate::holds::{Holds, Taken};

#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) facts: Facts,
    pub(crate) holds: Holds,
    pub(crate) deliveries: Deliveries,
    /// What other processes hold.
    pub(crate) elsewhere: Elsewhere,
}

/// What is known of a request's keys before anything is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// They are the request's now, unless disk knows better.
    Taken,
    Running,
    Reused,
    /// The same payment was captured.
    Captured(PaymentId),
}

/// What asking for funds and limits gives.
#[derive(Debug)]
pub(crate) enum Reservation {
    Held(Cost),
    /// These facts must be read first.
    Missing,
    Refused(HoldError),
}

/// What a call costs, and what speaks against it.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) cost: Cost,
    pub(crate) objections: Vec<HoldError>,
}

// === impl Memory ===

impl Memory {
    /// Takes the request's keys for it.
    pub(crate) fn claim(&mut self, request: &HoldRequest) -> Claim {
        if let Some(key) = request.replay
            && let Some(claim) = self.captured(&key, request.fingerprint)
        {
            return claim;
        }
        match self.holds.claim(request) {
            Ok(()) => Claim::Taken,
            Err(Taken::Running) => Claim::Running,
            Err(Taken::Other) => Claim::Reused,
        }
    }

    /// What memory knows of these keys; `None` where nothing.
    pub(crate) fn known(
        &self,
        replay: Option<&ReplayKey>,
        identifier: Option<&IdempotencyKey>,
        fingerprint: Fingerprint,
    ) -> Option<Claim> {
        if let Some(claim) = replay.and_then(|key| self.captured(key, fingerprint)) {
            return Some(claim);
        }
        let named = identifier.and_then(|key| self.holds.identifier(key, fingerprint));
        let taken = named.or_else(|| replay.and_then(|key| self.holds.replay(key, fingerprint)))?;
        Some(match taken {
            Taken::Running => Claim::Running,
            Taken::Other => Claim::Reused,
        })
    }

    fn captured(&self, key: &ReplayKey, fingerprint: Fingerprint) -> Option<Claim> {
        let captured = self.facts.replays.get(&key.nonce_digest())?;
        let same = captured.key == *key && captured.fingerprint == fingerprint;
        Some(if same { Claim::Captured(captured.payment) } else { Claim::Reused })
    }

    /// Holds funds and limits for the most the call can cost. One agent has at most `agent_holds_max` holds, so that
    /// nobody fills the queue for all others with calls that never end.
    pub(crate) fn reserve(
        &mut self,
        request: &HoldRequest,
        held: &HeldAt,
        agent_holds_max: u32,
    ) -> Reservation {
        if self.holds.of_agent(&request.agent) >= agent_holds_max {
            return Reservation::Refused(HoldError::Overloaded);
        }
        let known = self.facts.wallets.get_mut(&request.wallet).is_some()
            && self.facts.agents.get_mut(&request.agent).is_some()
            && self.facts.payee(request).is_some();
        let Some(Judgement { cost, objections }) = self.judge(request, held).filter(|_| known) else {
            return Reservation::Missing;
        };
        if let Some(error) = objections.into_iter().next() {
            return Reservation::Refused(error);
        }
        self.holds.reserve(request, held, cost);
        Reservation::Held(cost)
    }

    /// What a call would cost now, and all that the wallet and the windows have against it, in the order in which it is
    /// said: the one place where funds and limits are judged. None where the wallet or the agent is not in memory.
    pub(crate) fn judge(&self, request: &HoldRequest, held: &HeldAt) -> Option<Judgement> {
        let wallet = self.facts.wallets.peek(&request.wallet)?;
        let agent = self.facts.agents.peek(&request.agent)?;
        let cost = Cost::new(request, self.free_left(request, held, agent) > 0);
        let price = cost.maximum;
        let mut objections = Vec::new();
        let available = wallet.balance - self.holds.on_wallet(&request.wallet);
        if wallet.floor && available < price.atomic() {
            let available = Amount::from_atomic(available).unwrap_or_default();
            objections.push(HoldError::InsufficientFunds { available, price });
        }
        for (key, limit) in held.limits(request) {
            let Some(limit) = limit else { continue };
            let used = agent.window(&key).0 + self.holds.in_window(&key);
            let remaining = Amount::from_atomic(limit.atomic() - used).unwrap_or_default();
            if price > remaining {
                let WindowKey { window, scope, .. } = key;
                let spent = Amount::from_atomic(used).unwrap_or_default();
                let violation = PolicyViolation::Window { window, scope, limit, spent, remaining, price };
                objections.push(HoldError::SpendingLimit(violation));
            }
        }
        Some(Judgement { cost, objections })
    }

    /// How many calls more the route gives the agent for nothing today; what runs is taken off.
    pub(crate) fn free_left(&self, request: &HoldRequest, held: &HeldAt, agent: &AgentFacts) -> i64 {
        if request.free_per_day == 0 {
            return 0;
        }
        let key = FreeKey::of(request, held);
        i64::from(request.free_per_day) - agent.free(&key) - i64::from(self.holds.free(&key))
    }

    /// Balance and holds of a wallet in memory.
    pub(crate) fn wallet(&self, wallet: &WalletId) -> Option<(i64, i64)> {
        let facts = self.facts.wallets.peek(wallet)?;
        Some((facts.balance, self.holds.on_wallet(wallet)))
    }

    /// Spent and held of an agent's window in memory.
    pub(crate) fn window(&self, key: &WindowKey) -> (Option<i64>, i64) {
        let spent = self.facts.agents.peek(&key.agent).map(|agent| agent.window(key).0);
        (spent, self.holds.in_window(key))
    }

    /// Takes over a commit, and forgets what is idle or old.
    pub(crate) fn apply(&mut self, delta: &Delta) {
        self.facts.apply(delta);
        self.holds.apply(delta);
        for row in delta.payments.iter().filter(|row| row.is_keyed()) {
            self.deliveries.begin(row.id);
        }
    }

    /// Keeps the accounts in memory within their limit. Between two batches only.
    pub(crate) fn shrink(&mut self) {
        let Self { facts, holds, .. } = self;
        facts.wallets.shrink(|wallet| holds.pins_wallet(wallet));
        facts.agents.shrink(|agent| holds.pins_agent(agent));
    }
}
