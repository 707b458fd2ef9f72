//! `/v1/providers`: who is paid. Registered and priced by the operator, kept up by themselves.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::BasisPoints;
use registry::{Editor, ProviderEntry};
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
use crate::catalog_body::{OutcomeView, ProviderBody, ProviderPatch};
use crate::control::ControlState;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ProviderQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ProviderView {
    name: String,
    /// `file` or `api`: what the configuration file brings only it changes.
    managed_by: &'static str,
    suspended: bool,
    /// The platform's share.
    fee: String,
    /// As it was written, secrets left out.
    document: Value,
    created_at: String,
    updated_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get, update))
        .routes(routes!(suspend))
        .routes(routes!(resume))
}

/// Providers, by name.
#[utoipa::path(get, path = "/v1/providers", operation_id = "provider.list", tag = "providers", params(ProviderQuery),
    responses((status = 200, body = Page<ProviderView>)), security(("management" = ["providers:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<ProviderQuery>,
) -> Result<Response, Problem> {
    let mut entries = state.registry.providers();
    entries.retain(|entry| caller.provides(&entry.provider.name));
    let fetch = move |range: Range<String>| {
        let after = range.after.unwrap_or_default();
        let rest = entries.iter().filter(|entry| *entry.provider.name > *after);
        let rows = rest.take(range.limit as usize).map(|entry| ProviderView::new(entry));
        let rows: Vec<_> = rows.map(|row| (row.name.clone(), row)).collect();
        async move { Ok(rows) }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Registers a provider. Its routes come next.
#[utoipa::path(post, path = "/v1/providers", operation_id = "provider.create", tag = "providers", params(DryRun),
    request_body = ProviderBody, responses((status = 201, body = OutcomeView), (status = 200, description = "A dry run", body = OutcomeView)),
    security(("management" = ["providers:admin"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Body(document): Body<Value>,
) -> Result<(StatusCode, Json<OutcomeView>), Problem> {
    let name = document["name"].as_str().unwrap_or_default().to_owned();
    let outcome = state.registry.create_provider(&editor(&caller, state.is_dry_run()), document).await?;
    if !state.is_dry_run() {
        warn_of_debt(&state, &name).await;
    }
    Ok((state.created(), Json(outcome.into())))
}

/// Says that a name is given again whose former provider was not settled with: the books know names, and the new one gets it.
async fn warn_of_debt(state: &ControlState, name: &str) {
    match state.ledger.owed().await {
        Ok(owed) => {
            if let Some((_, owed)) = owed.iter().find(|(provider, _)| **provider == *name) {
                tracing::warn!(provider.name = name, %owed, "a provider of this name earned before and was not settled with");
            }
        }
        Err(error) => {
            tracing::warn!(provider.name = name, %error, "whether the name is still owed is not known")
        }
    }
}

/// One provider.
#[utoipa::path(get, path = "/v1/providers/{name}", operation_id = "provider.show", tag = "providers",
    params(("name" = String, Path)), responses((status = 200, body = ProviderView)),
    security(("management" = ["providers:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ProviderView>, Problem> {
    visible(&caller, &name)?;
    let entry = state.registry.provider(&name).ok_or(Problem::ProviderNotFound)?;
    Ok(Json(ProviderView::new(&entry)))
}

/// Changes a provider by a merge patch of its document.
#[utoipa::path(patch, path = "/v1/providers/{name}", operation_id = "provider.update", tag = "providers",
    params(("name" = String, Path), DryRun), request_body = ProviderPatch,
    responses((status = 200, body = OutcomeView)), security(("management" = ["providers:write"])))]
async fn update(
    Changing(state): Changing,
    caller: Caller,
    Path(name): Path<String>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<OutcomeView>, Problem> {
    visible(&caller, &name)?;
    let outcome = state.registry.update_provider(&editor(&caller, state.is_dry_run()), &name, patch).await?;
    Ok(Json(outcome.into()))
}

/// Stops selling for a provider: its quotes end at once, its routes answer 503. One that is to go for good stays suspended,
/// since its accounts keep its name: settle what it earned with `settlement run`.
#[utoipa::path(post, path = "/v1/providers/{name}/suspend", operation_id = "provider.suspend", tag = "providers",
    params(("name" = String, Path), DryRun), responses((status = 200, body = OutcomeView)),
    security(("management" = ["providers:admin"])))]
async fn suspend(
    Changing(state): Changing,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<OutcomeView>, Problem> {
    let outcome = state.registry.suspend_provider(&editor(&caller, state.is_dry_run()), &name, true).await?;
    Ok(Json(outcome.into()))
}

/// Sells for a suspended provider again.
#[utoipa::path(post, path = "/v1/providers/{name}/resume", operation_id = "provider.resume", tag = "providers",
    params(("name" = String, Path), DryRun), responses((status = 200, body = OutcomeView)),
    security(("management" = ["providers:admin"])))]
async fn resume(
    Changing(state): Changing,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<OutcomeView>, Problem> {
    let outcome = state.registry.suspend_provider(&editor(&caller, state.is_dry_run()), &name, false).await?;
    Ok(Json(outcome.into()))
}

/// A provider's name that is the caller's business; another one does not exist for them.
pub(crate) fn visible(caller: &Caller, name: &str) -> Result<(), Problem> {
    if caller.provides(name) { Ok(()) } else { Err(Problem::ProviderNotFound) }
}

/// What the caller may write.
pub(crate) fn editor(caller: &Caller, dry_run: bool) -> Editor {
    let (actor, is_admin) = (caller.actor(), caller.is_admin());
    Editor { dry_run, ..if is_admin { Editor::operator(actor) } else { Editor::provider(actor) } }
}

/// `2.50%`.
fn percent(share: BasisPoints) -> String {
    format!("{}.{:02}%", share.get() / 100, share.get() % 100)
}

// === impl ProviderView ===

impl ProviderView {
    fn new(entry: &ProviderEntry) -> Self {
        Self {
            name: entry.provider.name.to_string(),
            managed_by: entry.managed_by.word(),
            suspended: entry.provider.suspended,
            fee: percent(entry.provider.fee),
            document: entry.document(),
            created_at: entry.created_at.to_string(),
            updated_at: entry.updated_at.to_string(),
        }
    }
}

impl Row for ProviderView {
    const COLUMNS: &'static [&'static str] =
        &["name", "managed_by", "suspended", "fee", "created_at", "updated_at"];
}
