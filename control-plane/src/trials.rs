//! What would be: whether a call would pass and why not, and what it would cost its payer. Answered by what decides the
//! calls themselves ([`registry::Access`], [`Ledger::trial`]); nothing is held and nothing changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::catalog::{Provider, Route, Served};
use domain::policy::Spending;
use domain::{
    Amount, Asset, CanonicalPath, Capture, Catalog, Fingerprint, KeyId, PaymentId, PolicyViolation, Scope,
};
use ledger::{HoldError, HoldRequest, Ledger, Trial};
use registry::{Access, Agent, Objection, RegistryError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::visible;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::problem::Problem;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrialBody {
    /// Such as `GET`.
    method: String,
    /// What it is called by, without a port; a host that no provider names where not given.
    host: Option<String>,
    /// Such as `/v1/quotes/AAPL`.
    path: String,
    /// The key that would be shown; a signature where not given.
    key_id: Option<String>,
    /// What would be sent as `Agent-Max-Price`, beside a key.
    max_price: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PreviewQuery {
    /// The agent that would pay: its id, or its name where it is yours.
    payer: String,
    /// Such as `GET`.
    method: String,
    /// Such as `/v1/quotes/AAPL`.
    path: String,
    /// What it is called by, without a port; a host that no provider names where not given.
    host: Option<String>,
}

/// Whether the call would pass if it were the next one. Rate limits and the upstream's health are not asked.
#[derive(Serialize, ToSchema)]
struct TrialView {
    would_pass: bool,
    /// What the payer would be charged; null where no route serves the call.
    price: Option<Money>,
    /// It would be one of the route's free calls of today.
    free: bool,
    /// All that speaks against it, in the order in which the gateway would say it.
    reasons: Vec<ReasonView>,
    route: Option<String>,
    provider: Option<String>,
}

#[derive(Default, Serialize, ToSchema)]
struct ReasonView {
    /// The gateway's word for it.
    code: String,
    detail: String,
    /// `request`, `hour`, `day` or `month`.
    window: Option<String>,
    /// What the limit is on; null is everything.
    scope: Option<String>,
    limit: Option<Money>,
    /// What counts against the limit, running calls included.
    spent: Option<Money>,
    remaining: Option<Money>,
}

#[derive(Serialize, ToSchema)]
struct PreviewView {
    route: String,
    provider: String,
    /// The revision of the price that is in force. Quotes of earlier prices are honoured for a while, and not told here.
    revision: u32,
    /// What this payer would be charged for the call now.
    price: Money,
    /// The most that an offer asks for, and that is held.
    list_price: Money,
    /// The call's number among this payer's calls to the provider this month, which chooses the tier.
    call: u64,
    /// The next step down, where there is one.
    next_tier: Option<TierView>,
    /// Calls a day that the route gives each agent for nothing.
    free_per_day: u32,
    /// How many of them this payer has left today.
    free_left: u32,
}

#[derive(Serialize, ToSchema)]
struct TierView {
    from_call: u64,
    price: Money,
}

/// A route that a call was found to ask for.
struct Found {
    route: Arc<Route>,
    provider: Arc<Provider>,
}

/// Why a call is not served, whoever pays.
struct Unfit {
    code: &'static str,
    detail: String,
}

/// What is asked about.
struct Call<'a> {
    method: &'a str,
    host: Option<&'a str>,
    path: &'a str,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(simulate)).routes(routes!(preview))
}

/// Would this call pass, and why not?
#[utoipa::path(post, path = "/v1/agents/{id}/simulate", operation_id = "policy.simulate", tag = "agents",
    params(("id" = String, Path)), request_body = TrialBody, responses((status = 200, body = TrialView)),
    security(("management" = ["agents:read"])))]
