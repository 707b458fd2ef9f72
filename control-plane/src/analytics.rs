//! `/v1/providers/{name}/failures` and `/latency`: how a provider's routes did, from the gateway's own counts.

use axum::Json;
use axum::extract::{Path, State};
use domain::UnixMillis;
use jiff::Timestamp;
use registry::{Requests, RouteLatency};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
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
    /// RFC 3339; a day before `to` where not given. Rounded down to its hour.
    from: Option<String>,
    /// RFC 3339; now where not given. Rounded up to its hour.
    to: Option<String>,
}

/// How often something went wrong.
#[derive(Serialize, ToSchema)]
struct FailureView {
    route: String,
    /// How the requests ended: `refused`, `voided`, `error`.
    outcome: String,
    /// The code of the refusal, or what the upstream did.
    reason: String,
    requests: u64,
}

/// How long a route's answers took. A percentile is never below the truth, and less than 28% above it.
#[derive(Serialize, ToSchema)]
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
    params(("name" = String, Path), SpanQuery), responses((status = 200, body = Vec<FailureView>)),
    security(("management" = ["providers:read"])))]
async fn failures(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<SpanQuery>,
) -> Result<Json<Vec<FailureView>>, Problem> {
    visible(&caller, &name)?;
    let (from, to) = span(&query, state.ledger.time())?;
    let found = state.registry.failures(&name, from, to).await.map_err(registry::RegistryError::Store)?;
    Ok(Json(found.into_iter().map(FailureView::new).collect()))
}

/// How long the answers of a provider's routes took.
#[utoipa::path(get, path = "/v1/providers/{name}/latency", operation_id = "provider.latency", tag = "providers",
    params(("name" = String, Path), SpanQuery), responses((status = 200, body = Vec<LatencyView>)),
    security(("management" = ["providers:read"])))]
async fn latency(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<SpanQuery>,
) -> Result<Json<Vec<LatencyView>>, Problem> {
    visible(&caller, &name)?;
    let (from, to) = span(&query, state.ledger.time())?;
    let found = state.registry.latency(&name, from, to).await.map_err(registry::RegistryError::Store)?;
    Ok(Json(found.into_iter().map(LatencyView::new).collect()))
}

fn span(query: &SpanQuery, now: UnixMillis) -> Result<(UnixMillis, UnixMillis), Problem> {
    let moment = |text: &str| {
        let read: Result<Timestamp, _> = text.parse();
        let read = read.map(|moment| UnixMillis(moment.as_millisecond()));
        read.map_err(|_| {
            Problem::Parameter("from and to must be RFC 3339, such as 2027-01-31T00:00:00Z".to_owned())
        })
    };
    let to = query.to.as_deref().map(moment).transpose()?.unwrap_or(now);
    let from = query.from.as_deref().map(moment).transpose()?.unwrap_or_else(|| to.plus(-SPAN_MS));
    if from < to { Ok((from, to)) } else { Err(Problem::Parameter("from must be before to".to_owned())) }
}

// === impl FailureView ===

impl FailureView {
    fn new(counted: Requests) -> Self {
        let Requests { route, outcome, reason, requests } = counted;
        Self { route, outcome, reason, requests }
    }
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
