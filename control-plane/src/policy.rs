//! Spending policies as the API writes them: read with every mistake told, and shown. The calls stand in [`crate::agents`],
//! changes of a part in [`patch`].

pub(crate) mod patch;

use std::collections::HashSet;
use std::sync::Arc;

use domain::policy::ScopedLimitsError;
use domain::{Amount, Asset, Catalog, Scope, ScopedLimit, ScopedLimits, SpendingPolicy, Window, WindowLimit};
use ledger::WindowSpent;
use registry::agent::POLICY_NAMES_MAX;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;

/// What an agent may spend. What is not given is not limited.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// The most one call may cost, such as `$0.05`.
    per_request: Option<String>,
    /// The most from one full hour to the next, UTC.
    per_hour: Option<String>,
    /// The most from midnight to midnight, UTC.
    per_day: Option<String>,
    /// The most in a calendar month, UTC.
    per_month: Option<String>,
    /// Limits on routes, providers and categories, at most 16; each counts from when it is set.
    #[serde(default)]
    limits: Vec<LimitBody>,
    /// The only routes that may be paid, by name, at most 256.
    routes: Option<Vec<String>>,
    /// The only providers that may be paid, by name, at most 256.
    providers: Option<Vec<String>>,
    /// From when on nothing may be paid.
    expires_at: Option<String>,
}

/// The most that may be spent on a part of what is sold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LimitBody {
    /// `route:NAME`, `provider:NAME` or `category:NAME`.
    scope: String,
    /// `hour`, `day` or `month`, of the calendar in UTC.
    per: String,
    /// Such as `$1`.
    amount: String,
}

#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct PolicyView {
    per_request: Option<Money>,
    per_hour: Option<Money>,
    per_day: Option<Money>,
    per_month: Option<Money>,
    limits: Vec<LimitView>,
    #[schema(value_type = Option<Vec<String>>)]
    routes: Option<Vec<Arc<str>>>,
    #[schema(value_type = Option<Vec<String>>)]
    providers: Option<Vec<Arc<str>>>,
    expires_at: Option<String>,
}

#[derive(Clone, Serialize, ToSchema)]
struct LimitView {
    /// `route:NAME`, `provider:NAME` or `category:NAME`.
    scope: String,
    /// `hour`, `day` or `month`.
    per: String,
    amount: Money,
}

/// What was spent under a limit since it is set, in the window that is open.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitSpentView {
    /// On what; null is everything.
    scope: Option<String>,
    /// `hour`, `day` or `month`.
    per: String,
    limit: Money,
    spent: Money,
    held: Money,
    remaining: Money,
    ends_at: String,
}

pub(crate) fn policy(
    state: &ControlState,
    fields: &mut Fields,
    pointer: &'static str,
    body: &PolicyBody,
) -> SpendingPolicy {
    let catalogs = state.registry.catalogs();
    let catalog = catalogs.borrow();
    fields.within(pointer, |fields| SpendingPolicy {
        per_request: fields.dollars("/per_request", body.per_request.as_deref()),
        per_hour: fields.dollars("/per_hour", body.per_hour.as_deref()),
        per_day: fields.dollars("/per_day", body.per_day.as_deref()),
        per_month: fields.dollars("/per_month", body.per_month.as_deref()),
        limits: limits(fields, &catalog, &body.limits),
        routes: known(fields, "/routes", body.routes.as_deref(), |name| has_route(&catalog, name)),
        providers: known(fields, "/providers", body.providers.as_deref(), |name| {
            has_provider(&catalog, name)
        }),
        expires_at: fields.future("/expires_at", body.expires_at.as_deref(), state.ledger.time()),
    })
}

