//! [`Access`]: what the data plane gets to know of one agent, and the rules that need no counter: whoever holds, and
//! whoever only asks what would be, gets the same answer from here.

use std::sync::Arc;

use domain::policy::Spending;
use domain::{AgentId, Amount, KeyId, PolicyViolation, SpendingPolicy, UnixMillis, WalletId};
use thiserror::Error;

use crate::agent::{Agent, KeyGrant};

/// What the data plane knows of an agent that pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who pays.
    pub agent: AgentId,
    /// Their name.
    pub name: Arc<str>,
    /// From which wallet.
    pub wallet: WalletId,
    /// Under which rules. One for all keys of the agent that are remembered: it may be long.
    pub policy: Arc<SpendingPolicy>,
    /// The key that was shown; none where a signature was.
    pub key: Option<KeyGrant>,
    /// Pays nothing while set.
    pub frozen: bool,
}

/// Why a call may not be paid, whatever was spent so far.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Objection {
    /// The agent, or its wallet, is frozen.
    #[error("the agent or its wallet is frozen; ask its owner")]
    Frozen,
    /// The call costs more than the caller says it pays at most.
    #[error("the call costs {price}, above the Agent-Max-Price of {maximum}")]
    AboveMaximum {
        /// What the caller said.
        maximum: Amount,
        /// What the call would cost.
        price: Amount,
    },
    /// The key is for other things.
    #[error("the key {0} is not for this route; use another key of the agent, or ask its owner")]
    KeyScope(KeyId),
    /// A rule of the key or of the agent's policy.
    #[error("{0}")]
    Policy(PolicyViolation),
}

// === impl Objection ===

impl Objection {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Frozen => "agent_frozen",
            Self::AboveMaximum { .. } => "price_above_maximum",
            Self::KeyScope(_) => "key_scope",
            Self::Policy(violation) => violation.code(),
        }
    }
}

// === impl Access ===

impl Access {
    /// Of an agent, as its key or its signature would show it.
    #[must_use]
    pub fn of(agent: &Agent, key: Option<KeyGrant>, wallet_frozen: bool) -> Self {
        Self {
            agent: agent.id,
            name: Arc::clone(&agent.name),
            wallet: agent.wallet,
            policy: Arc::new(agent.policy.clone()),
            key,
            frozen: agent.frozen || wallet_frozen,
        }
    }

    /// Everything that speaks against a call and needs no counter, in the order in which it is said. `maximum` is what the
    /// caller says it pays at most: only a key's holder can. The price is that of the list: a route's free calls cost
    /// nothing, but do not open a route that is too expensive.
    pub fn objections(
        &self,
        spending: Spending<'_>,
        maximum: Option<Amount>,
    ) -> impl Iterator<Item = Objection> {
        let price = spending.amount;
        let frozen = self.frozen.then_some(Objection::Frozen);
        let of_key = self.key.as_ref().map(|key| {
            let above = maximum.filter(|maximum| price > *maximum);
            let above = above.map(|maximum| Objection::AboveMaximum { maximum, price });
            let scope = (!key.is_for(&spending.sold)).then_some(Objection::KeyScope(key.id));
            let limit = Some(key.per_request).filter(|limit| price > *limit);
            let violation = limit.map(|limit| PolicyViolation::PerRequestOfKey { limit, price });
            [above, scope, violation.map(Objection::Policy)]
        });
        let of_policy = self.policy.violations(spending).map(Objection::Policy);
        frozen.into_iter().chain(of_key.into_iter().flatten().flatten()).chain(of_policy)
    }

    /// Whether the key that was shown is still one.
    #[must_use]
    pub fn has_grant(&self, at: UnixMillis) -> bool {
        self.key.as_ref().is_some_and(|grant| grant.expires_at.is_none_or(|end| at < end))
    }
}
