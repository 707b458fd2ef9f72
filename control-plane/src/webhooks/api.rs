//! `/v1/webhooks`: who is told of events. What is still to be told stands in [`deliveries`].

mod deliveries;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::WebhookId;
use registry::journal::Tenant;
use registry::webhook::{Disabled, OVERLAP_MS, OVERLAP_MS_MAX};
use registry::{NewWebhook, Webhook, WebhookChange};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::signature;
use crate::body::{Body, given};
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::idempotent::ShowsSecret;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::egress::Target;
use crate::fields::Fields;
use crate::problem::Problem;

pub(crate) use deliveries::router as deliveries;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookBody {
    /// Where events are sent: https, on port 443, of the public internet.
    url: String,
    /// What it wants to hear of, such as `wallet.low_balance`; everything where not given.
    types: Option<Vec<String>>,
    /// Only this provider's events. A provider's key always makes its own; what the operator makes is the operator's.
    provider: Option<String>,
    /// Only this owner's events; an owner's key always makes its own.
    owner: Option<String>,
    /// Gives it to the provider or owner whose events it hears, who then see it and change it. A provider's or owner's key always
    /// makes its own; what the operator makes is the operator's, where this is not said.
    #[serde(default)]
    of_tenant: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookChangeBody {
    /// Where events are sent from now on.
    #[schema(nullable = false)]
    url: Option<String>,
    /// What it wants to hear of from now on; everything where nothing is named.
    #[serde(default, deserialize_with = "given")]
    types: Option<Option<Vec<String>>>,
    /// False: nothing is sent, and all waits. Enabled again, it goes on where it stopped.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretRotationBody {
    /// How long deliveries are signed with the old secret as well, in seconds; a day where not given, at most a week.
    overlap_seconds: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WebhookQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct WebhookView {
    id: String,
    url: String,
    /// Null is everything.
    types: Option<Vec<String>>,
    provider: Option<String>,
    owner: Option<String>,
    /// Whether it is that provider's or owner's own, who see it and change it; else it is the operator's.
    of_tenant: bool,
    enabled: bool,
    /// Why it is not: `asked`, `gone` (it answered 410) or `failing` (nothing but failures for five days).
    disabled_reason: Option<&'static str>,
    /// Since when nothing arrived.
    failing_since: Option<String>,
    /// Until when deliveries are signed with the old secret as well.
    previous_secret_until: Option<String>,
    created_at: String,
}

/// A webhook at a moment its secret is known.
#[derive(Serialize, ToSchema)]
struct ShownWebhookView {
    /// What deliveries are signed with (Standard Webhooks). Shown here and nowhere else.
    secret: String,
    #[serde(flatten)]
    webhook: WebhookView,
}

/// A webhook as it would be made. Its id and its secret are made with it.
#[derive(Serialize, ToSchema)]
struct TriedWebhookView {
    url: String,
    /// Null is everything.
    types: Option<Vec<String>>,
    provider: Option<String>,
    owner: Option<String>,
    /// Whether it would be that provider's or owner's own; else the operator's.
    of_tenant: bool,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get, change, remove))
        .routes(routes!(rotate))
        .routes(routes!(enable))
}

