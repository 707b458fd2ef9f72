//! `/v1/routes`: what is sold, for how much, and what it was before.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use registry::RouteEntry;
use registry::catalog::RouteRevision;
use registry::document::Difference;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::catalog_body::{OutcomeView, RouteBody, RoutePatch};
use crate::control::ControlState;
use crate::problem::Problem;
use crate::providers::editor;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RouteQuery {
    /// Only this provider's.
    provider: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RevisionQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// A revision.
    from: u32,
    /// Another one.
    to: u32,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    /// The revision that the route is to be like again.
    revision: u32,
}

#[derive(Serialize, ToSchema)]
struct RouteView {
    name: String,
    provider: String,
    /// `file` or `api`: what the configuration file brings only it changes.
    managed_by: &'static str,
    /// Grows with every change; payments carry it.
    revision: u32,
    /// As it was written.
    document: Value,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize, ToSchema)]
struct RevisionView {
    revision: u32,
    /// The version of the catalog that brought it.
    version: u64,
    at: String,
    document: Value,
}

#[derive(Serialize, ToSchema)]
struct DiffView {
    from: u32,
    to: u32,
    /// Places that differ, as JSON pointers, with what stood and stands there.
    #[schema(value_type = Vec<Value>)]
    differences: Vec<Difference>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get, update, remove))
        .routes(routes!(revisions))
        .routes(routes!(diff))
        .routes(routes!(rollback))
}

