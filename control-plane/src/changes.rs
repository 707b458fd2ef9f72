//! `/v1/changes`: the audit log. Who changed what, when, from what to what.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use registry::journal::{Change, Filter, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::query::Query;
use crate::control::ControlState;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangeQuery {
    /// Only changes of this kind of thing: `route`, `agent`, `api_key`...
    subject_kind: Option<String>,
    /// Only changes of this thing, by name or id; names its `subject_kind` too.
    subject: Option<String>,
    /// Only this provider's.
    provider: Option<String>,
    /// Only this owner's.
    owner: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ChangeView {
    id: String,
    /// Its number, without gaps from 1.
    seq: u64,
    at: String,
    /// `token`, `key`, `file` or `system`.
    actor_kind: String,
    /// The key's id, where it was a key; an owner is told only of its own and the operator's.
    actor: String,
    action: String,
    subject_kind: String,
    subject: String,
    /// Whose business it is besides the operator's; a tenant is shown itself and nobody else.
    provider: Option<String>,
    owner: Option<String>,
    /// What it was; null where it is new.
    before: Option<Value>,
    /// What it is; null where it is gone.
    after: Option<Value>,
    /// The call that asked for it.
    request: Option<String>,
}

/// Whether the log is whole.
#[derive(Serialize, ToSchema)]
struct ChainView {
    whole: bool,
    changes: u64,
    /// The first entry that was tampered with, or is missing.
    broken_at: Option<u64>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(verify))
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/v1/changes", operation_id = "change.list", tag = "audit", params(ChangeQuery),
    responses((status = 200, body = Page<ChangeView>)), security(("management" = ["changes:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<ChangeQuery>,
) -> Result<Response, Problem> {
    if query.subject.is_some() && query.subject_kind.is_none() {
        return Err(Problem::Parameter("subject needs subject_kind beside it".to_owned()));
    }
    // A tenant looks through its own, and learns nothing of another's name by asking for it.
    let named = |name: Option<String>| name.filter(|_| caller.is_admin());
    let filter = Filter {
        provider: caller.only_provider().map(str::to_owned).or(named(query.provider)),
        owner: caller.only_owner().map(str::to_owned).or(named(query.owner)),
        subject: query.subject_kind.map(|kind| (kind, query.subject)),
    };
    let fetch = move |range: Range<u64>| {
        let (registry, filter, caller) = (state.registry.clone(), filter.clone(), caller.clone());
        async move {
            let changes = registry.changes(range.after, range.limit, &filter).await?;
            Ok(changes.into_iter().map(|change| (change.seq, ChangeView::new(change, &caller))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Follows the chain of the whole audit log.
#[utoipa::path(get, path = "/v1/changes/verify", operation_id = "change.verify", tag = "audit",
    responses((status = 200, body = ChainView)), security(("management" = ["books:read"])))]
async fn verify(State(state): State<ControlState>) -> Result<Json<ChainView>, Problem> {
    let chain = state.registry.verify_changes().await?;
    let (changes, broken_at) = (chain.changes, chain.broken_at);
    if let Some(seq) = broken_at {
        tracing::error!(change.seq = seq, "the audit log was tampered with");
    }
    Ok(Json(ChainView { whole: broken_at.is_none(), changes, broken_at }))
}

// === impl ChangeView ===

impl ChangeView {
    fn new(change: Change, caller: &Caller) -> Self {
        // Of what two tenants see only a provider's key, or the operator's, can be the one that did it.
        let is_told = change.tenant.provider.is_none() || caller.only_owner().is_none();
        let Tenant { provider, owner } = caller.shown(change.tenant);
        Self {
            id: change.id.to_string(),
            seq: change.seq,
            at: change.at.to_string(),
            actor_kind: change.actor_kind,
            actor: if is_told { change.actor } else { String::new() },
            action: change.action,
            subject_kind: change.subject_kind,
            subject: change.subject,
            provider,
            owner,
            before: change.before,
            after: change.after,
            request: change.request,
        }
    }
}

impl Row for ChangeView {
    const COLUMNS: &'static [&'static str] = &[
        "seq",
        "id",
        "at",
        "actor_kind",
        "actor",
        "action",
        "subject_kind",
        "subject",
        "provider",
        "owner",
        "before",
        "after",
        "request",
    ];
}
