//! `/v1/providers/{name}/failures` and `/latency`: how a provider's routes did, from the gateway's own counts.

use axum::extract::State;
use axum::response::Response;
use domain::UnixMillis;
use registry::{Requests, RouteLatency};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page};
use crate::call::moment;
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::problem::Problem;
use crate::providers::visible;

/// What is looked at where nobody says: the day before now, in milliseconds.
const SPAN_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SpanQuery {
    /// RFC 3339, or a day; a day before `to` where not given. Rounded down to its hour.
    from: Option<String>,
    /// RFC 3339, or a day; now where not given. Rounded up to its hour.
    to: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// How often something went wrong.
#[derive(Clone, Serialize, ToSchema)]
struct FailureView {
    route: String,
    /// How the requests ended: `refused`, `voided`, `error`.
    outcome: String,
    /// The code of the refusal, or what the upstream did.
    reason: String,
    requests: u64,
}

/// How long a route's answers took. A percentile is never below the truth, and less than 28% above it.
#[derive(Clone, Serialize, ToSchema)]
struct LatencyView {
    route: String,
    answers: u64,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(failures)).routes(routes!(latency))
}

/// What went wrong at a provider's routes, by reason.
#[utoipa::path(get, path = "/v1/providers/{name}/failures", operation_id = "provider.failures", tag = "providers",
    params(("name" = String, Path), SpanQuery), responses((status = 200, body = Page<FailureView>)),
    security(("management" = ["providers:read"])))]
async fn failures(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    lister: Lister,
    Query(query): Query<SpanQuery>,
) -> Result<Response, Problem> {
    visible(&caller, &name)?;
    let (from, to) = span(&query, state.ledger.time())?;
    let found = state.registry.failures(&name, from, to).await.map_err(registry::RegistryError::Store)?;
    let rows = found.into_iter().map(FailureView::new).collect();
    lister.answer_rows(query.limit, query.after.as_deref(), rows).await
}

/// How long the answers of a provider's routes took.
#[utoipa::path(get, path = "/v1/providers/{name}/latency", operation_id = "provider.latency", tag = "providers",
    params(("name" = String, Path), SpanQuery), responses((status = 200, body = Page<LatencyView>)),
    security(("management" = ["providers:read"])))]
async fn latency(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    lister: Lister,
    Query(query): Query<SpanQuery>,
) -> Result<Response, Problem> {
    visible(&caller, &name)?;
    let (from, to) = span(&query, state.ledger.time())?;
    let found = state.registry.latency(&name, from, to).await.map_err(registry::RegistryError::Store)?;
    let rows = found.into_iter().map(LatencyView::new).collect();
    lister.answer_rows(query.limit, query.after.as_deref(), rows).await
}

fn span(query: &SpanQuery, now: UnixMillis) -> Result<(UnixMillis, UnixMillis), Problem> {
    moment::span(query.from.as_deref(), query.to.as_deref(), (now, SPAN_MS))
}

// === impl FailureView ===

impl FailureView {
    fn new(counted: Requests) -> Self {
        let Requests { route, outcome, reason, requests } = counted;
        Self { route, outcome, reason, requests }
    }
}

impl Row for FailureView {
    const COLUMNS: &'static [&'static str] = &["route", "outcome", "reason", "requests"];
}

// === impl LatencyView ===

impl LatencyView {
    fn new(measured: RouteLatency) -> Self {
        let micros = |took: std::time::Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Self {
            route: measured.route,
            answers: measured.answers,
            p50_us: micros(measured.p50),
            p95_us: micros(measured.p95),
            p99_us: micros(measured.p99),
        }
    }
}

impl Row for LatencyView {
    const COLUMNS: &'static [&'static str] = &["route", "answers", "p50_us", "p95_us", "p99_us"];
}
