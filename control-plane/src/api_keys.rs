//! `/v1/api-keys`: who may call this API besides the holder of the administrator's token.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::ApiKeyId;
use registry::api_key::API_KEY_NAME_BYTES_MAX;
use registry::{ApiKeyGrant, NewApiKey, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::idempotent::ShowsSecret;
use crate::call::listing::{Lister, Page, PageQuery, Range};
use crate::call::operations;
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyBody {
    /// What people call it, 1 to 64 bytes.
    name: String,
    /// `admin`, `provider` or `owner`.
    role: String,
    /// The provider of this name, for the role `provider`.
    provider: Option<String>,
    /// The owner of agents of this name, for the role `owner`; any name of yours.
    owner: Option<String>,
    /// Whether it only reads.
    #[serde(default)]
    read_only: bool,
    /// The only scopes that it opens, such as `payments:read`; all of its role where not given.
    scopes: Option<Vec<String>>,
    /// From when on it is refused.
    expires_at: Option<String>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
struct ApiKeyView {
    id: String,
    name: String,
    role: &'static str,
    provider: Option<String>,
    owner: Option<String>,
    read_only: bool,
    scopes: Option<Vec<String>>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
    created_at: String,
}

/// A key at the one moment its text is known.
#[derive(Serialize, ToSchema)]
struct ShownApiKeyView {
    /// Shown here and nowhere else.
    key: String,
    #[serde(flatten)]
    grant: ApiKeyView,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Keys of the API, newest first.
#[utoipa::path(get, path = "/v1/api-keys", operation_id = "api-key.list", tag = "access", params(PageQuery),
    responses((status = 200, body = Page<ApiKeyView>)), security(("management" = ["api_keys:read"])))]
async fn list(
    State(state): State<ControlState>,
    lister: Lister,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let fetch = move |range: Range<ApiKeyId>| {
        let registry = state.registry.clone();
        async move {
            let keys = registry.api_keys(range.after, range.limit).await?;
            Ok(keys.into_iter().map(|grant| (grant.id, ApiKeyView::new(grant))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Makes a key. Its text is shown in this answer and never again.
#[utoipa::path(post, path = "/v1/api-keys", operation_id = "api-key.create", tag = "access", params(DryRun), request_body = ApiKeyBody,
    responses((status = 201, body = ShownApiKeyView), (status = 200, description = "A dry run", body = ApiKeyView)), security(("management" = ["api_keys:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Body(body): Body<ApiKeyBody>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    fields.text("/name", &body.name, API_KEY_NAME_BYTES_MAX);
    let role = role(&state, &mut fields, &body);
    for scope in body.scopes.iter().flatten() {
        let known = operations::scopes().any(|known| known == scope);
        if !known || role.as_ref().is_some_and(|role| !operations::is_of_role(role, scope)) {
            fields.refuse("/scopes", &format!("the role has no scope `{scope}`"));
        }
    }
    if let Some(role) = &role
        && !within(&caller, role, body.scopes.as_deref())
    {
        fields.refuse("/scopes", "your own key does not open all of them: name only scopes that it has");
    }
    let mut expires_at = fields.future("/expires_at", body.expires_at.as_deref(), state.ledger.time());
    if let Some(end) = caller.expires_at() {
        if expires_at.is_some_and(|asked| asked > end) {
            fields.refuse("/expires_at", &format!("your own key ends at {end}: name no later time"));
        }
        expires_at = expires_at.or(Some(end));
    }
    fields.finish()?;
    // Without a mistake there is a role.
    let role = role.ok_or(Problem::Internal)?;
    let new = NewApiKey { name: body.name, role, read_only: body.read_only, scopes: body.scopes, expires_at };
    let (key, grant) = state.registry.create_api_key(&caller.actor(), new).await?;
    state.log(|| tracing::info!(key.id = %grant.id, key.role = grant.role.name(), "key of the management API created"));
    if state.is_dry_run() {
        return Ok(Json(ApiKeyView::new(grant)).into_response());
    }
    let view = ShownApiKeyView { key: key.reveal(), grant: ApiKeyView::new(grant) };
    Ok((StatusCode::CREATED, Extension(ShowsSecret), Json(view)).into_response())
}

/// Ends a key at once.
#[utoipa::path(post, path = "/v1/api-keys/{id}/revoke", operation_id = "api-key.revoke", tag = "access", params(("id" = String, Path), DryRun),
    responses((status = 200, body = ApiKeyView)), security(("management" = ["api_keys:write"])))]
async fn revoke(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ApiKeyView>, Problem> {
    let id: ApiKeyId = id.parse()?;
    let grant = state.registry.revoke_api_key(&caller.actor(), id).await?;
    state.log(|| tracing::info!(key.id = %id, "key of the management API revoked"));
    Ok(Json(ApiKeyView::new(grant)))
}

/// Whether all that a new key would open is open to its maker: else a key that only makes keys would open everything.
fn within(caller: &Caller, role: &Role, scopes: Option<&[String]>) -> bool {
    match scopes {
        Some(scopes) => scopes.iter().all(|scope| caller.may(scope)),
        None => operations::scopes()
            .filter(|scope| operations::is_of_role(role, scope))
            .all(|scope| caller.may(scope)),
    }
}

fn role(state: &ControlState, fields: &mut Fields, body: &ApiKeyBody) -> Option<Role> {
    match (&*body.role, &body.provider, &body.owner) {
        ("admin", None, None) => Some(Role::Admin),
        ("provider", Some(name), None) => {
            let catalogs = state.registry.catalogs();
            if !catalogs.borrow().providers().iter().any(|provider| *provider.name == **name) {
                fields.refuse("/provider", &format!("there is no provider `{name}`"));
            }
            Some(Role::Provider(name.clone()))
        }
        ("owner", None, Some(name)) => {
            fields.text("/owner", name, API_KEY_NAME_BYTES_MAX);
            Some(Role::Owner(name.clone()))
        }
        ("admin" | "provider" | "owner", ..) => {
            fields
                .refuse("/role", "an admin's key names neither, a provider's `provider`, an owner's `owner`");
            None
        }
        _ => {
            fields.refuse("/role", "must be admin, provider or owner");
            None
        }
    }
}

// === impl ApiKeyView ===

impl ApiKeyView {
    fn new(grant: ApiKeyGrant) -> Self {
        let role = grant.role.name();
        let (provider, owner) = match grant.role {
            Role::Admin => (None, None),
            Role::Provider(name) => (Some(name), None),
            Role::Owner(name) => (None, Some(name)),
        };
        Self {
            id: grant.id.to_string(),
            name: grant.name,
            role,
            provider,
            owner,
            read_only: grant.read_only,
            scopes: grant.scopes,
            expires_at: grant.expires_at.map(|at| at.to_string()),
            revoked_at: grant.revoked_at.map(|at| at.to_string()),
            last_used_at: grant.last_used_at.map(|at| at.to_string()),
            created_at: grant.created_at.to_string(),
        }
    }
}

impl Row for ApiKeyView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "role",
        "provider",
        "owner",
        "read_only",
        "scopes",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "created_at",
    ];
}
