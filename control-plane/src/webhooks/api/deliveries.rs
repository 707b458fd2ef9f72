//! `/v1/webhooks/{id}/deliveries`: what became of events at one webhook, and sending them again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::EventId;
use registry::webhook::{Delivery, DeliveryState, Replay};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::visible;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{self, Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeliveryQuery {
    /// Only `pending`, `delivered` or `dead`.
    state: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    /// Everything that was given up. Either this or `after`.
    #[serde(default)]
    dead: bool,
    /// Everything after the event with this `cursor`, delivered or not.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct DeliveryView {
    /// Also the `webhook-id` of what is sent.
    event: String,
    #[serde(rename = "type")]
    kind: String,
    /// `pending`, `delivered` or `dead`.
    state: &'static str,
    attempts: u32,
    /// Of the next attempt where pending, else of the last one.
    at: String,
    /// The status of the last answer.
    status: Option<u16>,
    /// Why there was none.
    error: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ReplayView {
    /// How many deliveries are sent again; null where it is a stretch of the log.
    deliveries: Option<u64>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(again)).routes(routes!(replay))
}

/// What failed, what was given up, and for a week what arrived; newest event first. What was not tried yet is not listed.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", operation_id = "webhook.deliveries", tag = "webhooks",
    params(("id" = String, Path), DeliveryQuery),
    responses((status = 200, body = Page<DeliveryView>)), security(("management" = ["webhooks:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Path(id): Path<String>,
    Query(query): Query<DeliveryQuery>,
) -> Result<Response, Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    let told = || Problem::Parameter("state must be pending, delivered or dead".to_owned());
    let wanted = query.state.map(|word| DeliveryState::parse(&word).ok_or_else(told)).transpose()?;
    let fetch = move |range: Range<u64>| {
        let registry = state.registry.clone();
        async move {
            let deliveries = registry.deliveries(id, wanted, range.after, range.limit).await?;
            Ok(deliveries
                .into_iter()
                .map(|delivery| (delivery.position, DeliveryView::new(delivery)))
                .collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Sends one event again, at once, whatever became of it.
#[utoipa::path(post, path = "/v1/webhooks/{id}/deliveries/{event}/replay", operation_id = "webhook.resend", tag = "webhooks",
    params(("id" = String, Path), ("event" = String, Path), DryRun),
    responses((status = 202, body = ReplayView)), security(("management" = ["webhooks:write"])))]
async fn again(
    Changing(state): Changing,
    caller: Caller,
    Path((id, event)): Path<(String, String)>,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    let event: EventId = event.parse()?;
    let count = state.registry.replay(&caller.actor(), id, Replay::One(event)).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayView { deliveries: Some(count) })))
}

/// Sends again what was given up, or everything after an event.
#[utoipa::path(post, path = "/v1/webhooks/{id}/replay", operation_id = "webhook.replay", tag = "webhooks",
    params(("id" = String, Path), DryRun), request_body = ReplayBody,
    responses((status = 202, body = ReplayView)), security(("management" = ["webhooks:write"])))]
async fn replay(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<ReplayBody>,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    let id = visible(&state, &caller, &id).await?.id;
    let what = match (body.dead, &body.after) {
        (true, None) => Replay::Dead,
        (false, Some(cursor)) => {
            let mut fields = Fields::default();
            let position = listing::decode(cursor).unwrap_or_else(|_| {
                fields.refuse("/after", "must be the `cursor` of an event");
                0
            });
            fields.finish()?;
            Replay::After(position)
        }
        _ => {
            let mut fields = Fields::default();
            fields.refuse("/dead", "give either this or `after`");
            return Err(fields.finish().err().unwrap_or(Problem::Internal));
        }
    };
    let count = state.registry.replay(&caller.actor(), id, what).await?;
    let deliveries = Some(count).filter(|_| what == Replay::Dead);
    Ok((StatusCode::ACCEPTED, Json(ReplayView { deliveries })))
}

// === impl DeliveryView ===

impl DeliveryView {
    fn new(delivery: Delivery) -> Self {
        Self {
            event: delivery.event.to_string(),
            kind: delivery.kind,
            state: delivery.state.name(),
            attempts: delivery.attempts,
            at: delivery.at.to_string(),
            status: delivery.status,
            error: delivery.error,
        }
    }
}

impl Row for DeliveryView {
    const COLUMNS: &'static [&'static str] = &["event", "type", "state", "attempts", "at", "status", "error"];
}