async fn simulate(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<TrialBody>,
) -> Result<Json<TrialView>, Problem> {
    let agent = visible(&state, &caller, &id).await?;
    let mut fields = Fields::default();
    let maximum = fields.dollars("/max_price", body.max_price.as_deref());
    fields.finish()?;
    let access = access(&state, &agent, body.key_id.as_deref()).await?;
    let call = Call { method: &body.method, host: body.host.as_deref(), path: &body.path };
    let asset = state.ledger.asset();
    let found = match find(&state, &call) {
        Ok(found) => found,
        Err(reason) => return Ok(Json(TrialView::unserved(&reason))),
    };
    let mut reasons = Vec::new();
    if access.key.is_some() && !access.has_grant(state.ledger.time()) {
        let detail = "this agent key is not valid; ask the agent's owner for a new one";
        reasons.push(ReasonView::new("invalid_agent_key", detail));
    }
    let Some(amount) = found.route.price.maximum() else {
        let free = TrialView { price: Some(Money::new(Amount::ZERO, asset)), ..TrialView::of(&found) };
        return Ok(Json(free));
    };
    let sold = found.route.sold(&found.provider.name);
    let spending = Spending { amount, sold, at: state.ledger.time() };
    reasons.extend(access.objections(spending, maximum).map(|objection| ReasonView::of(&objection, asset)));
    let trial = state.ledger.trial(&found.request(&access)).await?;
    reasons.extend(trial.objections.iter().map(|error| ReasonView::of_ledger(error, asset)));
    Ok(Json(TrialView {
        would_pass: reasons.is_empty(),
        price: Some(Money::new(trial.price, asset)),
        free: trial.free,
        reasons,
        ..TrialView::of(&found)
    }))
}

/// What would this payer pay for this call now? A provider asks for its own routes, and for any payer, of whom it learns
/// nothing but what it is told of each payment.
#[utoipa::path(get, path = "/v1/prices/preview", operation_id = "price.preview", tag = "agents", params(PreviewQuery),
    responses((status = 200, body = PreviewView)), security(("management" = ["prices:read"])))]
async fn preview(
    State(state): State<ControlState>,
    caller: Caller,
    Query(query): Query<PreviewQuery>,
) -> Result<Json<PreviewView>, Problem> {
    let call = Call { method: &query.method, host: query.host.as_deref(), path: &query.path };
    let found = find(&state, &call).map_err(|reason| Problem::Parameter(reason.detail))?;
    let agent = if caller.only_provider().is_some() {
        if !caller.provides(&found.provider.name) {
            return Err(Problem::RouteNotFound);
        }
        state.registry.agent(query.payer.parse()?).await?.ok_or(Problem::AgentNotFound)?
    } else {
        visible(&state, &caller, &query.payer).await?
    };
    let access = Access::of(&agent, None, false);
    let trial = state.ledger.trial(&found.request(&access)).await?;
    Ok(Json(PreviewView::new(&found, &trial, &state.ledger)))
}

async fn access(state: &ControlState, agent: &Agent, key: Option<&str>) -> Result<Access, Problem> {
    let key = match key {
        Some(text) => {
            let id: KeyId = text.parse()?;
            let grant = agent.keys.iter().find(|grant| grant.id == id);
            Some(grant.cloned().ok_or(RegistryError::UnknownKey(id))?)
        }
        None => None,
    };
    let wallet = state.registry.wallet(agent.wallet).await?;
    Ok(Access::of(agent, key, wallet.is_some_and(|wallet| wallet.frozen)))
}

/// The route that serves a call, in the catalog that is in force.
fn find(state: &ControlState, call: &Call<'_>) -> Result<Found, Unfit> {
    if matches!(call.method, "TRACE" | "CONNECT") || call.method.bytes().any(|byte| byte.is_ascii_lowercase())
    {
        return Err(Unfit::new("method_not_allowed", format!("{} is never served", call.method)));
    }
    let path = call.path.split('?').next().unwrap_or_default();
    let path = CanonicalPath::parse(path.as_bytes())
        .map_err(|error| Unfit::new("ambiguous_path", error.to_string()))?;
    let catalogs = state.registry.catalogs();
    let catalog: &Catalog = &catalogs.borrow();
    let host = call.host.unwrap_or_default().to_ascii_lowercase();
    let Served { route, provider, .. } = catalog
        .serve(&host, call.method, &path)
        .map_err(|unserved| Unfit::new(unserved.code(), unserved.to_string()))?;
    Ok(Found { route: Arc::clone(route), provider: Arc::clone(provider) })
}

