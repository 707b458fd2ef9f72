//! What an agent may spend, on what, until when. The rules only: the counters live in the ledger, whose
//! writer is their authority.

use std::sync::Arc;

use thiserror::Error;

use crate::amount::Amount;
use crate::time::{UnixMillis, Window};

/// An owner's rules for one agent. `None` means no such rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendingPolicy {
    /// The most one call may cost.
    pub per_request: Option<Amount>,
    /// The most that may be spent from midnight to midnight, UTC.
    pub per_day: Option<Amount>,
    /// The most that may be spent in a calendar month, UTC.
    pub per_month: Option<Amount>,
    /// Names of the only routes that may be paid.
    pub routes: Option<Vec<Arc<str>>>,
    /// Names of the only providers that may be paid.
    pub providers: Option<Vec<Arc<str>>>,
    /// From when on nothing may be paid.
    pub expires_at: Option<UnixMillis>,
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Spending<'a> {
    /// The most the call can cost.
    pub amount: Amount,
    /// The route's name.
    pub route: &'a str,
    /// The provider's name.
    pub provider: &'a str,
    /// Now.
    pub at: UnixMillis,
}

/// Why a policy refuses. Each names the limit and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyViolation {
    /// The call costs more than one call may.
    #[error("the call costs {price}, above the limit of {limit} per request")]
    PerRequest {
        /// The limit.
        limit: Amount,
        /// What the call would cost.
        price: Amount,
    },
    /// The window's limit would be exceeded.
    #[error("the limit of {limit} per {} has {remaining} left, the call costs {price}", window.name())]
    Window {
        /// Day or month.
        window: Window,
        /// The limit.
        limit: Amount,
        /// What is left of it, holds of running calls taken off.
        remaining: Amount,
        /// What the call would cost.
        price: Amount,
    },
    /// The route is not on the list.
    #[error("the agent's policy does not allow the route `{0}`")]
    Route(String),
    /// The provider is not on the list.
    #[error("the agent's policy does not allow the provider `{0}`")]
    Provider(String),
    /// The policy has ended.
    #[error("the agent's spending policy expired at {0}")]
    Expired(UnixMillis),
}

// === impl SpendingPolicy ===

impl SpendingPolicy {
    /// Checks everything that needs no counter. The windows are the ledger's.
    ///
    /// # Errors
    /// The first rule that refuses.
    pub fn check(&self, spending: Spending<'_>) -> Result<(), PolicyViolation> {
        if let Some(end) = self.expires_at.filter(|end| spending.at >= *end) {
            return Err(PolicyViolation::Expired(end));
        }
        if !allows(self.providers.as_deref(), spending.provider) {
            return Err(PolicyViolation::Provider(spending.provider.to_owned()));
        }
        if !allows(self.routes.as_deref(), spending.route) {
            return Err(PolicyViolation::Route(spending.route.to_owned()));
        }
        match self.per_request {
            Some(limit) if spending.amount > limit => {
                Err(PolicyViolation::PerRequest { limit, price: spending.amount })
            }
            _ => Ok(()),
        }
    }
}

fn allows(list: Option<&[Arc<str>]>, name: &str) -> bool {
    list.is_none_or(|names| names.iter().any(|allowed| &**allowed == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spending(units: i64) -> Spending<'static> {
        let amount = Amount::from_atomic(units).unwrap();
        Spending { amount, route: "quotes", provider: "acme", at: UnixMillis(1_000) }
    }

    #[test]
    fn no_rule_allows_everything() {
        assert_eq!(SpendingPolicy::default().check(spending(i64::MAX)), Ok(()));
    }

    #[test]
    fn each_rule_refuses_by_itself() {
        let limit = Amount::from_atomic(10).unwrap();
        let policy = SpendingPolicy { per_request: Some(limit), ..SpendingPolicy::default() };
        assert_eq!(policy.check(spending(10)), Ok(()));
        assert!(matches!(policy.check(spending(11)), Err(PolicyViolation::PerRequest { .. })));

        let policy = SpendingPolicy { routes: Some(vec!["other".into()]), ..SpendingPolicy::default() };
        assert!(matches!(policy.check(spending(1)), Err(PolicyViolation::Route(_))));

        let policy = SpendingPolicy { providers: Some(vec![]), ..SpendingPolicy::default() };
        assert!(matches!(policy.check(spending(1)), Err(PolicyViolation::Provider(_))));

        let policy = SpendingPolicy { expires_at: Some(UnixMillis(1_000)), ..SpendingPolicy::default() };
        assert!(matches!(policy.check(spending(1)), Err(PolicyViolation::Expired(_))));
    }
}
