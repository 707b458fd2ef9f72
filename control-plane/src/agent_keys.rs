//! `/v1/agents/{id}/keys`: what an agent pays with in one round trip. Made, rotated with an overlap, ended at once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::{AgentId, Asset, KeyId, Scope};
use registry::agent::KEY_SCOPES_MAX;
use registry::{KeyGrant, NewKey, ShownKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::visible;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::idempotent::ShowsSecret;
use crate::call::listing::{Lister, Page, PageQuery};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::policy::scope;
use crate::problem::Problem;

/// For how long a rotated key goes on beside the new one where nobody says, in milliseconds: a day.
const OVERLAP_MS: i64 = 24 * 60 * 60 * 1_000;

/// The longest overlap, in milliseconds: 30 days.
const OVERLAP_MS_MAX: i64 = 30 * OVERLAP_MS;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    /// The most one call may cost with it; `$0.10` where not given.
    per_request: Option<String>,
    /// What it is for, such as `route:NAME`, `provider:NAME` or `category:NAME`, at most 64; everything that the agent may
    /// pay where not given.
    #[serde(default)]
    scopes: Vec<String>,
    /// From when on it is refused.
    expires_at: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    /// For how many seconds the old key goes on; a day where not given, 0 ends it now.
    overlap_seconds: Option<i64>,
}

/// What a key allows. Its secret is not known any more.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct KeyView {
    id: String,
    agent: String,
    per_request: Money,
    /// What it is for; empty is everything that the agent may pay.
    scopes: Vec<String>,
    expires_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
}

/// A key at the one moment its text is known.
#[derive(Serialize, ToSchema)]
struct ShownKeyView {
    id: String,
    agent: String,
    /// Shown here and nowhere else.
    key: String,
    per_request: Money,
    scopes: Vec<String>,
    expires_at: Option<String>,
}

/// A key that takes another one's place, at the one moment its text is known.
#[derive(Serialize, ToSchema)]
struct RotatedKeyView {
    #[serde(flatten)]
    new: ShownKeyView,
    old_key: OldKeyView,
}

/// The key whose place is taken.
#[derive(Serialize, ToSchema)]
struct OldKeyView {
    id: String,
    /// Until then it goes on beside the new one: `key revoke` ends it at once.
    ends_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(rotate)).routes(routes!(revoke))
}

/// The keys of an agent, oldest first. One that ended is listed for 30 days and then forgotten when the next one is made; sooner
/// where an agent has more than 100 of them.
#[utoipa::path(get, path = "/v1/agents/{id}/keys", operation_id = "key.list", tag = "agents", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Page<KeyView>)), security(("management" = ["agents:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
    lister: Lister,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let agent = visible(&state, &caller, &id).await?;
    let asset = state.ledger.asset();
    let rows = agent.keys.iter().map(|key| KeyView::new(agent.id, key, asset)).collect();
    lister.answer_rows(query.limit, query.after.as_deref(), rows).await
}

/// Makes a key. Its text is shown in this answer and never again. An agent has at most 100 that have not ended.
#[utoipa::path(post, path = "/v1/agents/{id}/keys", operation_id = "key.create", tag = "agents", params(("id" = String, Path), DryRun),
    request_body = KeyBody, responses((status = 201, body = ShownKeyView), (status = 200, description = "A dry run", body = KeyView)), security(("management" = ["agents:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<KeyBody>,
) -> Result<Response, Problem> {
    let agent = visible(&state, &caller, &id).await?.id;
    let mut fields = Fields::default();
    let mut new = NewKey::default();
    if let Some(text) = &body.per_request {
        new.per_request = fields.some_dollars("/per_request", text);
    }
    new.scopes = scopes(&state, &mut fields, &body.scopes);
    new.expires_at = fields.future("/expires_at", body.expires_at.as_deref(), state.ledger.time());
    fields.finish()?;

    let shown = state.registry.add_key(&caller.actor(), agent, new).await?;
    state.log(|| tracing::info!(agent.id = %agent, key.id = %shown.grant.id, "agent key created"));
    if state.is_dry_run() {
        return Ok(Json(KeyView::new(agent, &shown.grant, state.ledger.asset())).into_response());
    }
    Ok(show(ShownKeyView::new(agent, &shown, state.ledger.asset())))
}

/// Makes a key of the same terms; the old one goes on for the overlap, so that nobody is cut off: a key that was stolen is ended
/// by `key revoke`.
#[utoipa::path(post, path = "/v1/agents/{id}/keys/{key}/rotate", operation_id = "key.rotate", tag = "agents",
    params(("id" = String, Path), ("key" = String, Path), DryRun), request_body = RotationBody,
    responses((status = 201, body = RotatedKeyView), (status = 200, description = "A dry run: the new one", body = KeyView)), security(("management" = ["agents:write"])))]