/// Webhooks, newest first.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "webhook.list", tag = "webhooks", params(WebhookQuery),
    responses((status = 200, body = Page<WebhookView>)), security(("management" = ["webhooks:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<WebhookQuery>,
) -> Result<Response, Problem> {
    let tenant = tenant(&caller);
    let fetch = move |range: Range<WebhookId>| {
        let (registry, tenant) = (state.registry.clone(), tenant.clone());
        async move {
            let webhooks = registry.webhooks(&tenant, range.after, range.limit).await?;
            Ok(webhooks.into_iter().map(|webhook| (webhook.id, WebhookView::new(webhook))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Makes a webhook, which hears of what happens from now on. Its secret is shown in this answer and never again.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "webhook.create", tag = "webhooks", params(DryRun),
    request_body = WebhookBody,
    responses((status = 201, body = ShownWebhookView), (status = 200, description = "A dry run", body = TriedWebhookView)),
    security(("management" = ["webhooks:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Body(body): Body<WebhookBody>,
) -> Result<Response, Problem> {
    let own = tenant(&caller);
    let mut fields = Fields::default();
    for (pointer, own, given) in
        [("/provider", &own.provider, &body.provider), ("/owner", &own.owner, &body.owner)]
    {
        if !caller.is_admin() && given.is_some() && own != given {
            fields.refuse(pointer, "is not yours");
        }
    }
    if body.provider.is_some() && body.owner.is_some() {
        fields.refuse("/owner", "give either this or `provider`");
    }
    let is_of_tenant = body.of_tenant || !caller.is_admin();
    if body.of_tenant && caller.is_admin() && body.provider.is_none() && body.owner.is_none() {
        fields.refuse("/of_tenant", "say whose it is: `provider` or `owner`");
    }
    let tenant = if caller.is_admin() { Tenant { provider: body.provider, owner: body.owner } } else { own };
    let url = check(&state, &mut fields, &body.url).await;
    fields.finish()?;
    let new = NewWebhook { url, types: body.types, tenant, of_operator: !is_of_tenant };
    let webhook = state.registry.create_webhook(&caller.actor(), new).await?;
    if state.is_dry_run() {
        return Ok(Json(TriedWebhookView::new(webhook)).into_response());
    }
    tracing::info!(webhook.id = %webhook.id, "webhook created");
    Ok(shown(StatusCode::CREATED, webhook))
}

/// One webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", operation_id = "webhook.show", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = WebhookView)), security(("management" = ["webhooks:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(WebhookView::new(visible(&state, &caller, &id).await?)))
}

/// Changes what is given of a webhook.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", operation_id = "webhook.update", tag = "webhooks",
    params(("id" = String, Path), DryRun), request_body = WebhookChangeBody,
    responses((status = 200, body = WebhookView)), security(("management" = ["webhooks:write"])))]
async fn change(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<WebhookChangeBody>,
) -> Result<Json<WebhookView>, Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    let mut fields = Fields::default();
    let url = match &body.url {
        Some(url) => Some(check(&state, &mut fields, url).await),
        None => None,
    };
    fields.finish()?;
    let change = WebhookChange { url, types: body.types, enabled: body.enabled };
    Ok(Json(WebhookView::new(state.registry.update_webhook(&caller.actor(), id, change).await?)))
}

/// Takes a webhook away, with all that is still to be sent to it.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", operation_id = "webhook.remove", tag = "webhooks",
    params(("id" = String, Path), DryRun), responses((status = 204)), security(("management" = ["webhooks:write"])))]
async fn remove(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    state.registry.remove_webhook(&caller.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret, shown in this answer and never again; a dry run shows none.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate-secret", operation_id = "webhook.rotate-secret", tag = "webhooks",
    params(("id" = String, Path), DryRun), request_body = SecretRotationBody,
    responses((status = 200, body = ShownWebhookView)), security(("management" = ["webhooks:write"])))]
async fn rotate(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<SecretRotationBody>,
) -> Result<Response, Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    let overlap_ms = body.overlap_seconds.map_or(OVERLAP_MS, |seconds| i64::from(seconds) * 1_000);
    let mut fields = Fields::default();
    if overlap_ms > OVERLAP_MS_MAX {
        fields.refuse("/overlap_seconds", "must be at most a week");
    }
    fields.finish()?;
    let webhook = state.registry.rotate_webhook_secret(&caller.actor(), id, overlap_ms).await?;
    if state.is_dry_run() {
        return Ok(Json(WebhookView::new(webhook)).into_response());
    }
    Ok(shown(StatusCode::OK, webhook))
}

/// Sends to a webhook again, from where it stopped.
#[utoipa::path(post, path = "/v1/webhooks/{id}/enable", operation_id = "webhook.enable", tag = "webhooks",
    params(("id" = String, Path), DryRun), responses((status = 200, body = WebhookView)),
    security(("management" = ["webhooks:write"])))]
async fn enable(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WebhookView>, Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    Ok(Json(WebhookView::new(state.registry.update_webhook(&caller.actor(), id, change).await?)))
}

/// A webhook that is the caller's business; another one does not exist for them.
async fn visible(state: &ControlState, caller: &Caller, id: &str) -> Result<Webhook, Problem> {
    let webhook = state.registry.webhook(id.parse()?).await?.ok_or(Problem::WebhookNotFound)?;
    let own = tenant(caller);
    if caller.is_admin() || webhook.keeper() == own { Ok(webhook) } else { Err(Problem::WebhookNotFound) }
}

/// Whose webhooks the caller has; everybody's where nobody's.
fn tenant(caller: &Caller) -> Tenant {
    Tenant {
        provider: caller.only_provider().map(str::to_owned),
        owner: caller.only_owner().map(str::to_owned),
    }
}

/// The URL as it is called, or a mistake.
async fn check(state: &ControlState, fields: &mut Fields, url: &str) -> String {
    let checked = state.egress.check(url).await;
    checked.as_ref().map(Target::to_string).unwrap_or_else(|error| {
        fields.refuse("/url", &error.to_string());
        String::new()
    })
}

fn shown(status: StatusCode, webhook: Webhook) -> Response {
    let secret = signature::shown(webhook.secret.expose());
    let view = ShownWebhookView { secret, webhook: WebhookView::new(webhook) };
    (status, Extension(ShowsSecret), Json(view)).into_response()
}

// === impl TriedWebhookView ===

impl TriedWebhookView {
    fn new(webhook: Webhook) -> Self {
        let of_tenant = webhook.keeper() != Tenant::default();
        let Tenant { provider, owner } = webhook.tenant;
        Self { url: webhook.url, types: webhook.types, provider, owner, of_tenant }
    }
}

// === impl WebhookView ===

impl WebhookView {
    fn new(webhook: Webhook) -> Self {
        let of_tenant = webhook.keeper() != Tenant::default();
        Self {
            id: webhook.id.to_string(),
            url: webhook.url,
            types: webhook.types,
            of_tenant,
            provider: webhook.tenant.provider,
            owner: webhook.tenant.owner,
            enabled: webhook.disabled.is_none(),
            disabled_reason: webhook.disabled.map(Disabled::name),
            failing_since: webhook.failing_since.map(|since| since.to_string()),
            previous_secret_until: webhook.previous.map(|(_, until)| until.to_string()),
            created_at: webhook.created_at.to_string(),
        }
    }
}

impl Row for WebhookView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "url",
        "types",
        "provider",
        "owner",
        "of_tenant",
        "enabled",
        "disabled_reason",
        "failing_since",
        "previous_secret_until",
        "created_at",
    ];
}