// === impl Unfit ===

impl Unfit {
    fn new(code: &'static str, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string() }
    }
}

// === impl Found ===

impl Found {
    /// What the gateway would ask of the ledger, but for the names of the payment.
    fn request(&self, access: &Access) -> HoldRequest {
        let sold = self.route.sold(&self.provider.name);
        HoldRequest {
            payment: PaymentId::from_bytes([0; 16]),
            agent: access.agent,
            wallet: access.wallet,
            provider: Arc::clone(&self.provider.name),
            route: Arc::clone(&self.route.name),
            price: self.route.price.clone(),
            capture: Capture::After,
            revision: self.route.revision,
            fee: self.provider.fee,
            per_day: access.policy.per_day,
            per_month: access.policy.per_month,
            limits: access.policy.counted(&sold),
            free_per_day: self.route.free_per_day,
            replay: None,
            digest: None,
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([0; 16]),
            intent: None,
            unsettled_max: None,
        }
    }
}

// === impl TrialView ===

impl TrialView {
    fn of(found: &Found) -> Self {
        Self {
            would_pass: true,
            price: None,
            free: false,
            reasons: Vec::new(),
            route: Some(found.route.name.to_string()),
            provider: Some(found.provider.name.to_string()),
        }
    }

    fn unserved(unfit: &Unfit) -> Self {
        let reason = ReasonView::new(unfit.code, unfit.detail.as_str());
        Self {
            would_pass: false,
            price: None,
            free: false,
            reasons: vec![reason],
            route: None,
            provider: None,
        }
    }
}

// === impl ReasonView ===

impl ReasonView {
    fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), ..Self::default() }
    }

    fn of(objection: &Objection, asset: &Asset) -> Self {
        let reason = Self::new(objection.code(), objection.to_string());
        match objection {
            Objection::Policy(violation) => reason.of_violation(violation, asset),
            Objection::AboveMaximum { maximum, .. } => {
                Self { limit: Some(Money::new(*maximum, asset)), ..reason }
            }
            Objection::Frozen | Objection::KeyScope(_) => reason,
        }
    }

    fn of_ledger(error: &HoldError, asset: &Asset) -> Self {
        match error {
            HoldError::SpendingLimit(violation) => {
                Self::new(violation.code(), violation.to_string()).of_violation(violation, asset)
            }
            HoldError::InsufficientFunds { available, .. } => Self {
                remaining: Some(Money::new(*available, asset)),
                ..Self::new("insufficient_funds", error.to_string())
            },
            _ => Self::new("ledger_unavailable", error.to_string()),
        }
    }

    fn of_violation(self, violation: &PolicyViolation, asset: &Asset) -> Self {
        let money = |amount: Amount| Some(Money::new(amount, asset));
        match violation {
            PolicyViolation::PerRequest { limit, .. } | PolicyViolation::PerRequestOfKey { limit, .. } => {
                Self { limit: money(*limit), window: Some("request".to_owned()), ..self }
            }
            PolicyViolation::Window { window, scope, limit, spent, remaining, .. } => Self {
                window: Some(window.name().to_owned()),
                scope: scope.as_ref().map(Scope::to_string),
                limit: money(*limit),
                spent: money(*spent),
                remaining: money(*remaining),
                ..self
            },
            PolicyViolation::Route(_) | PolicyViolation::Provider(_) | PolicyViolation::Expired(_) => self,
        }
    }
}

// === impl PreviewView ===

impl PreviewView {
    fn new(found: &Found, trial: &Trial, ledger: &Ledger) -> Self {
        let money = |amount: Amount| Money::new(amount, ledger.asset());
        let tier =
            |tier: domain::price::Tier| TierView { from_call: tier.from_call, price: money(tier.amount) };
        let list_price = found.route.price.maximum().unwrap_or_default();
        Self {
            route: found.route.name.to_string(),
            provider: found.provider.name.to_string(),
            revision: found.route.revision,
            price: money(trial.price),
            list_price: money(list_price),
            call: trial.preview.call,
            next_tier: trial.preview.next.map(tier),
            free_per_day: found.route.free_per_day,
            free_left: trial.free_left,
        }
    }
}