/// Routes, by name.
#[utoipa::path(get, path = "/v1/routes", operation_id = "route.list", tag = "routes", params(RouteQuery),
    responses((status = 200, body = Page<RouteView>)), security(("management" = ["routes:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<RouteQuery>,
) -> Result<Response, Problem> {
    let mut entries = state.registry.routes(query.provider.as_deref());
    entries.retain(|entry| caller.provides(&entry.provider));
    let fetch = move |range: Range<String>| {
        let after = range.after.unwrap_or_default();
        let rest = entries.iter().filter(|entry| *entry.route.name > *after);
        let rows = rest.take(range.limit as usize).map(|entry| RouteView::new(entry));
        let rows: Vec<_> = rows.map(|row| (row.name.clone(), row)).collect();
        async move { Ok(rows) }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Puts a route up for sale. It is in force when this answers.
#[utoipa::path(post, path = "/v1/routes", operation_id = "route.create", tag = "routes", params(DryRun),
    request_body = RouteBody, responses((status = 201, body = OutcomeView), (status = 200, description = "A dry run", body = OutcomeView)),
    security(("management" = ["routes:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Body(document): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<OutcomeView>), Problem> {
    let provider = document.get("provider").and_then(Value::as_str).unwrap_or_default();
    if !caller.is_admin() {
        crate::providers::visible(&caller, provider)?;
    }
    let editor = editor(&caller, state.is_dry_run());
    let outcome = state.registry.create_route(&editor, Value::Object(document)).await?;
    Ok((state.created(), Json(outcome.into())))
}

/// One route.
#[utoipa::path(get, path = "/v1/routes/{name}", operation_id = "route.show", tag = "routes",
    params(("name" = String, Path)), responses((status = 200, body = RouteView)),
    security(("management" = ["routes:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<RouteView>, Problem> {
    let entry = visible(&state, &caller, &name)?;
    Ok(Json(RouteView::new(&entry)))
}

/// Changes a route, its price for instance, by a merge patch of its document. Earlier quotes stay payable for a minute.
#[utoipa::path(patch, path = "/v1/routes/{name}", operation_id = "route.update", tag = "routes",
    params(("name" = String, Path), DryRun), request_body = RoutePatch,
    responses((status = 200, body = OutcomeView)), security(("management" = ["routes:write"])))]
async fn update(
    Changing(state): Changing,
    caller: Caller,
    Path(name): Path<String>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<OutcomeView>, Problem> {
    visible(&state, &caller, &name)?;
    let outcome = state.registry.update_route(&editor(&caller, state.is_dry_run()), &name, patch).await?;
    Ok(Json(outcome.into()))
}

/// Takes a route away. Its quotes end at once, requests that run go on.
#[utoipa::path(delete, path = "/v1/routes/{name}", operation_id = "route.remove", tag = "routes",
    params(("name" = String, Path), DryRun), responses((status = 200, body = OutcomeView)),
    security(("management" = ["routes:write"])))]
async fn remove(
    Changing(state): Changing,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<OutcomeView>, Problem> {
    visible(&state, &caller, &name)?;
    let outcome = state.registry.remove_route(&editor(&caller, state.is_dry_run()), &name).await?;
    Ok(Json(outcome.into()))
}

/// What a route was, newest first.
#[utoipa::path(get, path = "/v1/routes/{name}/revisions", operation_id = "route.revisions", tag = "routes",
    params(("name" = String, Path), RevisionQuery), responses((status = 200, body = Page<RevisionView>)),
    security(("management" = ["routes:read"])))]
async fn revisions(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    lister: Lister,
    Query(query): Query<RevisionQuery>,
) -> Result<Response, Problem> {
    visible(&state, &caller, &name)?;
    let fetch = move |range: Range<u32>| {
        let (registry, name) = (state.registry.clone(), name.clone());
        async move {
            let found = registry.route_revisions(&name, range.after, range.limit).await?;
            Ok(found.iter().map(|revision| (revision.revision, RevisionView::new(revision))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Where a route in one revision differs from another one.
#[utoipa::path(get, path = "/v1/routes/{name}/diff", operation_id = "route.diff", tag = "routes",
    params(("name" = String, Path), DiffQuery), responses((status = 200, body = DiffView)),
    security(("management" = ["routes:read"])))]
async fn diff(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<DiffView>, Problem> {
    visible(&state, &caller, &name)?;
    let (from, to) = (query.from, query.to);
    let differences = state.registry.route_differences(&name, from, to).await?;
    Ok(Json(DiffView { from, to, differences }))
}

/// Makes a route what it was in a revision, as its next revision.
#[utoipa::path(post, path = "/v1/routes/{name}/rollback", operation_id = "route.rollback", tag = "routes",
    params(("name" = String, Path), DryRun), request_body = RollbackBody,
    responses((status = 200, body = OutcomeView)), security(("management" = ["routes:write"])))]
async fn rollback(
    Changing(state): Changing,
    caller: Caller,
    Path(name): Path<String>,
    Body(body): Body<RollbackBody>,
) -> Result<Json<OutcomeView>, Problem> {
    visible(&state, &caller, &name)?;
    let editor = editor(&caller, state.is_dry_run());
    let outcome = state.registry.rollback_route(&editor, &name, body.revision).await?;
    Ok(Json(outcome.into()))
}

/// A route that is the caller's business; another one does not exist for them.
pub(crate) fn visible(
    state: &ControlState,
    caller: &Caller,
    name: &str,
) -> Result<std::sync::Arc<RouteEntry>, Problem> {
    let entry = state.registry.route(name);
    entry.filter(|entry| caller.provides(&entry.provider)).ok_or(Problem::RouteNotFound)
}

// === impl RouteView ===

impl RouteView {
    fn new(entry: &RouteEntry) -> Self {
        Self {
            name: entry.route.name.to_string(),
            provider: entry.provider.to_string(),
            managed_by: entry.managed_by.word(),
            revision: entry.route.revision,
            document: entry.document(),
            created_at: entry.created_at.to_string(),
            updated_at: entry.updated_at.to_string(),
        }
    }
}

impl Row for RouteView {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "provider",
        "managed_by",
        "revision",
        "document.path",
        "document.methods",
        "document.price",
        "document.tiers",
        "document.metered",
        "created_at",
        "updated_at",
    ];
}

// === impl RevisionView ===

impl RevisionView {
    fn new(revision: &RouteRevision) -> Self {
        Self {
            revision: revision.revision,
            version: revision.version,
            at: revision.at.to_string(),
            document: revision.document(),
        }
    }
}

impl Row for RevisionView {
    const COLUMNS: &'static [&'static str] = &[
        "revision",
        "version",
        "at",
        "document.path",
        "document.price",
        "document.tiers",
        "document.metered",
    ];
}
