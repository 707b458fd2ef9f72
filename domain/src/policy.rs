//! What an agent may spend, on what, until when. The rules only: the counters live in the ledger, whose
//! writer is their authority.

use std::sync::Arc;

use thiserror::Error;

use crate::amount::Amount;
use crate::scope::{Scope, Sold};
use crate::time::{UnixMillis, Window};

/// How many limits on parts of what is sold one policy may have.
pub const SCOPED_LIMITS_MAX: usize = 16;

/// An owner's rules for one agent. `None` means no such rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendingPolicy {
    /// The most one call may cost.
    pub per_request: Option<Amount>,
    /// The most that may be spent from one full hour to the next, UTC.
    pub per_hour: Option<Amount>,
    /// The most that may be spent from midnight to midnight, UTC.
    pub per_day: Option<Amount>,
    /// The most that may be spent in a calendar month, UTC.
    pub per_month: Option<Amount>,
    /// The most that may be spent on a part of what is sold.
    pub limits: ScopedLimits,
    /// Names of the only routes that may be paid.
    pub routes: Option<Vec<Arc<str>>>,
    /// Names of the only providers that may be paid.
    pub providers: Option<Vec<Arc<str>>>,
    /// From when on nothing may be paid.
    pub expires_at: Option<UnixMillis>,
}

/// The most that may be spent on one route, one provider or one category in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedLimit {
    /// On what.
    pub scope: Scope,
    /// From when to when.
    pub window: Window,
    /// How much.
    pub limit: Amount,
}

/// Limits on parts of what is sold: at most [`SCOPED_LIMITS_MAX`], and one for each scope and window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopedLimits(Vec<ScopedLimit>);

/// Why a list of limits is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScopedLimitsError {
    /// Too many.
    #[error("a policy has at most {SCOPED_LIMITS_MAX} limits on routes, providers and categories")]
    Many,
    /// The one at this place says again what an earlier one says.
    #[error("there is already a limit on {1} per {name}: keep one of them", name = .2.name())]
    Twice(usize, Scope, Window),
}

/// A limit that a call is charged to, and that counts only while it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLimit {
    /// On what; none is everything.
    pub scope: Option<Scope>,
    /// From when to when.
    pub window: Window,
    /// How much.
    pub limit: Amount,
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Spending<'a> {
    /// The most the call can cost.
    pub amount: Amount,
    /// Of what.
    pub sold: Sold<'a>,
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
    /// The call costs more than one call with this key may.
    #[error("the call costs {price}, above this key's own limit of {limit} per request")]
    PerRequestOfKey {
        /// The limit.
        limit: Amount,
        /// What the call would cost.
        price: Amount,
    },
    /// The window's limit would be exceeded.
    #[error("the limit of {limit} per {}{} has {remaining} left, the call costs {price}", window.name(), on(scope.as_ref()))]
    Window {
        /// Hour, day or month.
        window: Window,
        /// On what; none is everything.
        scope: Option<Scope>,
        /// The limit.
        limit: Amount,
        /// What counts against it, holds of running calls added: more than the limit where that was lowered.
        spent: Amount,
        /// What is left of it.
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

// === impl PolicyViolation ===

impl PolicyViolation {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PerRequest { .. } | Self::PerRequestOfKey { .. } | Self::Window { .. } => {
                "spending_limit_exceeded"
            }
            Self::Route(_) => "route_not_allowed",
            Self::Provider(_) => "provider_not_allowed",
            Self::Expired(_) => "policy_expired",
        }
    }
}

// === impl SpendingPolicy ===

impl SpendingPolicy {
    /// Checks everything that needs no counter. The windows are the ledger's.
    ///
    /// # Errors
    /// The first rule that refuses.
    pub fn check(&self, spending: Spending<'_>) -> Result<(), PolicyViolation> {
        self.violations(spending).next().map_or(Ok(()), Err)
    }

    /// Every rule that refuses and needs no counter, in the order in which they are asked.
    pub fn violations(&self, spending: Spending<'_>) -> impl Iterator<Item = PolicyViolation> {
        let Spending { amount: price, sold, at } = spending;
        let expired = self.expires_at.filter(|end| at >= *end).map(PolicyViolation::Expired);
        let provider = (!allows(self.providers.as_deref(), sold.provider))
            .then(|| PolicyViolation::Provider(sold.provider.to_owned()));
        let route = (!allows(self.routes.as_deref(), sold.route))
            .then(|| PolicyViolation::Route(sold.route.to_owned()));
        let above = self.per_request.filter(|limit| price > *limit);
        let above = above.map(|limit| PolicyViolation::PerRequest { limit, price });
        [expired, provider, route, above].into_iter().flatten()
    }

    /// Whether there is a limit that needs a counter.
    #[must_use]
    pub fn has_windows(&self) -> bool {
        [self.per_hour, self.per_day, self.per_month].iter().any(Option::is_some)
            || !self.limits.as_slice().is_empty()
    }

    /// Every limit that counts only while it is set.
    #[must_use]
    pub fn all_counted(&self) -> Vec<WindowLimit> {
        let scoped = self.limits.as_slice().iter().cloned().map(WindowLimit::from);
        self.hour().into_iter().chain(scoped).collect()
    }

    fn hour(&self) -> Option<WindowLimit> {
        self.per_hour.map(|limit| WindowLimit { scope: None, window: Window::Hour, limit })
    }

