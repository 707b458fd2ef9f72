//! [`Memory`]: facts, holds and deliveries under one lock, so that a hold is judged against all three at once.
//!
//! Every function here is short and never waits. Next: `ledger` for who calls them, `writer` for who applies.

use domain::{
    AgentId, Amount, Fingerprint, IdempotencyKey, PaymentId, PolicyViolation, ReplayKey, UnixMillis,
    WalletId, Window,
};

use crate::batch::{Delta, HeldAt};
use crate::deliveries::Deliveries;
use crate::error::HoldError;
use crate::facts::Facts;
use crate::hold::HoldRequest;
use crate::holds::{Holds, Taken};

#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) facts: Facts,
    pub(crate) holds: Holds,
    pub(crate) deliveries: Deliveries,
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
    Held,
    /// These facts must be read first.
    Missing,
    Refused(HoldError),
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
        maximum: Amount,
        agent_holds_max: u32,
    ) -> Reservation {
        if self.holds.of_agent(&request.agent) >= agent_holds_max {
            return Reservation::Refused(HoldError::Overloaded);
        }
        let Some(wallet) = self.facts.wallets.get_mut(&request.wallet) else { return Reservation::Missing };
        let available = wallet.balance - self.holds.on_wallet(&request.wallet);
        let Some(agent) = self.facts.agents.get_mut(&request.agent) else { return Reservation::Missing };
        if !self.facts.providers.contains_key(&request.provider) {
            return Reservation::Missing;
        }
        if available < maximum.atomic() {
            let available = Amount::from_atomic(available).unwrap_or_default();
            return Reservation::Refused(HoldError::InsufficientFunds { available, price: maximum });
        }
        for (window, limit) in [(Window::Day, request.per_day), (Window::Month, request.per_month)] {
            let Some(limit) = limit else { continue };
            let key = held.key(request.agent, window);
            let used = agent.window(&key).0 + self.holds.in_window(&key);
            let remaining = Amount::from_atomic(limit.atomic() - used).unwrap_or_default();
            if maximum > remaining {
                let violation = PolicyViolation::Window { window, limit, remaining, price: maximum };
                return Reservation::Refused(HoldError::SpendingLimit(violation));
            }
        }
        self.holds.reserve(request, held, maximum);
        Reservation::Held
    }

    /// Balance and holds of a wallet in memory.
    pub(crate) fn wallet(&self, wallet: &WalletId) -> Option<(i64, i64)> {
        let facts = self.facts.wallets.peek(wallet)?;
        Some((facts.balance, self.holds.on_wallet(wallet)))
    }

    /// Spent and held of an agent's window in memory.
    pub(crate) fn window(&self, agent: AgentId, window: Window, held: &HeldAt) -> (Option<i64>, i64) {
        let key = held.key(agent, window);
        let spent = self.facts.agents.peek(&agent).map(|agent| agent.window(&key).0);
        (spent, self.holds.in_window(&key))
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
    pub(crate) fn shrink(&mut self, at: UnixMillis) {
        let Self { facts, holds, deliveries } = self;
        facts.wallets.shrink(|wallet| holds.pins_wallet(wallet));
        facts.agents.shrink(|agent| holds.pins_agent(agent));
        deliveries.forget(at);
    }
}
