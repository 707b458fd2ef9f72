//! The management API's router: every resource's calls, the document that describes them, and the way of a call.
//!
//! A call is let in ([`call::caller`]), held against the document ([`call::operations`]), made once where it is named
//! ([`call::idempotent`]), and then handled. Whoever adds a resource adds its router here and nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::{self, Next};
use axum::response::Response;
use domain::Secret;
use ledger::Ledger;
use registry::Registry;
use settlement::comparison::Chains;
use settlement::{Deposits, Foreign};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::body::{self, BODY_BYTES_MAX};
use crate::call::caller::{self, Door};
use crate::call::operations::{self, Operations};
use crate::call::{document, idempotent};
use crate::egress::Egress;
use crate::events::Streams;
use crate::metrics::{self, ControlMetrics};
use crate::problem::Problem;
use crate::wallets::deposits;
use crate::webhooks::api as webhooks;
use crate::{
    agent_keys, agents, alerts, analytics, api_keys, audit, catalogs, changes, differences, events, networks,
    outgoing, payments, payout_destinations, payouts, providers, revenue, routes, settlements, signers,
    trials, wallets,
};

/// Longest a call may take, its body included. What reads all books has no such end.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls that take as long as they take.
const UNHURRIED: [&str; 2] = ["/v1/audit", "/v1/changes/verify"];

/// What the calls work on.
#[derive(Clone)]
pub struct ControlState {
    /// Where the money is; its time is the time here.
    pub ledger: Ledger,
    /// What people edit.
    pub registry: Registry,
    /// Where calls are counted.
    pub metrics: Arc<ControlMetrics>,
    /// Asked whether a webhook may be called where it wants to be.
    pub egress: Egress,
    /// Those who read events as they come, and those who read a list whole.
    pub streams: Streams,
    /// Who takes deposits; none where no public network has a treasury.
    pub deposits: Option<Deposits>,
    /// Non-EVM networks; none where there are none.
    pub foreign: Option<Foreign>,
    /// The nodes of public networks, by their names (CAIP-2).
    pub chains: Chains,
}

/// The router. Without a token only keys of the API open it.
pub fn router(state: ControlState, admin_token: Option<&Secret>) -> Router {
    let (calls, mut document) = resources().split_for_parts();
    let (open, of_open) = open().split_for_parts();
    let open = open.method_not_allowed_fallback(async || Problem::Method);
    document.merge(of_open);
    document::complete(&mut document);
    let operations = Operations::of(&document);
    let door = Door::new(admin_token, state.registry.clone());
    calls
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::Method)
        .layer(middleware::from_fn_with_state(state.registry.clone(), idempotent::once))
        .layer(middleware::from_fn(within_time))
        .layer(middleware::from_fn(body::whole))
        .layer(middleware::from_fn_with_state(operations, operations::demand))
        .layer(middleware::from_fn_with_state(door, caller::require))
        .merge(open)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(unkept))
        .layer(middleware::from_fn_with_state(Arc::clone(&state.metrics), metrics::count))
        .with_state(state)
        .merge(docs(document))
}

/// The document, and a page that shows it: open to all who reach this listener, since it is the same everywhere. The page
/// asks nobody else for anything.
fn docs(document: OpenApi) -> SwaggerUi {
    let config = Config::from("/openapi.json").validator_url("none");
    SwaggerUi::new("/docs").config(config).url("/openapi.json", document)
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut document = resources().merge(open()).into_openapi();
    document::complete(&mut document);
    document
}

fn resources() -> OpenApiRouter<ControlState> {
    OpenApiRouter::with_openapi(document::head())
        .merge(agents::router())
        .merge(agent_keys::router())
        .merge(signers::router())
        .merge(trials::router())
        .merge(wallets::router())
        .merge(alerts::router())
        .merge(payments::router())
        .merge(providers::router())
        .merge(payout_destinations::router())
        .merge(settlements::router())
        .merge(payouts::router())
        .merge(outgoing::router())
        .merge(differences::router())
        .merge(routes::router())
        .merge(catalogs::router())
        .merge(networks::router())
        .merge(analytics::router())
        .merge(revenue::router())
        .merge(api_keys::router())
        .merge(changes::router())
        .merge(events::router())
        .merge(webhooks::router())
        .merge(webhooks::deliveries())
        .merge(audit::router())
}

/// What needs no key: whoever pays may call it.
fn open() -> OpenApiRouter<ControlState> {
    deposits::router()
}

/// No answer may be kept by anyone: some show a key.
async fn unkept(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn within_time(path: Option<MatchedPath>, request: Request, next: Next) -> Result<Response, Problem> {
    if path.is_some_and(|path| UNHURRIED.contains(&path.as_str())) {
        return Ok(next.run(request).await);
    }
    tokio::time::timeout(CALL_TIMEOUT, next.run(request)).await.map_err(|_| Problem::Timeout)
}