    /// The limits that a call is charged to beside those of the day and the month, which always count.
    #[must_use]
    pub fn counted(&self, sold: &Sold<'_>) -> Vec<WindowLimit> {
        let scoped = self.limits.as_slice().iter().filter(|limit| limit.scope.covers(sold));
        self.hour().into_iter().chain(scoped.cloned().map(WindowLimit::from)).collect()
    }
}

fn allows(list: Option<&[Arc<str>]>, name: &str) -> bool {
    list.is_none_or(|names| names.iter().any(|allowed| &**allowed == name))
}

/// ` on route:quotes`
fn on(scope: Option<&Scope>) -> String {
    scope.map_or_else(String::new, |scope| format!(" on {scope}"))
}

// === impl ScopedLimits ===

impl ScopedLimits {
    /// Checks and keeps a list of limits.
    ///
    /// # Errors
    /// See [`ScopedLimitsError`].
    pub fn new(limits: Vec<ScopedLimit>) -> Result<Self, ScopedLimitsError> {
        if limits.len() > SCOPED_LIMITS_MAX {
            return Err(ScopedLimitsError::Many);
        }
        for (place, limit) in limits.iter().enumerate() {
            let same = |other: &ScopedLimit| other.scope == limit.scope && other.window == limit.window;
            if limits[..place].iter().any(same) {
                return Err(ScopedLimitsError::Twice(place, limit.scope.clone(), limit.window));
            }
        }
        Ok(Self(limits))
    }

    /// The limits in order.
    #[must_use]
    pub fn as_slice(&self) -> &[ScopedLimit] {
        &self.0
    }
}

// === impl WindowLimit ===

impl From<ScopedLimit> for WindowLimit {
    fn from(limit: ScopedLimit) -> Self {
        let ScopedLimit { scope, window, limit } = limit;
        Self { scope: Some(scope), window, limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLD: Sold<'static> = Sold { route: "quotes", provider: "acme", category: Some("data") };

    fn amount(units: i64) -> Amount {
        Amount::from_atomic(units).unwrap()
    }

    fn spending(units: i64) -> Spending<'static> {
        Spending { amount: amount(units), sold: SOLD, at: UnixMillis(1_000) }
    }

    fn limit(scope: &str, window: Window) -> ScopedLimit {
        ScopedLimit { scope: scope.parse().unwrap(), window, limit: amount(10) }
    }

    #[test]
    fn no_rule_allows_everything() {
        assert_eq!(SpendingPolicy::default().check(spending(i64::MAX)), Ok(()));
        assert!(SpendingPolicy::default().counted(&SOLD).is_empty());
    }

    #[test]
    fn each_rule_refuses_by_itself() {
        let policy = SpendingPolicy { per_request: Some(amount(10)), ..SpendingPolicy::default() };
        assert_eq!(policy.check(spending(10)), Ok(()));
        assert!(matches!(policy.check(spending(11)), Err(PolicyViolation::PerRequest { .. })));

        let policy = SpendingPolicy { routes: Some(vec!["other".into()]), ..SpendingPolicy::default() };
        assert!(matches!(policy.check(spending(1)), Err(PolicyViolation::Route(_))));

        let policy = SpendingPolicy { providers: Some(vec![]), ..SpendingPolicy::default() };
        assert!(matches!(policy.check(spending(1)), Err(PolicyViolation::Provider(_))));

        let policy = SpendingPolicy { expires_at: Some(UnixMillis(1_000)), ..policy };
        let all: Vec<_> = policy.violations(spending(1)).collect();
        assert!(matches!(all[..], [PolicyViolation::Expired(_), PolicyViolation::Provider(_)]), "{all:?}");
    }

    #[test]
    fn a_call_is_charged_to_the_limits_that_cover_it() {
        let listed = ["route:quotes", "route:news", "provider:acme", "category:data", "category:news"];
        let limits = listed.map(|scope| limit(scope, Window::Month)).to_vec();
        let limits = ScopedLimits::new(limits).unwrap();
        let policy = SpendingPolicy { per_hour: Some(amount(5)), limits, ..SpendingPolicy::default() };
        let counted: Vec<_> = policy
            .counted(&SOLD)
            .into_iter()
            .map(|limit| limit.scope.map(|scope| scope.to_string()))
            .collect();
        let scopes = ["route:quotes", "provider:acme", "category:data"].map(|scope| Some(scope.to_owned()));
        assert_eq!(counted[0], None);
        assert_eq!(counted[1..], scopes);
    }

    #[test]
    fn a_scope_has_one_limit_for_each_window_and_a_policy_so_many() {
        let twice = vec![
            limit("route:a", Window::Day),
            limit("route:a", Window::Hour),
            limit("route:a", Window::Day),
        ];
        let error = ScopedLimits::new(twice).unwrap_err();
        assert_eq!(error, ScopedLimitsError::Twice(2, "route:a".parse().unwrap(), Window::Day));
        assert_eq!(error.to_string(), "there is already a limit on route:a per day: keep one of them");
        let many = (0..=SCOPED_LIMITS_MAX).map(|n| limit(&format!("route:{n}"), Window::Day)).collect();
        assert_eq!(ScopedLimits::new(many), Err(ScopedLimitsError::Many));
    }
}