async fn rotate(
    Changing(state): Changing,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
    Body(body): Body<RotationBody>,
) -> Result<Response, Problem> {
    let agent = visible(&state, &caller, &id).await?.id;
    let key: KeyId = key.parse()?;
    let overlap_ms = body.overlap_seconds.map_or(Some(OVERLAP_MS), |seconds| seconds.checked_mul(1_000));
    let overlap_ms = overlap_ms.filter(|overlap| (0..=OVERLAP_MS_MAX).contains(overlap));
    let mut fields = Fields::default();
    if overlap_ms.is_none() {
        fields.refuse("/overlap_seconds", &format!("must be from 0 to {}", OVERLAP_MS_MAX / 1_000));
    }
    fields.finish()?;
    let overlap_ms = overlap_ms.unwrap_or(OVERLAP_MS);
    let (shown, end) = state.registry.rotate_key(&caller.actor(), agent, key, overlap_ms).await?;
    state.log(
        || tracing::info!(agent.id = %agent, key.id = %key, key.next = %shown.grant.id, "agent key rotated"),
    );
    if state.is_dry_run() {
        return Ok(Json(KeyView::new(agent, &shown.grant, state.ledger.asset())).into_response());
    }
    let old_key = OldKeyView { id: key.to_string(), ends_at: end.to_string() };
    Ok(show(RotatedKeyView { new: ShownKeyView::new(agent, &shown, state.ledger.asset()), old_key }))
}

/// Ends a key at once.
#[utoipa::path(post, path = "/v1/agents/{id}/keys/{key}/revoke", operation_id = "key.revoke", tag = "agents",
    params(("id" = String, Path), ("key" = String, Path), DryRun),
    responses((status = 204)), security(("management" = ["agents:write"])))]
async fn revoke(
    Changing(state): Changing,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let agent = visible(&state, &caller, &id).await?.id;
    let key: KeyId = key.parse()?;
    state.registry.revoke_key(&caller.actor(), agent, key).await?;
    state.log(|| tracing::info!(agent.id = %agent, key.id = %key, "agent key revoked"));
    Ok(StatusCode::NO_CONTENT)
}

fn scopes(state: &ControlState, fields: &mut Fields, listed: &[String]) -> Vec<Scope> {
    if listed.len() > KEY_SCOPES_MAX {
        fields.refuse("/scopes", &format!("lists more than {KEY_SCOPES_MAX}"));
        return Vec::new();
    }
    let catalogs = state.registry.catalogs();
    let catalog = catalogs.borrow();
    let read = listed.iter().map(|text| scope(&catalog, text));
    let read = read.filter_map(|scope| scope.map_err(|error| fields.refuse("/scopes", &error)).ok());
    let read: Vec<Scope> = read.collect();
    let twice = read.iter().enumerate().find(|(place, scope)| read[..*place].contains(scope));
    if let Some((_, scope)) = twice {
        fields.refuse("/scopes", &format!("names `{scope}` twice"));
    }
    read
}

fn texts(grant: &KeyGrant) -> Vec<String> {
    grant.scopes.iter().map(Scope::to_string).collect()
}

fn show(view: impl Serialize) -> Response {
    (StatusCode::CREATED, Extension(ShowsSecret), Json(view)).into_response()
}

// === impl ShownKeyView ===

impl ShownKeyView {
    fn new(agent: AgentId, shown: &ShownKey, asset: &Asset) -> Self {
        Self {
            id: shown.grant.id.to_string(),
            agent: agent.to_string(),
            key: shown.key.reveal(),
            per_request: Money::new(shown.grant.per_request, asset),
            scopes: texts(&shown.grant),
            expires_at: shown.grant.expires_at.map(|end| end.to_string()),
        }
    }
}

// === impl KeyView ===

impl Row for KeyView {
    const COLUMNS: &'static [&'static str] =
        &["id", "agent", "per_request.display", "scopes", "expires_at", "last_used_at"];
}

impl KeyView {
    pub(crate) fn new(agent: AgentId, key: &KeyGrant, asset: &Asset) -> Self {
        Self {
            id: key.id.to_string(),
            agent: agent.to_string(),
            per_request: Money::new(key.per_request, asset),
            scopes: texts(key),
            expires_at: key.expires_at.map(|end| end.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}
