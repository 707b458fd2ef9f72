//! `/v1/events`: the log of events, page by page or as it grows.
//!
//! A reader keeps the cursor of the last event it has seen and asks for what comes after; nothing is ever put in before it.
//! The stream is the same log as server-sent events: an event's `id` is its cursor, so that a reader that lost its connection
//! goes on with `Last-Event-ID`.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use registry::Registry;
use registry::journal::{Event, Filter, Tenant, Wanted};
use registry::webhook::{EVENT_TYPES, unknown_type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{self, EXPORTS, Found, Lister, Page, Range};
use crate::call::query::Query;
use crate::control::ControlState;
use crate::places::{Place, Places, Shares};
use crate::problem::Problem;

/// Streams open at once: the control listener has 256 connections for all.
const STREAMS: Shares = Shares { all: 56, operator: 8, tenant: 8 };

/// How long one stream lasts. Whoever reads on comes again, and is asked again who it is.
const STREAM_MAX: Duration = Duration::from_secs(600);

/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often the log is asked for what other processes wrote.
const POLL: Duration = Duration::from_millis(500);

/// Events read at once for a stream.
const READ_MAX: u32 = 100;

/// The field that a reader goes on by.
const LAST_EVENT_ID: &str = "last-event-id";

/// Those whose answers are long: who read events as they come, and who read a list whole.
#[derive(Clone, Debug)]
pub struct Streams {
    places: Places,
    exports: Places,
    stop: watch::Receiver<bool>,
    lasting: Duration,
}

/// One of them.
struct Reading {
    registry: Registry,
    filter: Filter,
    caller: Caller,
    positions: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    /// The position of the last event that was sent.
    after: u64,
    /// Read, not sent.
    waiting: std::vec::IntoIter<Event>,
    until: Instant,
    _place: Place,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// Only those of this type, such as `wallet.low_balance`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only those that tell of this thing, by its id or name.
    subject: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before, or the `cursor` of the last event that was seen.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// The `cursor` of the last event that was seen; from now on where there is none. `Last-Event-ID` goes before it.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct EventView {
    id: String,
    /// What to send as `after` to go on behind it.
    cursor: String,
    #[serde(rename = "type")]
    kind: String,
    /// When what it tells of happened.
    timestamp: String,
    /// Whose business it is besides the operator's; a tenant is shown itself and nobody else.
    provider: Option<String>,
    owner: Option<String>,
    /// The id or name of what it tells of.
    subject: String,
    data: Value,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(follow))
}

/// The log of events, oldest first.
#[utoipa::path(get, path = "/v1/events", operation_id = "event.list", tag = "events", params(EventQuery),
    responses((status = 200, body = Page<EventView>)), security(("management" = ["events:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<EventQuery>,
) -> Result<Response, Problem> {
    let filter = visible(&caller);
    let EventQuery { kind, subject, limit, after } = query;
    if let Some(unknown) = kind.as_deref().filter(|kind| !EVENT_TYPES.contains(kind)) {
        return Err(Problem::Parameter(unknown_type(unknown)));
    }
    let wanted = Wanted { kind, subject };
    if wanted != Wanted::default() {
        let find = move |range: Range<u64>| {
            let (registry, filter, wanted) = (state.registry.clone(), filter.clone(), wanted.clone());
            let caller = caller.clone();
            async move {
                let after = range.after.unwrap_or(0);
                let sighting = registry.find_events(after, range.limit, &filter, &wanted).await?;
                let rows = sighting.events.into_iter().map(|event| EventView::new(event, &caller)).collect();
                Ok(Found { rows, next: sighting.next })
            }
        };
        return lister.answer_pages(limit, after.as_deref(), find).await;
    }
    let fetch = move |range: Range<u64>| {
        let (registry, filter, caller) = (state.registry.clone(), filter.clone(), caller.clone());
        async move {
            let events = registry.events_after(range.after.unwrap_or(0), range.limit, &filter).await?;
            Ok(events.into_iter().map(|event| (event.position, EventView::new(event, &caller))).collect())
        }
    };
    lister.answer(limit, after.as_deref(), fetch).await
}

/// Events as they come (server-sent events), each with its cursor as `id` and its type as `event`. The stream ends after ten
/// minutes; go on with `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/events/stream", operation_id = "event.stream", tag = "events",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = EventView)),
    security(("management" = ["events:read"])))]