/// A list of names that mean something, each once: a mistyped one would allow nothing, without a word.
fn known(
    fields: &mut Fields,
    pointer: &'static str,
    names: Option<&[String]>,
    is_known: impl Fn(&str) -> bool,
) -> Option<Vec<Arc<str>>> {
    let names = names?;
    if names.len() > POLICY_NAMES_MAX {
        fields.refuse(pointer, &format!("lists more than {POLICY_NAMES_MAX}"));
        return None;
    }
    let mut seen = HashSet::new();
    for name in names.iter().filter(|name| !seen.insert(name.as_str())) {
        fields.refuse(pointer, &format!("names `{name}` twice"));
    }
    for name in names.iter().filter(|name| !is_known(name)) {
        fields.refuse(pointer, &format!("the catalog has none called `{name}`"));
    }
    Some(names.iter().map(|name| name.as_str().into()).collect())
}

fn has_route(catalog: &Catalog, name: &str) -> bool {
    catalog.routes().iter().any(|route| &*route.name == name)
}

fn has_provider(catalog: &Catalog, name: &str) -> bool {
    catalog.providers().iter().any(|provider| &*provider.name == name)
}

fn limits(fields: &mut Fields, catalog: &Catalog, listed: &[LimitBody]) -> ScopedLimits {
    const POINTER: &str = "/limits";
    let mut read = Vec::new();
    for (index, body) in listed.iter().enumerate() {
        let mut refuse = |detail: &str| fields.refuse(POINTER, &format!("{index}: {detail}"));
        let limit = Amount::parse_dollars(&body.amount);
        let window = Window::parse(&body.per);
        match (scope(catalog, &body.scope), window, limit) {
            (Ok(scope), Some(window), Ok(limit)) => read.push(ScopedLimit { scope, window, limit }),
            (Err(error), ..) => refuse(&error),
            (_, None, _) => refuse("`per` must be hour, day or month"),
            (.., Err(error)) => refuse(&error.to_string()),
        }
    }
    ScopedLimits::new(read).unwrap_or_else(|error: ScopedLimitsError| {
        fields.refuse(POINTER, &error.to_string());
        ScopedLimits::default()
    })
}

/// A scope whose name means something.
pub(crate) fn scope(catalog: &Catalog, text: &str) -> Result<Scope, String> {
    let scope: Scope = text.parse().map_err(|error: domain::scope::ScopeError| error.to_string())?;
    let known = match &scope {
        Scope::Route(name) => has_route(catalog, name),
        Scope::Provider(name) => has_provider(catalog, name),
        Scope::Category(name) => catalog.routes().iter().any(|route| route.category.as_ref() == Some(name)),
    };
    if known {
        Ok(scope)
    } else {
        Err(format!("the catalog has no {} called `{}`", scope.kind(), scope.name()))
    }
}

// === impl PolicyView ===

impl PolicyView {
    pub(crate) fn new(policy: &SpendingPolicy, asset: &Asset) -> Self {
        let money = |limit: Option<Amount>| limit.map(|amount| Money::new(amount, asset));
        Self {
            per_request: money(policy.per_request),
            per_hour: money(policy.per_hour),
            per_day: money(policy.per_day),
            per_month: money(policy.per_month),
            limits: policy.limits.as_slice().iter().map(|limit| LimitView::new(limit, asset)).collect(),
            routes: policy.routes.clone(),
            providers: policy.providers.clone(),
            expires_at: policy.expires_at.map(|end| end.to_string()),
        }
    }
}

// === impl LimitView ===

impl LimitView {
    fn new(limit: &ScopedLimit, asset: &Asset) -> Self {
        let (scope, per) = (limit.scope.to_string(), limit.window.name().to_owned());
        Self { scope, per, amount: Money::new(limit.limit, asset) }
    }
}

// === impl LimitSpentView ===

impl LimitSpentView {
    pub(crate) fn new((counted, spent): (&WindowLimit, &WindowSpent), asset: &Asset) -> Self {
        let remaining = counted.limit.saturating_sub(spent.spent).saturating_sub(spent.held);
        Self {
            scope: counted.scope.as_ref().map(Scope::to_string),
            per: counted.window.name().to_owned(),
            limit: Money::new(counted.limit, asset),
            spent: Money::new(spent.spent, asset),
            held: Money::new(spent.held, asset),
            remaining: Money::new(remaining, asset),
            ends_at: spent.ends_at.to_string(),
        }
    }
}
