//! `/v1/agents`: who pays, by which signers and keys, under which policy.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{AgentId, Amount, Asset, Catalog, SpendingPolicy, WalletId};
use ledger::{Spent, WindowSpent};
use registry::agent::AGENT_NAME_BYTES_MAX;
use registry::{Actor, ActorKind, Agent, KeyGrant, NewAgent, NewKey};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::problem::Problem;

const TOKEN: Actor = Actor { kind: ActorKind::Token, request: None };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentBody {
    name: String,
    /// An existing wallet to share; a new one where not given.
    wallet: Option<String>,
    per_request: Option<String>,
    per_day: Option<String>,
    per_month: Option<String>,
    routes: Option<Vec<String>>,
    providers: Option<Vec<String>>,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    per_request: Option<String>,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignerBody {
    address: String,
}

#[derive(Serialize)]
pub(crate) struct AgentView {
    id: String,
    name: String,
    wallet: String,
    frozen: bool,
    policy: PolicyView,
    spending: SpendingView,
    signers: Vec<String>,
    keys: Vec<GrantView>,
}

#[derive(Serialize)]
struct PolicyView {
    per_request: Option<Money>,
    per_day: Option<Money>,
    per_month: Option<Money>,
    routes: Option<Vec<Arc<str>>>,
    providers: Option<Vec<Arc<str>>>,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct SpendingView {
    today: WindowView,
    month: WindowView,
}

#[derive(Serialize)]
struct WindowView {
    spent: Money,
    held: Money,
    ends_at: String,
}

#[derive(Serialize)]
struct GrantView {
    id: String,
    per_request: Money,
    expires_at: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct KeyView {
    id: String,
    agent: String,
    /// Shown here and nowhere else.
    key: String,
    per_request: Money,
    expires_at: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct SignerView {
    agent: String,
    address: String,
}

/// The wallet first, in the ledger, then the agent that names it: an agent never spends from a wallet that is not there.
pub(crate) async fn create(
    State(state): State<ControlState>,
    Body(body): Body<AgentBody>,
) -> Result<(StatusCode, Json<AgentView>), Problem> {
    let policy = policy(&state, &body)?;
    let wallet = match &body.wallet {
        Some(text) => existing_wallet(&state, text).await?,
        None => {
            let wallet = state.registry.new_wallet()?;
            state.ledger.create_wallet(wallet).await?;
            state.registry.create_wallet(&TOKEN, wallet, body.name.clone(), None).await?;
            wallet
        }
    };
    let agent = state
        .registry
        .create_agent(&TOKEN, NewAgent { name: body.name, wallet, owner: None, policy })
        .await?;
    tracing::info!(agent.id = %agent.id, agent.name = %agent.name, wallet.id = %wallet, "agent created");
    Ok((StatusCode::CREATED, Json(view(&state, &agent).await?)))
}

pub(crate) async fn get(
    State(state): State<ControlState>,
    Path(id): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    let agent = state.registry.agent(id.parse()?).await?.ok_or(Problem::AgentNotFound)?;
    Ok(Json(view(&state, &agent).await?))
}

pub(crate) async fn add_key(
    State(state): State<ControlState>,
    Path(id): Path<String>,
    Body(body): Body<KeyBody>,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let id: AgentId = id.parse()?;
    let mut fields = Fields::default();
    let mut grant = NewKey::default();
    if let Some(text) = &body.per_request {
        grant.per_request = fields.some_dollars("/per_request", text);
    }
    grant.expires_at = fields.future("/expires_at", body.expires_at.as_deref(), state.ledger.time());
    fields.finish()?;

    let shown = state.registry.add_key(&TOKEN, id, grant).await?;
    tracing::info!(agent.id = %id, key.id = %shown.grant.id, "agent key created");
    let view = KeyView {
        id: shown.grant.id.to_string(),
        agent: id.to_string(),
        key: shown.key.reveal(),
        per_request: Money::new(grant.per_request, state.ledger.asset()),
        expires_at: grant.expires_at.map(|end| end.to_string()),
    };
    Ok((StatusCode::CREATED, Json(view)))
}

pub(crate) async fn add_signer(
    State(state): State<ControlState>,
    Path(id): Path<String>,
    Body(body): Body<SignerBody>,
) -> Result<(StatusCode, Json<SignerView>), Problem> {
    let id: AgentId = id.parse()?;
    let mut fields = Fields::default();
    let address = fields.address("/address", &body.address);
    fields.finish()?;

    state.registry.add_signer(&TOKEN, id, address).await?;
    let address = address.to_checksum(None);
    tracing::info!(agent.id = %id, signer = %address, "signer added");
    Ok((StatusCode::CREATED, Json(SignerView { agent: id.to_string(), address })))
}

async fn existing_wallet(state: &ControlState, text: &str) -> Result<WalletId, Problem> {
    let id = text.parse()?;
    state.ledger.wallet(id).await?.ok_or(Problem::WalletNotFound)?;
    Ok(id)
}

fn policy(state: &ControlState, body: &AgentBody) -> Result<SpendingPolicy, Problem> {
    let catalogs = state.registry.catalogs();
    let catalog = catalogs.borrow();
    let mut fields = Fields::default();
    fields.text("/name", &body.name, AGENT_NAME_BYTES_MAX);
    let policy = SpendingPolicy {
        per_request: fields.dollars("/per_request", body.per_request.as_deref()),
        per_day: fields.dollars("/per_day", body.per_day.as_deref()),
        per_month: fields.dollars("/per_month", body.per_month.as_deref()),
        routes: known(&mut fields, "/routes", body.routes.as_deref(), |name| has_route(&catalog, name)),
        providers: known(&mut fields, "/providers", body.providers.as_deref(), |name| {
            has_provider(&catalog, name)
        }),
        expires_at: fields.future("/expires_at", body.expires_at.as_deref(), state.ledger.time()),
    };
    fields.finish()?;
    Ok(policy)
}

/// A list of names that mean something: a mistyped one would allow nothing, without a word.
fn known(
    fields: &mut Fields,
    pointer: &'static str,
    names: Option<&[String]>,
    is_known: impl Fn(&str) -> bool,
) -> Option<Vec<Arc<str>>> {
    let names = names?;
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

async fn view(state: &ControlState, agent: &Agent) -> Result<AgentView, Problem> {
    let spent = state.ledger.spending(agent.id).await?;
    let asset = state.ledger.asset();
    Ok(AgentView {
        id: agent.id.to_string(),
        name: agent.name.to_string(),
        wallet: agent.wallet.to_string(),
        frozen: agent.frozen,
        policy: PolicyView::new(&agent.policy, asset),
        spending: SpendingView::new(&spent, asset),
        signers: agent.signers.iter().map(|signer| signer.to_checksum(None)).collect(),
        keys: agent.keys.iter().map(|key| GrantView::new(key, asset)).collect(),
    })
}

// === impl PolicyView ===

impl PolicyView {
    fn new(policy: &SpendingPolicy, asset: &Asset) -> Self {
        let money = |limit: Option<Amount>| limit.map(|amount| Money::new(amount, asset));
        Self {
            per_request: money(policy.per_request),
            per_day: money(policy.per_day),
            per_month: money(policy.per_month),
            routes: policy.routes.clone(),
            providers: policy.providers.clone(),
            expires_at: policy.expires_at.map(|end| end.to_string()),
        }
    }
}

// === impl SpendingView ===

impl SpendingView {
    fn new(spent: &Spent, asset: &Asset) -> Self {
        let window = |window: &WindowSpent| WindowView {
            spent: Money::new(window.spent, asset),
            held: Money::new(window.held, asset),
            ends_at: window.ends_at.to_string(),
        };
        Self { today: window(&spent.today), month: window(&spent.month) }
    }
}

// === impl GrantView ===

impl GrantView {
    fn new(key: &KeyGrant, asset: &Asset) -> Self {
        Self {
            id: key.id.to_string(),
            per_request: Money::new(key.per_request, asset),
            expires_at: key.expires_at.map(|end| end.to_string()),
        }
    }
}