async fn follow(
    State(state): State<ControlState>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Problem> {
    let last = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
    let after = match last.or(query.after.as_deref()) {
        Some(cursor) => listing::decode(cursor)?,
        None => state.registry.last_position().await?,
    };
    let Streams { places, stop, lasting, .. } = state.streams;
    let place = places.take(caller.tenant()).ok_or(Problem::Overloaded)?;
    let reading = Reading {
        filter: visible(&caller),
        caller,
        positions: state.registry.positions(),
        registry: state.registry,
        stop,
        after,
        waiting: Vec::new().into_iter(),
        until: Instant::now() + lasting,
        _place: place,
    };
    let events = Sse::new(reading.stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok((StatusCode::OK, events).into_response())
}

/// What a caller may see of the log.
fn visible(caller: &Caller) -> Filter {
    Filter {
        provider: caller.only_provider().map(str::to_owned),
        owner: caller.only_owner().map(str::to_owned),
        subject: None,
    }
}

// === impl Streams ===

impl Streams {
    /// None yet. They end when `stop` is true.
    #[must_use]
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        Self::lasting(stop, STREAM_MAX)
    }

    pub(crate) fn lasting(stop: watch::Receiver<bool>, lasting: Duration) -> Self {
        Self { places: Places::new(STREAMS), exports: Places::new(EXPORTS), stop, lasting }
    }

    /// The places of those who read a list whole.
    pub(crate) const fn exports(&self) -> &Places {
        &self.exports
    }
}

// === impl Reading ===

impl Reading {
    fn stream(self) -> impl Stream<Item = Result<Sent, axum::Error>> + Send {
        stream::unfold(self, |mut reading| async move {
            let event = reading.next().await?;
            Some((EventView::new(event, &reading.caller).sent(), reading))
        })
    }

    /// The next event; none when the stream is over: whoever reads comes again.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.next() {
                self.after = event.position;
                return Some(event);
            }
            // Also of one that is always behind, and never waits below.
            if Instant::now() >= self.until || *self.stop.borrow() {
                return None;
            }
            self.positions.mark_unchanged();
            let read = self.registry.events_after(self.after, READ_MAX, &self.filter).await;
            let read = read.inspect_err(|error| tracing::warn!(%error, "a stream of events broke off"));
            self.waiting = read.ok()?.into_iter();
            if self.waiting.len() > 0 && !self.is_still_let_in().await {
                return None;
            }
            if self.waiting.len() == 0 {
                tokio::select! {
                    () = tokio::time::sleep_until(self.until) => return None,
                    // An error is the end of the process as well.
                    _ = self.stop.wait_for(|stop| *stop) => return None,
                    changed = self.positions.changed() => changed.ok()?,
                    () = tokio::time::sleep(POLL) => (),
                }
            }
        }
    }

    /// A key may have been revoked, or have ended, since the stream began.
    async fn is_still_let_in(&self) -> bool {
        let Some(key) = self.caller.key() else { return true };
        let good = self.registry.is_good_api_key(key).await;
        good.inspect_err(|error| tracing::warn!(%error, "a stream of events broke off")).unwrap_or(false)
    }
}

// === impl EventView ===

impl EventView {
    fn new(event: Event, caller: &Caller) -> Self {
        let Tenant { provider, owner } = caller.shown(event.tenant);
        Self {
            id: event.id.to_string(),
            cursor: listing::encode(&event.position),
            kind: event.kind,
            timestamp: event.at.to_string(),
            provider,
            owner,
            subject: event.subject,
            data: event.data,
        }
    }

    fn sent(&self) -> Result<Sent, axum::Error> {
        Sent::default().id(&self.cursor).event(&self.kind).json_data(self)
    }
}

impl Row for EventView {
    const COLUMNS: &'static [&'static str] =
        &["id", "cursor", "type", "timestamp", "provider", "owner", "subject", "data"];
}
