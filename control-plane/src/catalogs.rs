//! `/v1/catalog`: providers and routes as one thing: its versions, and the whole of what came through the API as a document
//! that people keep in a repository.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use registry::Bundle;
use registry::catalog::CatalogChange;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::query::Query;
use crate::catalog_body::OutcomeView;
use crate::control::ControlState;
use crate::problem::Problem;
use crate::providers::editor;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ApplyQuery {
    /// Take away what came through the API and does not stand in the document.
    #[serde(default)]
    prune: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `json`, or `toml`, which `faregate apply` reads.
    format: Option<String>,
}

/// Providers and routes as documents.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that the registry reads")]
struct BundleBody {
    /// With the keys of a provider's document.
    providers: Option<Vec<Value>>,
    /// With the keys of a route's document.
    routes: Option<Vec<Value>>,
}

#[derive(Serialize, ToSchema)]
struct VersionView {
    version: u64,
    at: String,
    /// `token`, `key`, `file` or `system`.
    actor_kind: String,
    /// The key's id, where it was a key.
    actor: String,
    /// What changed.
    difference: Value,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(versions)).routes(routes!(export)).routes(routes!(apply))
}

/// What each version of the catalog changed, newest first.
#[utoipa::path(get, path = "/v1/catalog/versions", operation_id = "catalog.versions", tag = "catalog",
    params(VersionQuery), responses((status = 200, body = Page<VersionView>)),
    security(("management" = ["catalog:read"])))]
async fn versions(
    State(state): State<ControlState>,
    lister: Lister,
    Query(query): Query<VersionQuery>,
) -> Result<Response, Problem> {
    let fetch = move |range: Range<u64>| {
        let registry = state.registry.clone();
        async move {
            let found = registry.catalog_changes(range.after, range.limit).await?;
            Ok(found.into_iter().map(|change| (change.version, VersionView::new(change))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// All that came through the API, secrets left out.
#[utoipa::path(get, path = "/v1/catalog/export", operation_id = "catalog.export", tag = "catalog",
    params(ExportQuery), responses((status = 200, body = Value)), security(("management" = ["catalog:read"])))]
async fn export(
    State(state): State<ControlState>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let bundle = state.registry.export();
    match query.format.as_deref() {
        None | Some("json") => Ok(Json(bundle.to_json()).into_response()),
        Some("toml") => Ok(([(CONTENT_TYPE, "application/toml")], bundle.to_toml()).into_response()),
        Some(_) => Err(Problem::Parameter("format must be json or toml".to_owned())),
    }
}

/// Makes providers and routes what a document says, in one version.
#[utoipa::path(post, path = "/v1/catalog/apply", operation_id = "catalog.apply", tag = "catalog", params(ApplyQuery, DryRun),
    request_body = BundleBody, responses((status = 200, body = OutcomeView)),
    security(("management" = ["catalog:write"])))]
async fn apply(
    Changing(state): Changing,
    caller: Caller,
    Query(query): Query<ApplyQuery>,
    Body(document): Body<Value>,
) -> Result<Json<OutcomeView>, Problem> {
    let bundle = Bundle::from_json(document).map_err(registry::RegistryError::Invalid)?;
    let editor = editor(&caller, state.is_dry_run());
    let outcome = state.registry.apply_bundle(&editor, bundle, query.prune).await?;
    Ok(Json(outcome.into()))
}

// === impl VersionView ===

impl VersionView {
    fn new(change: CatalogChange) -> Self {
        Self {
            version: change.version,
            at: change.at.to_string(),
            actor_kind: change.actor_kind,
            actor: change.actor,
            difference: change.difference,
        }
    }
}

impl Row for VersionView {
    const COLUMNS: &'static [&'static str] = &["version", "at", "actor_kind", "actor", "difference"];
}
