//! `/v1/agents`: who pays, from which wallet, under which policy. Keys stand in [`crate::agent_keys`], signers in
//! [`crate::signers`].

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{AgentId, Asset};
use ledger::WindowSpent;
use registry::agent::AGENT_NAME_BYTES_MAX;
use registry::api_key::API_KEY_NAME_BYTES_MAX;
use registry::{Agent, Freezer, Listing, NewAgent};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agent_keys::KeyView;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::freezing::FreezeQuery;
use crate::money::Money;
use crate::policy::patch::PolicyPatch;
use crate::policy::{LimitSpentView, PolicyBody, PolicyView, policy};
use crate::problem::Problem;
use crate::wallets::opening::open_new;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentBody {
    /// Unique, 1 to 64 bytes.
    name: String,
    /// An existing wallet to share; a new one where not given.
    wallet: Option<String>,
    /// Whose it is to be; an owner's key always makes its own.
    owner: Option<String>,
    #[serde(default)]
    policy: PolicyBody,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AgentQuery {
    /// Only this owner's.
    owner: Option<String>,
    /// Only the one that this address signs for.
    signer: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// An agent in a list.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct AgentLine {
    id: String,
    name: String,
    wallet: String,
    owner: Option<String>,
    frozen: bool,
    policy: PolicyView,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AgentView {
    id: String,
    name: String,
    wallet: String,
    /// Whose it is; the operator's where null.
    owner: Option<String>,
    /// Pays nothing while set.
    frozen: bool,
    /// Where frozen: whether only the operator thaws it.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_by_operator: Option<bool>,
    policy: PolicyView,
    spending: SpendingView,
    /// Addresses that sign for it.
    signers: Vec<String>,
    keys: Vec<KeyView>,
}

#[derive(Serialize, ToSchema)]
struct SpendingView {
    today: WindowView,
    month: WindowView,
    /// Under the limits that count only while they are set: per hour, and on routes, providers and categories.
    limits: Vec<LimitSpentView>,
}

#[derive(Serialize, ToSchema)]
struct WindowView {
    spent: Money,
    held: Money,
    ends_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(freeze))
        .routes(routes!(thaw))
        .routes(routes!(get_policy, set_policy, update_policy))
}

/// Agents, newest first.
#[utoipa::path(get, path = "/v1/agents", operation_id = "agent.list", tag = "agents", params(AgentQuery),
    responses((status = 200, body = Page<AgentLine>)), security(("management" = ["agents:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<AgentQuery>,
) -> Result<Response, Problem> {
    let owner = caller.only_owner().map(str::to_owned).or(query.owner);
    if let Some(signer) = &query.signer {
        let mut fields = Fields::default();
        let address = fields.address("/signer", signer);
        fields.finish()?;
        let found = state.registry.agent_signed_by(address).await?;
        let is_asked = |agent: &Agent| owner.is_none() || agent.owner == owner;
        let asset = state.ledger.asset();
        let rows = found.filter(is_asked).iter().map(|agent| AgentLine::new(agent, asset)).collect();
        return lister.answer_rows(query.limit, query.after.as_deref(), rows).await;
    }
    let fetch = move |range: Range<AgentId>| {
        let (state, listing) = (state.clone(), Listing { before: range.after, owner: owner.clone() });
        async move {
            let agents = state.registry.agents(&listing, range.limit).await?;
            let asset = state.ledger.asset();
            Ok(agents.into_iter().map(|agent| (agent.id, AgentLine::new(&agent, asset))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Makes an agent, with a wallet of its own where none is named.
#[utoipa::path(post, path = "/v1/agents", operation_id = "agent.create", tag = "agents", params(DryRun), request_body = AgentBody,
    responses((status = 201, body = AgentView), (status = 200, description = "A dry run", body = AgentView)), security(("management" = ["agents:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Body(body): Body<AgentBody>,
) -> Result<(StatusCode, Json<AgentView>), Problem> {
    let mut fields = Fields::default();
    fields.text("/name", &body.name, AGENT_NAME_BYTES_MAX);
    let owner = owner(&caller, &mut fields, body.owner);
    let policy = policy(&state, &mut fields, "/policy", &body.policy);
    fields.finish()?;
    let (name, actor) = (body.name, caller.actor());
    let agent = match &body.wallet {
        Some(text) => {
            let wallet = crate::wallets::visible(&state, &caller, text).await?.id;
            state.registry.create_agent(&actor, NewAgent { name, wallet, owner, policy }).await?
        }
        None => {
            let new = NewAgent { name, wallet: state.registry.new_wallet()?, owner, policy };
            let agent = state.registry.create_agent_and_wallet(&actor, new).await?;
            open_new(&state, agent.wallet).await;
            agent
        }
    };
    state.log(|| tracing::info!(agent.id = %agent.id, agent.name = %agent.name, wallet.id = %agent.wallet, "agent created"));
    Ok((state.created(), Json(view(&state, &agent).await.map_err(Problem::behind_change)?)))
}

/// One agent, with what it has spent.
#[utoipa::path(get, path = "/v1/agents/{id}", operation_id = "agent.show", tag = "agents", params(("id" = String, Path)),
    responses((status = 200, body = AgentView)), security(("management" = ["agents:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    let agent = visible(&state, &caller, &id).await?;
    Ok(Json(view(&state, &agent).await?))
}

/// Lets an agent pay nothing more until it is thawed. Requests that run go on. Another agent on the same wallet still pays: to
/// stop an owner, freeze the wallet. Agents are never removed, since payments name them: freeze one for good, revoke its keys and
/// withdraw what is left in its wallet.
#[utoipa::path(post, path = "/v1/agents/{id}/freeze", operation_id = "agent.freeze", tag = "agents", params(("id" = String, Path), FreezeQuery, DryRun),
    responses((status = 200, body = AgentView)), security(("management" = ["agents:write"])))]
async fn freeze(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<FreezeQuery>,
) -> Result<Json<AgentView>, Problem> {
    set_frozen(&state, &caller, query.freezer(&caller), &id, true).await
}

/// Lets a frozen agent pay again. What the operator froze only the operator thaws.
#[utoipa::path(post, path = "/v1/agents/{id}/thaw", operation_id = "agent.thaw", tag = "agents", params(("id" = String, Path), DryRun),
    responses((status = 200, body = AgentView)), security(("management" = ["agents:write"])))]
async fn thaw(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    set_frozen(&state, &caller, caller.freezer(), &id, false).await
}

/// What an agent may spend.
#[utoipa::path(get, path = "/v1/agents/{id}/policy", operation_id = "policy.show", tag = "agents", params(("id" = String, Path)),
    responses((status = 200, body = PolicyView)), security(("management" = ["agents:read"])))]
async fn get_policy(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<PolicyView>, Problem> {
    let agent = visible(&state, &caller, &id).await?;
    Ok(Json(PolicyView::new(&agent.policy, state.ledger.asset())))
}

/// Replaces all of what an agent may spend, for requests decided from now on: what is not given is not limited any more.
/// `policy update` changes a part.
#[utoipa::path(put, path = "/v1/agents/{id}/policy", operation_id = "policy.set", tag = "agents", params(("id" = String, Path), DryRun),
    request_body = PolicyBody, responses((status = 200, body = PolicyView)), security(("management" = ["agents:write"])))]
async fn set_policy(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<PolicyBody>,
) -> Result<Json<PolicyView>, Problem> {
    let id = meant(&state, &caller, &id).await?;
    let mut fields = Fields::default();
    let policy = policy(&state, &mut fields, "", &body);
    fields.finish()?;
    let theirs = |agent: &Agent| caller.owns(agent.owner.as_deref());
    let agent = state.registry.set_policy(&caller.actor(), id, theirs, &policy).await?;
    Ok(Json(PolicyView::new(&agent.policy, state.ledger.asset())))
}

/// Changes what is given of what an agent may spend, for requests decided from now on; the rest stays.
#[utoipa::path(patch, path = "/v1/agents/{id}/policy", operation_id = "policy.update", tag = "agents", params(("id" = String, Path), DryRun),
    request_body = PolicyPatch, responses((status = 200, body = PolicyView)), security(("management" = ["agents:write"])))]
async fn update_policy(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(patch): Body<PolicyPatch>,
) -> Result<Json<PolicyView>, Problem> {
    let id = meant(&state, &caller, &id).await?;
    let mut fields = Fields::default();
    let change = patch.read(&state, &mut fields);
    fields.finish()?;
    let theirs = |agent: &Agent| caller.owns(agent.owner.as_deref());
    let agent = state.registry.change_policy(&caller.actor(), id, theirs, change).await?;
    Ok(Json(PolicyView::new(&agent.policy, state.ledger.asset())))
}

async fn set_frozen(
    state: &ControlState,
    caller: &Caller,
    who: Freezer,
    id: &str,
    frozen: bool,
) -> Result<Json<AgentView>, Problem> {
    let agent = visible(state, caller, id).await?;
    let agent = state.registry.set_frozen(&caller.actor(), who, agent.id, frozen).await?;
    Ok(Json(view(state, &agent).await.map_err(Problem::behind_change)?))
}

/// An agent that is the caller's business, by its id or its name; another one does not exist for them.
pub(crate) async fn visible(state: &ControlState, caller: &Caller, called: &str) -> Result<Agent, Problem> {
    let agent = match called.parse::<AgentId>() {
        Ok(id) => state.registry.agent(id).await?,
        Err(_) => state.registry.agent_named(called).await?,
    };
    // Whether somebody else's agent is called so is not told.
    agent.filter(|agent| caller.owns(agent.owner.as_deref())).ok_or(Problem::AgentNotFound)
}

/// Which agent is meant, for a change that itself refuses one that is not the caller's business.
async fn meant(state: &ControlState, caller: &Caller, called: &str) -> Result<AgentId, Problem> {
    match called.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(visible(state, caller, called).await?.id),
    }
}

/// Whose a new thing is to be: the caller's own, or whose the administrator says.
pub(crate) fn owner(caller: &Caller, fields: &mut Fields, named: Option<String>) -> Option<String> {
    if let Some(name) = &named {
        fields.text("/owner", name, API_KEY_NAME_BYTES_MAX);
        if !caller.owns(Some(name)) {
            fields.refuse("/owner", "you make things for yourself only: leave it out");
        }
    }
    caller.only_owner().map(str::to_owned).or(named)
}

async fn view(state: &ControlState, agent: &Agent) -> Result<AgentView, Problem> {
    let spent = state.ledger.spending(agent.id).await?;
    let limits = agent.policy.all_counted();
    let under = state.ledger.spent_under(agent.id, &limits).await?;
    let asset = state.ledger.asset();
    Ok(AgentView {
        id: agent.id.to_string(),
        name: agent.name.to_string(),
        wallet: agent.wallet.to_string(),
        owner: agent.owner.clone(),
        frozen: agent.frozen,
        frozen_by_operator: agent.frozen.then_some(agent.frozen_by_operator),
        policy: PolicyView::new(&agent.policy, asset),
        spending: SpendingView {
            today: WindowView::new(&spent.today, asset),
            month: WindowView::new(&spent.month, asset),
            limits: limits.iter().zip(&under).map(|both| LimitSpentView::new(both, asset)).collect(),
        },
        signers: agent.signers.iter().map(|signer| signer.to_checksum(None)).collect(),
        keys: agent.keys.iter().map(|key| KeyView::new(agent.id, key, asset)).collect(),
    })
}

// === impl AgentLine ===

impl AgentLine {
    fn new(agent: &Agent, asset: &Asset) -> Self {
        Self {
            id: agent.id.to_string(),
            name: agent.name.to_string(),
            wallet: agent.wallet.to_string(),
            owner: agent.owner.clone(),
            frozen: agent.frozen,
            policy: PolicyView::new(&agent.policy, asset),
        }
    }
}

impl Row for AgentLine {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "wallet",
        "owner",
        "frozen",
        "policy.per_request.display",
        "policy.per_hour.display",
        "policy.per_day.display",
        "policy.per_month.display",
        "policy.routes",
        "policy.providers",
        "policy.expires_at",
    ];
}

// === impl WindowView ===

impl WindowView {
    fn new(window: &WindowSpent, asset: &Asset) -> Self {
        Self {
            spent: Money::new(window.spent, asset),
            held: Money::new(window.held, asset),
            ends_at: window.ends_at.to_string(),
        }
    }
}
